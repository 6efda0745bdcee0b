//! A table of API routes: one line says the address, who may, which handler, and what it does. The same table serves
//! the requests and writes the OpenAPI document, so that the two cannot drift.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, Resource, Responder, ResponseError, Route, guard, web};

use super::error::ApiError;
use super::guard::require;
use crate::account::Permission;

/// What an operation answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200 with `{"data": …}` of the schema.
    One(&'static str),
    /// 200 with a page of the schema.
    List(&'static str),
    /// 201 with `{"data": …}` of the schema.
    Created(&'static str),
    /// 204.
    Nothing,
    /// 200 with raw bytes.
    Bytes,
    /// 200 with JSON of its own form.
    Json,
}

/// One operation as the OpenAPI document tells it.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its address, below `/api/v1`.
    pub path: &'static str,
    /// Its method.
    pub method: Method,
    /// Who may; `None`: anybody.
    pub permission: Option<Permission>,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// The parameters of its query, but for `page` and `per_page`.
    pub query: &'static [&'static str],
    /// The schema of its body.
    pub body: Option<&'static str>,
    /// What it answers.
    pub answer: Answer,
}

/// What a line of the table says of its operation.
pub struct Doc {
    summary: &'static str,
    query: &'static [&'static str],
    body: Option<&'static str>,
    answer: Answer,
}

/// An operation that does what `summary` says.
pub fn doc(summary: &'static str, answer: Answer) -> Doc {
    Doc { summary, query: &[], body: None, answer }
}

impl Doc {
    /// It takes these parameters in its query.
    pub fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    /// It takes a body of this schema.
    pub fn body(self, schema: &'static str) -> Self {
        Self { body: Some(schema), ..self }
    }
}

/// The routes of the API as they are collected.
#[derive(Default)]
pub struct Table {
    /// To be served.
    pub resources: Vec<Resource>,
    /// To be described.
    pub operations: Vec<Operation>,
}

impl Table {
    /// Adds an address with its methods. Other methods are answered with 405 and `Allow`.
    pub fn at(&mut self, path: &'static str, build: impl FnOnce(Line) -> Line) {
        let line = build(Line { path, resource: web::resource(path), operations: Vec::new() });
        let allow = allowed(&line.operations);
        let refuse = move || {
            let allow = allow.clone();
            async move { Err::<&'static str, _>(ApiError::MethodNotAllowed { allow }) }
        };
        self.resources.push(line.resource.default_service(web::to(refuse)));
        self.operations.extend(line.operations);
    }
}

fn allowed(operations: &[Operation]) -> String {
    let mut methods: Vec<&str> = operations.iter().map(|o| o.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(", ")
}

/// One address of the table.
pub struct Line {
    path: &'static str,
    resource: Resource,
    operations: Vec<Operation>,
}

/// Who may use an operation: a [`Permission`], or `None` for anybody.
pub type Who = Option<Permission>;

impl Line {
    /// Answers GET, and HEAD without a body.
    pub fn get<H, A>(self, who: Who, handler: H, doc: Doc) -> Self
    where
        H: Handler<A>,
        A: FromRequest + 'static,
        H::Output: Responder + 'static,
    {
        self.add(Method::GET, who, handler, doc)
    }

    /// Answers POST.
    pub fn post<H, A>(self, who: Who, handler: H, doc: Doc) -> Self
    where
        H: Handler<A>,
        A: FromRequest + 'static,
        H::Output: Responder + 'static,
    {
        self.add(Method::POST, who, handler, doc)
    }

    /// Answers PATCH.
    pub fn patch<H, A>(self, who: Who, handler: H, doc: Doc) -> Self
    where
        H: Handler<A>,
        A: FromRequest + 'static,
        H::Output: Responder + 'static,
    {
        self.add(Method::PATCH, who, handler, doc)
    }

    /// Answers DELETE.
    pub fn delete<H, A>(self, who: Who, handler: H, doc: Doc) -> Self
    where
        H: Handler<A>,
        A: FromRequest + 'static,
        H::Output: Responder + 'static,
    {
        self.add(Method::DELETE, who, handler, doc)
    }

    fn add<H, A>(mut self, method: Method, who: Who, handler: H, doc: Doc) -> Self
    where
        H: Handler<A>,
        A: FromRequest + 'static,
        H::Output: Responder + 'static,
    {
        let Doc { summary, query, body, answer } = doc;
        self.resource = self.resource.route(route(method.clone(), who, handler));
        let operation =
            Operation { path: self.path, method, permission: who, summary, query, body, answer };
        self.operations.push(operation);
        self
    }
}

fn route<H, A>(method: Method, who: Who, handler: H) -> Route
where
    H: Handler<A>,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let route = match method {
        Method::GET => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
        other => web::method(other),
    };
    // Around the handler's extractors, so that nobody's body is read before we know that they may.
    route.to(handler).wrap(from_fn(move |req, next| allow(who, req, next)))
}

async fn allow(
    who: Who,
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    match who.map_or(Ok(()), |permission| require(req.request(), permission)) {
        Ok(()) => Ok(next.call(req).await?.map_into_boxed_body()),
        Err(error) => Ok(req.into_response(error.error_response())),
    }
}
