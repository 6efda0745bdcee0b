//! The OpenAPI document tells what is served.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::api::{Api, answering};

fn fields_of(document: &Value, schema: &str) -> BTreeSet<String> {
    let properties = &document["components"]["schemas"][schema]["properties"];
    properties.as_object().unwrap_or_else(|| panic!("{schema}")).keys().cloned().collect()
}

fn keys(shown: &Value) -> BTreeSet<String> {
    shown.as_object().unwrap_or_else(|| panic!("{shown}")).keys().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_that_is_described_is_served_with_no_other_method() {
    let api = Api::start().await;
    let document = Api::answer(api.request("GET", "/api/v1/openapi.json")).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        let address = path.replace("{id}", "1").replace("{n}", "1");
        let answer = api.admin("TRACE", &format!("/api/v1{address}"), None).await;
        answer.problem(405);
        let described: BTreeSet<String> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let served = answer.header("allow").split(", ").filter(|method| *method != "HEAD");
        assert_eq!(served.map(str::to_owned).collect::<BTreeSet<_>>(), described, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_leads_somewhere_and_operation_ids_are_unique() {
    let api = Api::start().await;
    let text = Api::answer(api.request("GET", "/api/v1/openapi.json")).await.text;
    let document: Value = serde_json::from_str(&text).unwrap();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    let ids: Vec<&str> = text
        .split("\"operationId\":\"")
        .skip(1)
        .map(|part| part.split('"').next().unwrap())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_fields_that_are_described() {
    let api = Api::start().await;
    let document = Api::answer(api.request("GET", "/api/v1/openapi.json")).await.json();
    let http = api.monitor(json!({})).await;
    let http = api.admin("GET", &format!("/api/v1/monitors/{http}"), None).await.data(200);
    let beat = api.monitor(json!({"type": "heartbeat", "name": "j", "period_seconds": 60})).await;
    let path = format!("/api/v1/heartbeats/{beat}");
    let beat = api.admin("GET", &path, None).await.data(200);
    let mut both = keys(&http);
    both.extend(keys(&beat));
    let dns = json!({"type": "dns", "url": "dns://a.example", "resolver": "127.0.0.1:1"});
    let dns = api.monitor(dns).await;
    let dns = api.admin("GET", &format!("/api/v1/monitors/{dns}"), None).await.data(200);
    both.extend(keys(&dns));
    both.insert("expected_status_code".to_owned());
    assert_eq!(both, fields_of(&document, "Monitor"));
    assert_eq!(keys(&beat), fields_of(&document, "Heartbeat"));

    let ping = beat["ping_url"].as_str().unwrap().replace("http://watch.example.com", "");
    Api::answer(api.request("GET", &format!("{ping}/fail"))).await;
    let first = async |path: &str| api.admin("GET", path, None).await.data(200)[0].clone();
    assert_eq!(keys(&first(&format!("{path}/pings")).await), fields_of(&document, "Ping"));
    let incident = first("/api/v1/incidents").await;
    assert_eq!(keys(&incident), fields_of(&document, "Incident"));
    let detail = format!("/api/v1/incidents/{}", incident["id"]);
    let detail = api.admin("GET", &detail, None).await.data(200);
    assert_eq!(keys(&detail), fields_of(&document, "IncidentDetail"));

    let checked = api.monitor(json!({"url": answering(200, "ok")})).await;
    let checked = format!("/api/v1/monitors/{checked}");
    let result = api.admin("POST", &format!("{checked}/check"), None).await.data(200);
    assert_eq!(keys(&result), fields_of(&document, "Result"));
    assert_eq!(keys(&first(&format!("{checked}/results")).await), fields_of(&document, "Result"));
    let hook = json!({"type": "webhook", "url": answering(200, "ok")});
    let hook = api.admin("POST", "/api/v1/channels", Some(hook)).await.data(201);
    assert!(keys(&hook).is_subset(&fields_of(&document, "Channel")));
    let test = format!("/api/v1/channels/{}/test", hook["id"]);
    let test = api.admin("POST", &test, None).await.data(200);
    assert_eq!(keys(&test), fields_of(&document, "TestOutcome"));

    let steps = json!([{"channel_ids": [hook["id"]]}]);
    let policy = json!({"name": "p", "steps": steps});
    let policy = api.admin("POST", "/api/v1/escalation-policies", Some(policy)).await.data(201);
    assert_eq!(keys(&policy), fields_of(&document, "EscalationPolicy"));
    let window = json!({"tags": ["a"], "duration_minutes": 5});
    let window = api.admin("POST", "/api/v1/maintenance-windows", Some(window)).await.data(201);
    assert_eq!(keys(&window), fields_of(&document, "MaintenanceWindow"));
    let token = api.admin("POST", "/api/v1/tokens", Some(json!({"name": "x"}))).await.data(201);
    assert_eq!(keys(&token), fields_of(&document, "NewToken"));
    let user = json!({"email": "a@example.com", "password": "long enough"});
    let user = api.admin("POST", "/api/v1/users", Some(user)).await.data(201);
    assert_eq!(keys(&user), fields_of(&document, "User"));
    let status = api.admin("GET", "/api/v1/status", None).await.data(200);
    assert_eq!(keys(&status), fields_of(&document, "Status"));
    assert_eq!(keys(&first("/api/v1/regions").await), fields_of(&document, "Region"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_shows_every_path() {
    let api = Api::start().await;
    let document = Api::answer(api.request("GET", "/api/v1/openapi.json")).await.json();
    let page = Api::answer(api.request("GET", "/api/docs")).await;
    assert_eq!(page.status, 200);
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.text.contains(path.as_str()), "{path}");
    }
    assert!(!page.text.contains("<script>"));
}
