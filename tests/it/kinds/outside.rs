//! The three types from outside: API, command line, pages and messages.

use std::net::TcpListener;

use serde_json::{Value, json};
use watchbell::account::{Role, session, user};
use watchbell::clock::Timestamp;
use watchbell::incident::message::{AlertMonitor, subject};
use watchbell::monitor::{Kind, Monitor, Settings};
use watchbell::probe::EgressRules;

use crate::support::api::{Api, START};

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_makes_shows_checks_and_edits_them() {
    let api = Api::start().await;
    let (_listener, address) = listener();
    let url = format!("tcp://{address}");
    let made = api.admin("POST", "/api/v1/monitors", Some(json!({"type": "tcp", "url": url})));
    let made = made.await.data(201);
    assert_eq!((&made["type"], &made["url"]), (&json!("tcp"), &json!(url)));
    assert_eq!(made["name"], "127.0.0.1");
    assert_eq!(made["check_interval_seconds"], 60);
    assert_eq!(made.get("method"), None, "a field that the type does not have");
    let path = format!("/api/v1/monitors/{}", made["id"]);
    let result = api.admin("POST", &format!("{path}/check"), None).await.data(200);
    assert_eq!((&result["verdict"], &result["error"]), (&json!("up"), &Value::Null));
    assert!(result["phases"]["connect"].is_number() && result["phases"]["tls"].is_null());

    let patch = json!({"url": "tcp://127.0.0.1:1", "retries": 0});
    let patched = api.admin("PATCH", &path, Some(patch)).await.data(200);
    assert_eq!((&patched["url"], &patched["retries"]), (&json!("tcp://127.0.0.1:1"), &json!(0)));
    let wrong = json!({"type": "dns", "resolver": "9.9.9.9"});
    assert_eq!(api.admin("PATCH", &path, Some(wrong)).await.wrong_fields(), ["resolver", "type"]);

    let dns = json!({"type": "dns", "url": "dns://a.example?type=mx", "expected_value": "m.example",
        "resolver": "127.0.0.1:1"});
    let dns = api.admin("POST", "/api/v1/monitors", Some(dns)).await.data(201);
    assert_eq!(dns["url"], "dns://a.example?type=MX");
    assert_eq!(dns["expected_value"], "m.example");
    assert_eq!(dns["resolver"], "127.0.0.1:1");
    let icmp = json!({"type": "icmp", "url": "icmp://127.0.0.1"});
    let icmp = api.admin("POST", "/api/v1/monitors", Some(icmp)).await.data(201);
    let listed = api.admin("GET", "/api/v1/monitors?type=icmp", None).await.data(200);
    assert_eq!(listed[0]["id"], icmp["id"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_that_are_described_are_those_that_are_shown() {
    let api = Api::start().await;
    let document = Api::answer(api.request("GET", "/api/v1/openapi.json")).await.json();
    let described = &document["components"]["schemas"]["Monitor"]["properties"];
    for fields in [
        json!({"type": "tcp", "url": "tcp://127.0.0.1:1"}),
        json!({"type": "dns", "url": "dns://a.example", "resolver": "127.0.0.1:1"}),
        json!({"type": "icmp", "url": "icmp://127.0.0.1"}),
    ] {
        let id = api.monitor(fields.clone()).await;
        let shown = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
        for field in shown.as_object().unwrap().keys() {
            assert!(described.get(field).is_some(), "{field} of {fields}");
        }
        assert!(described["type"]["enum"].as_array().unwrap().contains(&shown["type"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_makes_each_type_and_a_pasted_port_is_one() {
    let api = Api::start().await;
    let (db, passwords) = (&api.db, api.logins.passwords());
    let made = user::create(db, passwords, "a@example.com", "long enough", Role::Admin, START);
    let token = session::begin(db, made.await.unwrap().id, START).await.unwrap();
    let cookie = format!("{}={token}", session::COOKIE);
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let browser = browser.build().unwrap();
    let get = async |path: &str| {
        let answer = Api::answer(api.request("GET", path).header("cookie", &cookie)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    };
    let post = async |path: &str, fields: &[(&str, &str)]| {
        let request = browser.post(format!("{}{path}", api.base)).header("cookie", &cookie);
        let request = request.header("sec-fetch-site", "same-origin").form(fields);
        Api::answer(request).await
    };
    for kind in Kind::ALL {
        let page = get(&format!("/monitors/new?type={kind}")).await;
        for other in Kind::ALL {
            assert!(page.contains(&format!("/monitors/new?type={other}")), "{kind}: {other}");
        }
    }
    assert!(get("/monitors/new?type=dns").await.contains("<option value=\"CAA\""));
    let usual = [
        ("interval_choice", "60"),
        ("timeout_seconds", "10"),
        ("retries", "1"),
        ("retry_interval_seconds", "5"),
        ("recovery_checks", "1"),
    ];
    let with = |own: &[(&'static str, &'static str)]| [&usual[..], own].concat();
    for (fields, url, shown) in [
        (
            with(&[("type", "tcp"), ("url", "db.internal:5432")]),
            "tcp://db.internal:5432",
            "· TCP every",
        ),
        (with(&[("type", "icmp"), ("url", "router")]), "icmp://router", "· ping every"),
        (
            with(&[
                ("type", "dns"),
                ("url", "a.example"),
                ("record_type", "MX"),
                ("resolver", "127.0.0.1"),
            ]),
            "dns://a.example?type=MX",
            "· DNS MX at 127.0.0.1:53 every",
        ),
        (vec![("quick", "1"), ("url", "cache.internal:6379")], "tcp://cache.internal:6379", "TCP"),
        (
            vec![("quick", "1"), ("url", "dns://a.example?type=ns")],
            "dns://a.example?type=NS",
            "DNS NS",
        ),
        (vec![("quick", "1"), ("url", "127.0.0.1/health")], "https://127.0.0.1/health", "GET"),
    ] {
        let answer = post("/monitors", &fields).await;
        let page = get(answer.header("location")).await;
        assert!(page.contains(shown), "{url}: {page}");
        let id = answer.header("location").rsplit('/').next().unwrap().to_owned();
        let monitor = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
        assert_eq!(monitor["url"], url);
        // Saving the form as it is shown changes nothing.
        let edit = get(&format!("/monitors/{id}/edit")).await;
        let given = edit.split("name=\"url\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let record = url.rsplit("type=").next().unwrap();
        let mut same = vec![("url", given), ("record_type", record)];
        same.extend(usual);
        let method = [("method", "GET"), ("expected_status", "200-299")];
        same.extend(method.iter().filter(|_| url.starts_with("http")));
        let saved = post(&format!("/monitors/{id}"), &same).await;
        assert_eq!(saved.status, 303, "{url}: {}", saved.text);
        let again = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
        assert_eq!(again["url"], url);
    }
    let refused = post("/monitors", &with(&[("type", "tcp"), ("url", "db.internal")])).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("The URL has no port"), "{}", refused.text);
    let list = get("/monitors?type=tcp").await;
    assert!(list.contains("cache.internal") && !list.contains("router"), "{list}");
}

#[test]
fn alerts_call_them_by_host_and_port() {
    for (url, called) in [
        ("tcp://db.internal:5432", "db.internal:5432"),
        ("dns://example.com?type=MX", "example.com"),
        ("icmp://[2001:db8::1]", "[2001:db8::1]"),
    ] {
        let fields = json!({"url": url, "name": "Something else"});
        let settings = Settings::read(fields.as_object().unwrap(), Kind::of_url(url), None);
        let monitor = Monitor {
            id: 1,
            uuid: None,
            settings: settings.unwrap(),
            paused: false,
            created_at: START,
            updated_at: START,
        };
        assert_eq!(subject(&monitor), called);
        assert_eq!(AlertMonitor::of(&monitor).url.as_deref(), Some(url));
    }
}

/// The exit status, the output and the errors of `watchbell check`.
async fn command(url: &str) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let rules = EgressRules::default();
    let at = Timestamp(0);
    let code = watchbell::cli::check::run(url, false, rules, at, &mut out, &mut err).await.unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_checks_an_address_of_any_type() {
    let (_listener, address) = listener();
    let (code, out, err) = command(&format!("tcp://{address}")).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("{address} is UP\n")) && out.contains("  connect"), "{out}");
    let (code, out, _) = command("tcp://nothing.invalid:1").await;
    assert_eq!(code, 1);
    assert!(out.starts_with("nothing.invalid:1 is DOWN: could not resolve"), "{out}");
    let (code, out, err) = command("tcp://127.0.0.1").await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("watchbell check: the URL has no port"), "{err}");
    let (code, _, err) = command("dns://a.example?type=PTR").await;
    assert!(code == 2 && err.contains("the URL has a type that must be one of A,"), "{err}");
    // Up where pings are allowed, unknown where not; never refused.
    let (code, out, _) = command("icmp://127.0.0.1").await;
    assert!(code < 2 && out.starts_with("127.0.0.1 is "), "{out}");
}
