//! `Settings::read`: every field of a monitor, as requests give it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Debug;

use serde_json::{Map, Value, json};
use watchbell::fields::FieldErrors;
use watchbell::monitor::expect::Expected;
use watchbell::monitor::{HeartbeatSpec, HttpSpec, Kind, NotifyOn, Settings, Target};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn read(kind: Kind, value: Value, current: Option<&Settings>) -> Result<Settings, FieldErrors> {
    Settings::read(&map(value), kind, current)
}

fn http(extra: Value, current: Option<&Settings>) -> Result<Settings, FieldErrors> {
    let mut fields = map(extra);
    if current.is_none() {
        fields.entry("url").or_insert(json!("https://a.example/health"));
    }
    Settings::read(&fields, Kind::Http, current)
}

fn http_spec(settings: &Settings) -> &HttpSpec {
    match &settings.target {
        Target::Http(spec) => spec,
        other => panic!("not HTTP: {other:?}"),
    }
}

fn every(period_seconds: u32, grace_seconds: u32) -> HeartbeatSpec {
    HeartbeatSpec {
        expected: Expected::Every { period_seconds },
        grace_seconds,
        max_runtime_seconds: None,
        first_ping_within_seconds: None,
        allowed_methods: Vec::new(),
    }
}

fn beat_spec(settings: &Settings) -> &HeartbeatSpec {
    match &settings.target {
        Target::Heartbeat(spec) => spec,
        other => panic!("not a heartbeat: {other:?}"),
    }
}

/// What the API would show of one field.
fn shown(settings: &Settings, field: &str) -> Value {
    let all = serde_json::to_value(settings).expect("settings are JSON");
    all["target"].get(field).or(all.get(field)).cloned().unwrap_or(Value::Null)
}

/// The only wrong field of a request, with its reason.
fn only_error<T: Debug>(result: Result<T, FieldErrors>) -> (String, String) {
    let errors = result.expect_err("refused").0;
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().expect("one")
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let settings = http(json!({}), None).unwrap();
    for (field, value) in [
        ("name", json!("a.example")),
        ("url", json!("https://a.example/health")),
        ("method", json!("GET")),
        ("body", Value::Null),
        ("check_interval_seconds", json!(60)),
        ("timeout_seconds", json!(10)),
        ("expected_status", json!("200-299")),
        ("keyword", Value::Null),
        ("keyword_absent", Value::Null),
        ("assertions", json!([])),
        ("degraded_after_ms", Value::Null),
        ("follow_redirects", json!(true)),
        ("verify_tls", json!(true)),
        ("retries", json!(1)),
        ("retry_interval_seconds", json!(5)),
        ("recovery_checks", json!(1)),
        ("tags", json!([])),
        ("channel_ids", Value::Null),
        ("notify_on", json!(["down", "up", "degraded", "certificate"])),
    ] {
        assert_eq!(shown(&settings, field), value, "{field}");
    }
    assert_eq!(http_spec(&settings).headers, []);
    let beat = read(Kind::Heartbeat, json!({"name": "b", "period_seconds": 600}), None).unwrap();
    assert_eq!(beat_spec(&beat), &every(600, 600));
}

#[test]
fn whole_numbers_have_their_limits() {
    for (field, lowest, highest) in [
        ("check_interval_seconds", 1, 86_400),
        ("timeout_seconds", 1, 120),
        ("degraded_after_ms", 1, 120_000),
        ("retries", 0, 100),
        ("retry_interval_seconds", 1, 86_400),
        ("recovery_checks", 1, 100),
    ] {
        for good in [json!(lowest), json!(highest), json!(f64::from(highest))] {
            let settings = http(json!({field: good}), None).unwrap();
            assert_eq!(shown(&settings, field).as_f64(), good.as_f64(), "{field} {good}");
        }
        let wrong = [
            json!(lowest - 1),
            json!(highest + 1),
            json!(1.5),
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!("60"),
            json!(true),
            json!([1]),
            json!({}),
        ];
        for bad in wrong {
            let (name, reason) = only_error(http(json!({field: bad}), None));
            assert_eq!(name, field);
            let fix = format!("must be a whole number from {lowest} to {highest}");
            assert_eq!(reason, fix, "{field} {bad}");
        }
    }
}

#[test]
fn texts_and_switches_are_what_they_are() {
    for field in ["keyword", "keyword_absent", "body"] {
        assert_eq!(shown(&http(json!({field: "x\ny"}), None).unwrap(), field), json!("x\ny"));
        assert_eq!(shown(&http(json!({field: ""}), None).unwrap(), field), Value::Null);
        for bad in [json!(1), json!("a\0b"), json!(["x"]), json!("x".repeat((1 << 20) + 1))] {
            assert_eq!(only_error(http(json!({field: bad}), None)).0, field);
        }
    }
    for field in ["follow_redirects", "verify_tls"] {
        assert_eq!(shown(&http(json!({field: false}), None).unwrap(), field), json!(false));
        for bad in [json!("true"), json!(1), json!([])] {
            let error = only_error(http(json!({field: bad}), None));
            assert_eq!(error, (field.to_owned(), "must be true or false".to_owned()));
        }
    }
}

#[test]
fn lists_names_and_methods() {
    for (field, given, kept) in [
        ("name", json!("  my app  "), json!("my app")),
        ("name", json!("é".repeat(10_000)), json!("é".repeat(10_000))),
        ("method", json!("post"), json!("POST")),
        ("method", json!("PURGE"), json!("PURGE")),
        ("tags", json!([" a ", "b", "a"]), json!(["a", "b"])),
        ("channel_ids", json!([3, 1, 3]), json!([3, 1])),
        ("channel_ids", json!([]), json!([])),
        ("notify_on", json!(["up", "up"]), json!(["up"])),
        ("notify_on", json!([]), json!([])),
        ("expected_status", json!("200-299, 301"), json!("200-299,301")),
        ("expected_status", json!(204), json!("204")),
        ("expected_status_code", json!(204), Value::Null),
    ] {
        let settings = http(json!({field: given}), None).unwrap();
        assert_eq!(shown(&settings, field), kept, "{field}");
    }
    for (field, bad) in [
        ("name", json!("")),
        ("name", json!("a\0")),
        ("name", json!(5)),
        ("name", json!("é".repeat(10_001))),
        ("method", json!("")),
        ("method", json!("GET IT")),
        ("method", json!("G\r\nET")),
        ("tags", json!("a")),
        ("tags", json!([""])),
        ("tags", json!(["x".repeat(101)])),
        ("channel_ids", json!([0])),
        ("channel_ids", json!(["1"])),
        ("channel_ids", json!(1)),
        ("notify_on", json!(["sideways"])),
        ("notify_on", json!("down")),
        ("expected_status", json!("abc")),
        ("expected_status", json!([200])),
        ("expected_status_code", json!(99)),
        ("expected_status_code", json!("200")),
    ] {
        assert_eq!(only_error(http(json!({field: bad}), None)).0, field, "{bad}");
    }
}

#[test]
fn one_status_code_sets_exactly_one() {
    let settings = http(json!({"expected_status_code": 204}), None).unwrap();
    assert_eq!(shown(&settings, "expected_status"), json!("204"));
    let both = json!({"expected_status_code": 204, "expected_status": "200"});
    assert_eq!(only_error(http(both, None)).0, "expected_status_code");
}

#[test]
fn wrong_urls_say_what_to_write() {
    for (url, part) in [
        (json!(""), "is missing"),
        (json!("  "), "is missing"),
        (Value::Null, "is missing"),
        (json!("a.example/health"), "write https://a.example/health"),
        (json!("//a.example"), "write https://a.example"),
        (json!("a.example:8080/x"), "write https://a.example:8080/x"),
        (json!("localhost:8080"), "write https://localhost:8080"),
        (json!("ftp://a.example"), "starts with ftp:"),
        (json!("file:///etc/passwd"), "starts with file:"),
        (json!("http://"), "is not an address"),
        (json!("http://a b/"), "is not an address"),
        (json!("http://a.example:99999/"), "is not an address"),
        (json!(5), "must be text"),
        (json!("http://a.example/\0"), "NUL"),
    ] {
        let (field, reason) = only_error(http(json!({"url": url}), None));
        assert_eq!(field, "url");
        assert!(reason.contains(part), "{url}: {reason}");
    }
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let wrong =
        json!({"url": "x", "timeout_seconds": 0, "tags": 1, "sparkle": true, "retries": "a"});
    let errors = read(Kind::Http, wrong, None).unwrap_err().0;
    let named: Vec<_> = errors.keys().map(String::as_str).collect();
    assert_eq!(named, ["retries", "sparkle", "tags", "timeout_seconds", "url"]);
}

#[test]
fn fields_of_the_other_kind_are_refused() {
    assert_eq!(only_error(http(json!({"period_seconds": 60}), None)).0, "period_seconds");
    let beat = json!({"name": "b", "period_seconds": 60, "url": "https://a.example/"});
    assert_eq!(only_error(read(Kind::Heartbeat, beat, None)).0, "url");
    let (field, reason) = only_error(http(json!({"timeout": 5}), None));
    assert_eq!(field, "timeout");
    assert!(reason.contains("did you mean timeout_seconds?"), "{reason}");
}

#[test]
fn a_patch_keeps_what_it_does_not_name_and_null_resets() {
    let given = json!({
        "name": "mine", "method": "POST", "body": "{}", "check_interval_seconds": 20,
        "timeout_seconds": 5, "expected_status": "204", "keyword": "a", "keyword_absent": "b",
        "degraded_after_ms": 100, "follow_redirects": false, "verify_tls": false, "retries": 3,
        "retry_interval_seconds": 7, "recovery_checks": 2, "tags": ["t"], "channel_ids": [1],
        "notify_on": ["down"], "headers": {"Accept": "text/html"},
    });
    let first = http(given.clone(), None).unwrap();
    assert_eq!(http(json!({}), Some(&first)).unwrap(), first);
    let fresh = http(json!({}), None).unwrap();
    for field in map(given).keys() {
        let patched = http(json!({field: null}), Some(&first)).unwrap();
        assert_eq!(shown(&patched, field), shown(&fresh, field), "{field} is reset");
        for other in map(serde_json::to_value(http_spec(&first)).unwrap()).keys() {
            if other != field {
                assert_eq!(shown(&patched, other), shown(&first, other), "{other} after {field}");
            }
        }
    }
    let reset = http(json!({"headers": null}), Some(&first)).unwrap();
    assert_eq!(http_spec(&reset).headers, []);
    assert_eq!(only_error(http(json!({"url": null}), Some(&first))).0, "url");
    let moved = http(json!({"url": "https://b.example/"}), Some(&first)).unwrap();
    assert_eq!(
        (shown(&moved, "url"), moved.name),
        (json!("https://b.example/"), "mine".to_owned())
    );
}

#[test]
fn a_masked_header_keeps_its_stored_value() {
    let headers = |settings: &Settings| -> Vec<(String, String)> {
        http_spec(settings).headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let given = json!({"headers": {"Authorization": "Bearer s3cret", "X-A": "1"}});
    let first = http(given, None).unwrap();
    let patch = json!({"headers": {"authorization": "***", "X-B": "2"}});
    let second = http(patch, Some(&first)).unwrap();
    assert_eq!(headers(&second), [pair("X-B", "2"), pair("authorization", "Bearer s3cret")]);
    let changed = http(json!({"headers": {"Authorization": "new"}}), Some(&second)).unwrap();
    assert_eq!(headers(&changed), [pair("Authorization", "new")]);
}

#[test]
fn headers_that_http_does_not_allow_are_refused() {
    for bad in [
        json!([]),
        json!("Accept: */*"),
        json!({"": "x"}),
        json!({"a b": "x"}),
        json!({"a:": "x"}),
        json!({"é": "x"}),
        json!({"A": 1}),
        json!({"A": "x\r\nB: y"}),
        json!({"A": "\u{0}"}),
        json!({"A": "x".repeat(10_001)}),
    ] {
        assert_eq!(only_error(http(json!({"headers": bad}), None)).0, "headers");
    }
}

#[test]
fn heartbeats_have_their_own_fields() {
    let beat = |value: Value, current: Option<&Settings>| read(Kind::Heartbeat, value, current);
    for (period, grace) in [(1, 60), (60, 60), (600, 600), (3600, 3600), (86_400, 3600)] {
        let settings = beat(json!({"name": "b", "period_seconds": period}), None).unwrap();
        assert_eq!(beat_spec(&settings).grace_seconds, grace, "{period}");
    }
    let errors = beat(json!({}), None).unwrap_err().0;
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["name", "period_seconds"]);
    for bad in [json!(0), json!(34_560_001), json!("60"), json!(1.5)] {
        let settings = json!({"name": "b", "period_seconds": bad});
        assert_eq!(only_error(beat(settings, None)).0, "period_seconds");
    }
    for good in [0, 34_560_000] {
        let settings = json!({"name": "b", "period_seconds": 60, "grace_seconds": good});
        assert_eq!(beat_spec(&beat(settings, None).unwrap()).grace_seconds, good);
    }
    let first = beat(json!({"name": "b", "period_seconds": 90, "grace_seconds": 5}), None).unwrap();
    let patched = beat(json!({"grace_seconds": null}), Some(&first)).unwrap();
    assert_eq!(beat_spec(&patched), &every(90, 90));
    let patched = beat(json!({"notify_on": ["down"]}), Some(&first)).unwrap();
    assert_eq!(
        (beat_spec(&patched), patched.notify_on.clone()),
        (beat_spec(&first), vec![NotifyOn::Down])
    );
}

#[test]
fn heartbeats_are_expected_by_a_period_or_by_cron() {
    let beat = |value: Value, current: Option<&Settings>| read(Kind::Heartbeat, value, current);
    let cron = json!({"name": "b", "cron": " 30 4 * * * ", "timezone": "Europe/Riga"});
    let by_cron = beat(cron, None).unwrap();
    assert_eq!(beat_spec(&by_cron).expected.to_string(), "at 30 4 * * * Europe/Riga");
    assert_eq!(beat_spec(&by_cron).grace_seconds, 3600, "a day's gap, clamped");
    let minutely = beat(json!({"name": "b", "cron": "* * * * *"}), None).unwrap();
    assert_eq!(beat_spec(&minutely).expected.to_string(), "at * * * * * UTC");
    assert_eq!(beat_spec(&minutely).grace_seconds, 60);
    let hourly = beat(json!({"name": "b", "cron": "@hourly"}), None).unwrap();
    assert_eq!(beat_spec(&hourly).grace_seconds, 3600);

    // In a PATCH the one that is given takes the place of the other; a zone alone moves the expression.
    let moved = beat(json!({"timezone": "America/New_York"}), Some(&by_cron)).unwrap();
    assert_eq!(beat_spec(&moved).expected.to_string(), "at 30 4 * * * America/New_York");
    let by_period = beat(json!({"period_seconds": 60}), Some(&by_cron)).unwrap();
    assert_eq!(beat_spec(&by_period).expected, Expected::Every { period_seconds: 60 });
    let back = beat(json!({"cron": "0 * * * *"}), Some(&by_period)).unwrap();
    assert_eq!(beat_spec(&back).expected.to_string(), "at 0 * * * * UTC");

    for (fields, wrong) in [
        (json!({"name": "b", "period_seconds": 60, "cron": "* * * * *"}), "cron"),
        (json!({"name": "b", "period_seconds": 60, "timezone": "UTC"}), "timezone"),
        (json!({"name": "b", "cron": "* * * * *", "timezone": "Mars/Olympus"}), "timezone"),
        (json!({"name": "b", "cron": "* * * *"}), "cron"),
        (json!({"name": "b", "cron": "* * * * * *"}), "cron"),
        (json!({"name": "b", "cron": "0 0 30 2 *"}), "cron"),
        (json!({"name": "b", "cron": "@reboot"}), "cron"),
        (json!({"name": "b", "cron": "61 * * * *"}), "cron"),
        (json!({"name": "b", "cron": 5}), "cron"),
        (json!({"name": "b"}), "period_seconds"),
    ] {
        assert_eq!(only_error(beat(fields.clone(), None)).0, wrong, "{fields}");
    }
    let neither = json!({"cron": null});
    assert_eq!(only_error(beat(neither, Some(&by_cron))).0, "period_seconds");
}

#[test]
fn heartbeats_have_limits_and_methods() {
    let fields = json!({
        "name": "b", "period_seconds": 60, "max_runtime_seconds": 3600,
        "first_ping_within_seconds": 600, "allowed_methods": ["post", "POST", "HEAD"],
    });
    let settings = read(Kind::Heartbeat, fields, None).unwrap();
    let spec = beat_spec(&settings);
    assert_eq!(spec.max_runtime_seconds, Some(3600));
    assert_eq!(spec.first_ping_within_seconds, Some(600));
    assert_eq!(spec.allowed_methods, ["POST", "HEAD"]);
    for (field, bad) in [
        ("max_runtime_seconds", json!(0)),
        ("first_ping_within_seconds", json!(34_560_001)),
        ("allowed_methods", json!(["DELETE"])),
        ("allowed_methods", json!("POST")),
    ] {
        let fields = json!({"name": "b", "period_seconds": 60, field: bad});
        assert_eq!(only_error(read(Kind::Heartbeat, fields, None)).0, field);
    }
}
