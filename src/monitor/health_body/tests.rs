use proptest::prelude::*;

use super::*;

fn failed(body: &str) -> Vec<(String, String)> {
    failed_checks(&Body::new(body.as_bytes())).into_iter().collect()
}

fn checks(parts: &str) -> Vec<(String, String)> {
    failed(&format!(r#"{{"status":"error","checks":{parts}}}"#))
}

fn pair(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

#[test]
fn reads_the_plain_form() {
    let body = r#"{"database":"error: FATAL: remaining connection slots reserved",
        "redis":{"status":"DOWN","error":"connection refused"},"queue":false,"disk":true,
        "mail":"not_configured","cache":"ok","search":{"status":"ok","error":""}}"#;
    let database = "error: FATAL: remaining connection slots reserved";
    assert_eq!(
        checks(body),
        [
            pair("checks.database", database),
            pair("checks.queue", "false"),
            pair("checks.redis", "DOWN: connection refused"),
        ]
    );
}

/// A sample of `tests/health_bodies/`.
macro_rules! sample {
    ($name:literal) => {
        failed(include_str!(concat!("../../../tests/health_bodies/", $name, ".json")))
    };
}

#[test]
fn reads_ietf_health_json() {
    let read = [
        pair("checks.cassandra:responseTime", "fail: Timed out after 5 s"),
        pair("checks.uptime", "fail, error: clock stepped"),
    ];
    assert_eq!(sample!("ietf-fail"), read);
}

#[test]
fn reads_spring_boot_actuator() {
    assert_eq!(sample!("spring-up"), []);
    let error = "DOWN: java.lang.RuntimeException: Async resource cleanup failed after onComplete";
    assert_eq!(sample!("spring-down"), [pair("components.r2dbcConnectionFactory", error)]);
    let refused = "DOWN: java.net.ConnectException: Connection refused";
    let read = [
        pair("components.broker.components.us1", refused),
        pair("components.readinessState", "OUT_OF_SERVICE"),
        pair("components.shards", "DOWN"),
    ];
    assert_eq!(sample!("spring-nested"), read);
    let error = "DOWN: org.springframework.jdbc.CannotGetJdbcConnectionException: Failed to obtain JDBC \
        Connection";
    assert_eq!(sample!("spring-2.1"), [pair("details.db", error)]);
}

#[test]
fn reads_microprofile_health() {
    let first = "DOWN: timed out waiting for available connection";
    assert_eq!(sample!("microprofile-down"), [pair("checks.example.health.FirstCheck", first)]);
    let database = "DOWN: <default>: Unable to execute the validation check for the default DataSource: \
        Acquisition timeout while waiting for new connection";
    let reactive = "DOWN: <default>: timed out, unable to obtain connection to perform healthcheck of datasource";
    let read = [
        pair("checks.Database connections health check", database),
        pair("checks.Reactive MySQL connections health check", reactive),
    ];
    assert_eq!(sample!("microprofile-quarkus"), read);
    let first = [pair("checks.firstCheck", "DOWN: foo: bar, key: value")];
    assert_eq!(sample!("microprofile-1.0"), first);
    let source = [pair("checks.services.DataSourceHealth", "DOWN: Connection timeout")];
    assert_eq!(sample!("microprofile-loopback"), source);
}

#[test]
fn reads_aspnet_core() {
    assert_eq!(sample!("aspnet-ui"), [pair("entries.cosmosdb", "Unhealthy: Hôte inconnu")]);
    assert_eq!(sample!("aspnet-healthy"), []);
    let read = [
        pair("results.sample", "Unhealthy: An unhealthy result."),
        pair("results.sql", "Unhealthy"),
    ];
    assert_eq!(sample!("aspnet-results"), read);
}

#[test]
fn reads_terminus() {
    assert_eq!(sample!("terminus-down"), [pair("details.redis", "down: Could not connect")]);
    assert_eq!(sample!("terminus-info"), [pair("details.nestjs-docs", "down")]);
    assert_eq!(sample!("terminus-6"), [pair("error.dog", "down")]);
}

#[test]
fn reads_django_health_check() {
    assert_eq!(sample!("django-working"), []);
    let celery = "unavailable: IOError unexpected result: Celery returned wrong result";
    let read = [
        pair("Cache backend: default", "unavailable: Cache key does not match"),
        pair("CeleryHealthCheckCelery", celery),
        pair("DiskUsage", "warning: web-1 91.3% disk usage exceeds 90%"),
        pair("RabbitMQHealthCheck", "unknown error: ConnectionRefusedError"),
    ];
    assert_eq!(sample!("django-3"), read);
    let read = [
        pair("Database(alias='default')", "Unavailable: Timed out after 5 seconds"),
        pair("Disk(path='/app')", "Warning: 91.3% disk usage"),
        pair("Storage(alias='default')", "Unknown Error: unknown error"),
    ];
    assert_eq!(sample!("django-4"), read);
}

#[test]
fn reads_laravel_health() {
    let disk = "failed: Your disk is almost full (91%)";
    assert_eq!(sample!("laravel-failed"), [pair("checkResults.UsedDiskSpace", disk)]);
    let read = [
        pair("checkResults.Redis", "crashed: Crashed"),
        pair("checkResults.Schedule", "failed"),
        pair("checkResults.UsedDiskSpace", "warning: The disk is almost full (81% used)."),
    ];
    assert_eq!(sample!("laravel-mixed"), read);
}

#[test]
fn only_recognised_words_of_failure_count() {
    for bad in [
        "error",
        "ERROR: x",
        "errored",
        "fail",
        "Failed",
        "failing: x",
        "failure",
        "down",
        "DOWN",
        "down: x",
        "unhealthy",
        "Unhealthy (503)",
        "critical",
        "critical: disk",
        " error",
    ] {
        assert_eq!(checks(&format!("{{\"x\":\"{bad}\"}}")).len(), 1, "{bad}");
    }
    for fine in [
        "ok",
        "up",
        "pass",
        "warn",
        "healthy",
        "not_configured",
        "skipped",
        "unknown",
        "disabled",
        "downloading",
        "down_to_two",
        "no error",
        "0 failures",
        "",
        "degraded",
        "criticality 2",
        "é",
        "fäil",
    ] {
        assert_eq!(checks(&format!("{{\"x\":\"{fine}\"}}")), [], "{fine}");
    }
}

#[test]
fn unknown_shapes_say_nothing() {
    for body in [
        "",
        "null",
        "[]",
        "error",
        "{",
        r#"{"status":"error"}"#,
        r#"{"checks":"error"}"#,
        r#"{"checks":["error"]}"#,
        r#"{"checks":{"a":1,"b":null,"c":{"error":"x"}}}"#,
        r#"{"checks":{"a":["error"],"b":[[{"status":"fail"}]],"c":{"status":{"status":"fail"}}}}"#,
        "<html>error</html>",
        r#"{"services":{"a":"error"}}"#,
        r#"{"checks":{"a":"error"}"#,
        // Lists of things that are no checks, and common names without an overall status or of parts that have none.
        r#"{"checks":[{"status":"fail"},{"name":"a","status":"ok"},{"name":"b"}]}"#,
        r#"{"checks":[{"name":7,"status":"down"},{"name":"","status":"down"}]}"#,
        r#"{"components":["a",{"name":"a","status":"down"}]}"#,
        r#"{"components":{"a":"down","b":{"state":"DOWN"}}}"#,
        r#"{"entries":{"a":{"status":"Unhealthy"}}}"#,
        r#"{"results":{"a":{"status":"failed"}},"total":1}"#,
        r#"{"status":"ok","results":[{"status":"failed"}]}"#,
        r#"{"status":"error","error":{"code":"failed","message":"down"}}"#,
        r#"{"status":"error","details":{"a":{"status":"down"},"b":"down"}}"#,
        r#"{"status":7,"details":{"a":{"status":"down"}}}"#,
        r#"{"status":"error","info":{"a":{"status":"down"}}}"#,
        r#"{"checkResults":[{"label":"a","status":"failed"},{"name":"b","status":"running"}]}"#,
        r#"{"checkResults":{"a":{"name":"a","status":"failed"}}}"#,
        // Flat objects of other programs.
        r#"{"db":"down","cache":"working"}"#,
        r#"{"name":"shop","db":"unavailable: x"}"#,
        r#"{"db":"unavailable: x","uptime":7}"#,
        r#"{"message":"error: x"}"#,
    ] {
        assert_eq!(failed(body), [], "{body}");
    }
}

#[test]
fn texts_are_one_line_and_bounded() {
    let long = "x".repeat(1000);
    let found = checks(&format!(r#"{{"a\nb":"error: a\u0000b\r\nc","{long}":"fail {long}"}}"#));
    assert_eq!(found[0], pair("checks.a b", "error: a b  c"));
    assert_eq!(found[1].1.chars().count(), 300);
    assert!(found[1].0.chars().count() <= 107 && found[1].1.ends_with('…'));
    let many: Vec<String> = (0..100).map(|i| format!("\"{i}\":\"down\"")).collect();
    assert_eq!(checks(&format!("{{{}}}", many.join(","))).len(), 20);
    let named = r#"{"name":"a","status":"DOWN"},"#.repeat(2);
    let twice = failed(&format!(r#"{{"checks":[{named}{{"name":"b","status":"UP"}}]}}"#));
    assert_eq!(twice, [pair("checks.a", "DOWN"), pair("checks.a (2)", "DOWN")]);
    assert_eq!(failed("\u{feff} {\"checks\":{\"a\":\"down\"}}").len(), 1);
}

#[test]
fn deep_nesting_says_nothing() {
    let nested = r#"{"status":"DOWN","components":{"a":"#;
    let deep = nested.repeat(50) + "1" + &"}}".repeat(50);
    let path = format!("components.{}", "a.components.".repeat(3));
    assert_eq!(failed(&deep), [pair(&format!("{path}a"), "DOWN")]);
    for (open, close) in [("[", "]"), ("{\"checks\":", "}")] {
        let body = format!("{{\"checks\":{}1{}}}", open.repeat(200_000), close.repeat(200_000));
        assert_eq!(failed(&body), []);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["error", "status", "checks", "down\u{0}", "output", "é"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Bodies of the words that the forms are made of, in any order.
fn any_body() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "status",
        "state",
        "name",
        "checks",
        "components",
        "details",
        "entries",
        "results",
        "error",
        "info",
        "checkResults",
        "data",
        "message",
        "0",
        "a.b",
        "",
    ]);
    let words = prop::sample::select(vec![
        "DOWN",
        "UP",
        "OUT_OF_SERVICE",
        "Unhealthy",
        "failed",
        "crashed",
        "warning",
        "unavailable: x\n",
        "working",
        "error: \u{2028}",
        "skipped",
        "",
    ]);
    let leaf = prop_oneof![
        4 => words.prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => (0..40_usize).prop_map(|n| Value::from("é\u{0}down ".repeat(n))),
    ];
    let map = |entries: Vec<(&str, Value)>| {
        Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let inner = leaf.prop_recursive(5, 48, 6, {
        let keys = keys.clone();
        move |inner| {
            prop_oneof![
                prop::collection::vec((keys.clone(), inner.clone()), 0..6).prop_map(map),
                prop::collection::vec(inner, 0..8).prop_map(Value::from),
            ]
        }
    });
    prop::collection::vec((keys, inner), 0..6).prop_map(map)
}

proptest! {
    #[test]
    fn any_bytes_are_borne(body in prop::collection::vec(any::<u8>(), 0..300)) {
        failed_checks(&Body::new(&body));
    }

    #[test]
    fn any_body_gives_bounded_lines(body in any_body()) {
        let failed = failed_checks(&Body::new(body.to_string().as_bytes()));
        prop_assert!(failed.len() <= MOST);
        for (path, text) in failed {
            prop_assert!(!path.chars().chain(text.chars()).any(char::is_control));
            prop_assert!(text.chars().count() <= TEXT_MAX && !text.is_empty());
            prop_assert!(path.chars().count() <= PATH_MAX + 5);
        }
    }

    #[test]
    fn any_json_gives_bounded_lines(parts in any_json()) {
        let body = serde_json::json!({"checks": parts}).to_string();
        let failed = failed_checks(&Body::new(body.as_bytes()));
        prop_assert!(failed.len() <= MOST);
        for (path, text) in failed {
            prop_assert!(path.starts_with("checks."));
            let line = format!("{path}{text}");
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(text.chars().count() <= TEXT_MAX && !text.is_empty());
        }
    }
}
