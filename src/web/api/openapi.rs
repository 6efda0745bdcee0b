//! The OpenAPI 3.1 document, made from the route table that also serves, and a page to read it by.

use std::sync::LazyLock;

use actix_web::http::Method;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Map, Value, json};

use super::routes::table;
use super::schemas::schemas;
use crate::account::Permission;
use crate::web::error::ApiError;
use crate::web::pages::visit;
use crate::web::table::{Answer, Operation};

/// Made once: it is the same for everybody.
static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| table().operations);
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document(&OPERATIONS).to_string());

/// `GET /api/v1/openapi.json`.
pub async fn json() -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).body(DOCUMENT.as_str())
}

/// The whole document.
pub fn document(operations: &[Operation]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method.as_str().to_ascii_lowercase()] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Watchbell",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT", "identifier": "MIT" },
            "description": "Monitors, heartbeats, incidents and maintenance windows. A token may make \
                600 requests a minute. Absent keeps a field in PATCH; null is its default.",
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "An API token: wbt_… as `watchbell token create` prints it.",
            }},
            "schemas": schemas(),
        },
    })
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "tags": [tag(operation)],
        "parameters": parameters(operation),
        "responses": responses(operation),
    });
    if let Some(schema) = operation.body {
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": reference(schema) } },
        });
    }
    match operation.permission {
        None => described["security"] = json!([]),
        Some(needed) => {
            described["description"] = json!(format!("Needs the role {}.", role(needed)))
        }
    }
    described
}

fn role(permission: Permission) -> &'static str {
    match permission {
        Permission::Read => "viewer",
        Permission::Edit => "editor",
        Permission::Administer => "admin",
    }
}

/// `GET /monitors/{id}/results` is `get_monitors_id_results`.
fn operation_id(operation: &Operation) -> String {
    let path = operation.path.replace(['{', '}'], "").replace(['/', '-', '.'], "_");
    format!("{}{path}", operation.method.as_str().to_ascii_lowercase())
}

fn tag(operation: &Operation) -> &str {
    operation.path.split('/').nth(1).unwrap_or_default()
}

fn parameters(operation: &Operation) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({ "name": name, "in": "path", "required": true,
            "schema": { "type": "integer", "format": "int64" } }))
    });
    let text = |name: &&str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
    let number = |name: &str, default: i64, max: Option<i64>| {
        let mut schema = json!({ "type": "integer", "minimum": 1, "default": default });
        if let Some(max) = max {
            schema["maximum"] = json!(max);
        }
        json!({ "name": name, "in": "query", "schema": schema })
    };
    let mut all: Vec<Value> = in_path.chain(operation.query.iter().map(text)).collect();
    if matches!(operation.answer, Answer::List(_)) {
        all.push(number("page", 1, None));
        all.push(number("per_page", 20, Some(200)));
    }
    Value::Array(all)
}

fn responses(operation: &Operation) -> Value {
    let of = |schema: Value| json!({ "application/json": { "schema": schema } });
    let (status, description, content) = match operation.answer {
        Answer::One(schema) => ("200", "Done", Some(of(data(reference(schema))))),
        Answer::Created(schema) => ("201", "Made", Some(of(data(reference(schema))))),
        Answer::List(schema) => ("200", "One page", Some(of(list(reference(schema))))),
        Answer::Nothing => ("204", "Done", None),
        Answer::Bytes => ("200", "The bytes", Some(json!({ "application/octet-stream": {} }))),
        Answer::Json => ("200", "The document", Some(of(json!({ "type": "object" })))),
    };
    let mut answered = json!({ "description": description });
    if let Some(content) = content {
        answered["content"] = content;
    }
    let mut all = Map::from_iter([(status.to_owned(), answered)]);
    for (status, description) in problems(operation) {
        let problem = json!({ "application/problem+json": { "schema": reference("Problem") } });
        all.insert(status.to_owned(), json!({ "description": description, "content": problem }));
    }
    Value::Object(all)
}

fn problems(operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let mut problems = Vec::new();
    if operation.permission.is_some() {
        problems.push(("401", "No token, or not a valid one"));
        problems.push(("403", "The role does not allow this"));
        problems.push(("429", "Too many requests; see Retry-After"));
    }
    if operation.path.contains('{') {
        problems.push(("404", "There is no such thing"));
    }
    if operation.body.is_some() || matches!(operation.answer, Answer::List(_)) {
        problems.push(("422", "Fields are wrong; each is named"));
    }
    if operation.body.is_some() {
        problems.push(("400", "The body is not JSON"));
        problems.push(("413", "The body is longer than 1 MiB"));
        problems.push(("415", "The body is not application/json"));
    }
    if operation.method != Method::GET && operation.permission.is_some() {
        problems.push(("409", "It does not fit the present state"));
    }
    problems
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn data(schema: Value) -> Value {
    json!({ "type": "object", "required": ["data"], "properties": { "data": schema } })
}

fn list(schema: Value) -> Value {
    json!({
        "type": "object",
        "required": ["data", "meta"],
        "properties": {
            "data": { "type": "array", "items": schema },
            "meta": reference("Meta"),
        },
    })
}

/// One operation on the page.
struct Row {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    needs: &'static str,
    body: &'static str,
    query: String,
}

/// One schema on the page.
struct SchemaRow {
    name: String,
    fields: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "api_docs.html")]
struct Page {
    theme: &'static str,
    operations: Vec<Row>,
    schemas: Vec<SchemaRow>,
}

/// `GET /api/docs`: the same, for people.
///
/// # Errors
/// When the page cannot be made.
pub async fn page(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = Page {
        theme: visit::theme(&req),
        operations: OPERATIONS.iter().map(row).collect(),
        schemas: schemas().into_iter().map(|(name, schema)| schema_row(name, &schema)).collect(),
    };
    let html = page.render().map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().insert_header(ContentType::html()).body(html))
}

fn row(operation: &Operation) -> Row {
    let method = match operation.method {
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "GET",
    };
    Row {
        method,
        path: operation.path,
        summary: operation.summary,
        needs: operation.permission.map_or("nobody", role),
        body: operation.body.unwrap_or_default(),
        query: operation.query.join(", "),
    }
}

fn schema_row(name: String, schema: &Value) -> SchemaRow {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(field, about)| (field.clone(), in_words(about))).collect();
    SchemaRow { name, fields }
}

/// `integer or null, 1 to 120, default 10. Seconds …`.
fn in_words(about: &Value) -> String {
    let kind = match &about["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => "object".to_owned(),
    };
    let mut words = kind;
    if let (Some(min), Some(max)) = (about["minimum"].as_i64(), about["maximum"].as_i64()) {
        words.push_str(&format!(", {min} to {max}"));
    }
    if let Some(options) = about["enum"].as_array() {
        let options: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
        words.push_str(&format!(": {}", options.join(", ")));
    }
    if let Some(default) = about.get("default") {
        words.push_str(&format!(", default {default}"));
    }
    if let Some(text) = about["description"].as_str() {
        words.push_str(&format!(". {text}"));
    }
    words
}
