use serde_json::{Value, json};

use super::*;

fn assertion(given: Value) -> Assertion {
    Assertion::try_from(given.clone()).unwrap_or_else(|reason| panic!("{given}: {reason}"))
}

fn headers() -> Vec<Header> {
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    vec![
        header("content-type", "application/json; charset=utf-8"),
        header("X-Cache", "MISS"),
        header("x-cache", " HIT "),
        header("x-queue", "12"),
        header("x-empty", ""),
    ]
}

/// What is wrong with an answer of 200 after 250 ms; empty for nothing.
fn judge(given: Value, body: &str) -> String {
    let (body, headers) = (Body::new(body.as_bytes()), headers());
    let answer = Answer { status: 200, headers: &headers, body: &body, total_ms: 250 };
    let failure = assertion(given).failure(&answer);
    failure.map_or_else(String::new, |text| {
        text.strip_prefix("assertion failed: ").expect("the words of the contract").to_owned()
    })
}

pub(super) fn json_of(path: &str, op: &str, value: Value) -> Value {
    json!({"source": "json", "path": path, "op": op, "value": value})
}

const BODY: &str = r#"{"status":"degraded","queue":12,"load":"0.5","ok":true,"off":"false","error":null,"big":9007199254740993,
    "version":"v2.3","tags":["a","b",3],"checks":[{"s":"ok"},{"s":"down"}],"empty":"","object":{"b":[1],"a":1.0}}"#;

#[test]
fn the_words_of_the_contract() {
    let given = json_of("$.status", "eq", json!("ok"));
    let (body, headers) = (Body::new(BODY.as_bytes()), headers());
    let answer = Answer { status: 200, headers: &headers, body: &body, total_ms: 1 };
    let text = assertion(given).failure(&answer).unwrap();
    assert_eq!(text, "assertion failed: $.status is \"degraded\", expected \"ok\"");
}

#[test]
fn json_is_compared_by_value() {
    for (path, op, value, wrong) in [
        ("$.status", "eq", json!("degraded"), ""),
        ("$.status", "eq", json!("Degraded"), "$.status is \"degraded\", expected \"Degraded\""),
        ("$.status", "ne", json!("error"), ""),
        (
            "$.status",
            "ne",
            json!("degraded"),
            "$.status is \"degraded\", expected other than \"degraded\"",
        ),
        ("$.queue", "eq", json!(12), ""),
        ("$.queue", "eq", json!(12.0), ""),
        ("$.queue", "eq", json!("12"), ""),
        ("$.queue", "eq", json!("12x"), "$.queue is 12, expected \"12x\""),
        ("$.queue", "ne", json!("12"), "$.queue is 12, expected other than \"12\""),
        ("$.load", "eq", json!(0.5), ""),
        ("$.load", "eq", json!("0.50"), "$.load is \"0.5\", expected \"0.50\""),
        (
            "$.big",
            "eq",
            json!(9007199254740992_i64),
            "$.big is 9007199254740993, expected 9007199254740992",
        ),
        ("$.ok", "eq", json!(true), ""),
        ("$.ok", "eq", json!("true"), ""),
        ("$.ok", "eq", json!(1), "$.ok is true, expected 1"),
        ("$.off", "eq", json!(false), ""),
        ("$.error", "eq", json!(null), ""),
        ("$.error", "eq", json!("null"), ""),
        ("$.error", "eq", json!(""), "$.error is null, expected \"\""),
        ("$.error", "ne", json!("x"), ""),
        ("$.empty", "eq", json!(""), ""),
        ("$.tags", "eq", json!(["a", "b", 3]), ""),
        (
            "$.tags",
            "eq",
            json!(["b", "a", 3]),
            "$.tags is [\"a\",\"b\",3], expected [\"b\",\"a\",3]",
        ),
        ("$.object", "eq", json!({"a": 1, "b": [1]}), ""),
        (
            "$.object",
            "eq",
            json!({"a": 1}),
            "$.object is {\"a\":1.0,\"b\":[1]}, expected {\"a\":1}",
        ),
        ("$.queue", "lt", json!(13), ""),
        ("$.queue", "lt", json!(12), "$.queue is 12, expected less than 12"),
        ("$.queue", "gt", json!("11.5"), ""),
        ("$.queue", "gt", json!(12), "$.queue is 12, expected more than 12"),
        ("$.load", "lt", json!(1), ""),
        ("$.status", "lt", json!(5), "$.status is \"degraded\", expected less than 5"),
        ("$.ok", "gt", json!(0), "$.ok is true, expected more than 0"),
        ("$.status", "contains", json!("grade"), ""),
        (
            "$.status",
            "contains",
            json!("up"),
            "$.status is \"degraded\", expected to contain \"up\"",
        ),
        ("$.tags", "contains", json!("b"), ""),
        ("$.tags", "contains", json!("3"), ""),
        ("$.tags", "contains", json!(4), "$.tags is [\"a\",\"b\",3], expected to contain 4"),
        (
            "$.object",
            "contains",
            json!("a"),
            "$.object is {\"a\":1.0,\"b\":[1]}, expected to contain \"a\"",
        ),
        ("$.version", "matches", json!("^v2\\."), ""),
        ("$.version", "matches", json!("^v3"), "$.version is \"v2.3\", expected to match ^v3"),
        ("$.queue", "matches", json!("^1.$"), ""),
        ("$.error", "matches", json!("."), "$.error is null, expected to match ."),
        ("$.error", "exists", json!(null), ""),
        ("$.error", "exists", json!(false), "$.error is null, expected to be absent"),
        ("$.gone", "exists", json!(true), "$.gone is missing"),
        ("$.gone", "exists", json!(false), ""),
        ("$.checks[*].s", "eq", json!("ok"), "$.checks[*].s (2 of 2) is \"down\", expected \"ok\""),
        ("$.checks[*].s", "ne", json!("failed"), ""),
        (
            "$.checks[?@.s == 'down']",
            "exists",
            json!(false),
            "$.checks[?@.s == 'down'] is {\"s\":\"down\"}, expected to be absent",
        ),
    ] {
        assert_eq!(judge(json_of(path, op, value.clone()), BODY), wrong, "{path} {op} {value}");
    }
}

#[test]
fn what_is_missing_fails_all_but_an_expected_absence() {
    for (op, value, expected) in [
        ("eq", json!("x"), ", expected \"x\""),
        ("ne", json!("x"), ", expected other than \"x\""),
        ("lt", json!(1), ", expected less than 1"),
        ("contains", json!("x"), ", expected to contain \"x\""),
        ("matches", json!("x"), ", expected to match x"),
        ("exists", json!(true), ""),
    ] {
        for (body, why) in [
            (BODY, ""),
            ("", " as the body is empty"),
            ("<h1>", " as the body is not JSON"),
            ("{", " as the body is not JSON"),
        ] {
            let told = judge(json_of("$.gone", op, value.clone()), body);
            assert_eq!(told, format!("$.gone is missing{why}{expected}"));
        }
        let told = judge(json!({"source": "header", "path": "Gone", "op": op, "value": value}), "");
        assert_eq!(told, format!("header Gone is missing{expected}"));
        if op != "lt" {
            let told = judge(json!({"source": "body", "op": op, "value": value}), " \n");
            assert_eq!(told, format!("the body is empty{expected}"));
        }
    }
    assert_eq!(judge(json_of("$.gone", "exists", json!(false)), "<h1>"), "");
}

#[test]
fn headers_body_status_and_time() {
    let of = |source: &str, op: &str, value: Value| {
        let (source, path) = source.split_once(' ').unwrap_or((source, ""));
        judge(json!({"source": source, "path": path, "op": op, "value": value}), "\n All OK\n")
    };
    for (source, op, value, wrong) in [
        ("header Content-Type", "contains", json!("json"), ""),
        ("header CONTENT-TYPE", "matches", json!("^application/(xml|json)"), ""),
        ("header x-cache", "eq", json!("HIT"), ""),
        (
            "header x-cache",
            "eq",
            json!("STALE"),
            "header x-cache (1 of 2) is \"MISS\", expected \"STALE\"",
        ),
        (
            "header x-cache",
            "ne",
            json!("HIT"),
            "header x-cache (2 of 2) is \"HIT\", expected other than \"HIT\"",
        ),
        ("header x-cache", "ne", json!("STALE"), ""),
        ("header x-queue", "lt", json!(20), ""),
        ("header x-queue", "gt", json!(20), "header x-queue is \"12\", expected more than 20"),
        ("header x-empty", "exists", json!(null), ""),
        ("header x-empty", "eq", json!(""), ""),
        ("header x-powered-by", "exists", json!(false), ""),
        (
            "header x-queue",
            "exists",
            json!(false),
            "header x-queue is \"12\", expected to be absent",
        ),
        ("body", "eq", json!("All OK"), ""),
        ("body", "contains", json!("OK"), ""),
        ("body", "matches", json!("(?i)all ok"), ""),
        ("body", "ne", json!("All OK"), "the body is \"All OK\", expected other than \"All OK\""),
        ("body", "lt", json!(1), "the body is \"All OK\", expected less than 1"),
        ("body", "exists", json!(null), ""),
        ("status", "eq", json!(200), ""),
        ("status", "eq", json!("204"), "the status code is 200, expected \"204\""),
        ("status", "lt", json!(300), ""),
        ("response_ms", "lt", json!(250), "the response time in ms is 250, expected less than 250"),
        ("response_ms", "gt", json!(249.5), ""),
    ] {
        assert_eq!(of(source, op, value.clone()), wrong, "{source} {op} {value}");
    }
}

#[test]
fn a_wrong_entry_is_named_with_its_fix() {
    let example = r#"such as {"source": "json", "path": "$.status", "op": "eq", "value": "ok"}"#;
    let refused = |given: Value| Assertion::try_from(given).expect_err("refused");
    for (given, reason) in [
        (json!("x"), format!("must be an object {example}")),
        (json!({}), "source must be one of json, header, body, status, response_ms".into()),
        (
            json!({"source": "xml"}),
            "source must be one of json, header, body, status, response_ms".into(),
        ),
        (
            json!({"source": "body", "op": "is"}),
            "op must be one of eq, ne, lt, gt, contains, matches, exists".into(),
        ),
        (
            json!({"source": "body", "pth": 1}),
            "has the unknown key \"pth\"; the keys are source, path, op, value".into(),
        ),
        (
            json!({"source": "json", "op": "eq"}),
            "path is missing: give a JSONPath such as $.status".into(),
        ),
        (json!({"source": "json", "op": "eq", "path": 1}), "path must be text".into()),
        (json_of("status", "eq", json!(1)), "path must start with $, as $.status".into()),
        (
            json!({"source": "header", "op": "exists"}),
            "path is missing: give the name of a header, such as content-type".into(),
        ),
        (
            json!({"source": "header", "path": "a b", "op": "exists"}),
            "path is not the name of a header; one is such as content-type".into(),
        ),
        (
            json!({"source": "status", "path": "$.a", "op": "eq", "value": 1}),
            "path must be left out: status is looked at as a whole".into(),
        ),
        (
            json!({"source": "json", "path": "$.a", "op": "eq"}),
            "value is missing: what is expected, such as \"ok\", 5 or true".into(),
        ),
        (json_of("$.a", "lt", json!("many")), "value must be a number, such as 10".into()),
        (
            json_of("$.a", "contains", json!("")),
            "value must be what must be in the text or list, such as \"ready\"".into(),
        ),
        (
            json_of("$.a", "contains", json!({})),
            "value must be what must be in the text or list, such as \"ready\"".into(),
        ),
        (
            json_of("$.a", "matches", json!(5)),
            "value must be a regular expression, such as ^v2\\.".into(),
        ),
        (
            json_of("$.a", "matches", json!("(")),
            "value is not a regular expression: unclosed group".into(),
        ),
        (
            json_of("$.a", "exists", json!("yes")),
            "value must be left out with exists, or be false: it is not there".into(),
        ),
        (
            json!({"source": "status", "op": "exists"}),
            "op must be eq, ne, lt or gt: status is a number".into(),
        ),
        (
            json!({"source": "status", "op": "eq", "value": "ok"}),
            "value must be a status code, such as 200".into(),
        ),
        (
            json!({"source": "response_ms", "op": "lt", "value": null}),
            "value must be a number of milliseconds, such as 500".into(),
        ),
        (
            json!({"source": "body", "op": "eq", "value": 5}),
            "value must be a text, such as \"ok\"; for an empty body use exists with false".into(),
        ),
        (
            json_of("$.a", "eq", json!("x".repeat(10_000))),
            "value must be at most 10000 bytes long".into(),
        ),
    ] {
        assert_eq!(refused(given), reason);
    }
    let too_large = refused(json_of("$.a", "matches", json!("\\w{1000}")));
    assert!(too_large.starts_with("value is too large a regular expression"), "{too_large}");
    let path = refused(json_of("$.a[", "eq", json!(1)));
    assert!(path.starts_with("path is not a JSONPath: "), "{path}");
    let list = json!([{"source": "body", "op": "exists"}, {}, {"source": "body"}]);
    assert_eq!(
        parse_assertions(&list).unwrap_err(),
        "entry 2: source must be one of json, header, body, status, response_ms; \
         entry 3: op must be one of eq, ne, lt, gt, contains, matches, exists"
    );
    assert_eq!(
        parse_assertions(&json!({})).unwrap_err(),
        format!("must be a list of objects {example}")
    );
    let many = |n: usize| Value::Array(vec![json!({"source": "body", "op": "exists"}); n]);
    assert_eq!(parse_assertions(&many(51)).unwrap_err(), "must have at most 50 entries");
    assert_eq!(parse_assertions(&many(50)).unwrap().len(), 50);
}

#[test]
fn it_reads_back_as_it_was_given_and_in_words() {
    for (given, words) in [
        (json_of("$.a", "eq", json!("ok")), "$.a equals \"ok\""),
        (json_of("$.a", "eq", Value::Null), "$.a equals null"),
        (json_of("$['a b'][0]", "ne", json!({"b": [1.5]})), "$['a b'][0] is not {\"b\":[1.5]}"),
        (json_of("$.a", "exists", json!(false)), "$.a is absent"),
        (
            json!({"source": "header", "path": "X-Cache", "op": "exists", "value": null}),
            "header X-Cache exists",
        ),
        (
            json!({"source": "body", "path": null, "op": "matches", "value": "^a\\d"}),
            "the body matches ^a\\d",
        ),
        (
            json!({"source": "status", "path": null, "op": "gt", "value": 199}),
            "the status code is more than 199",
        ),
        (
            json!({"source": "response_ms", "path": null, "op": "lt", "value": "500"}),
            "the response time in ms is less than 500",
        ),
    ] {
        let read = assertion(given.clone());
        assert_eq!(serde_json::to_value(&read).unwrap(), given);
        assert_eq!(serde_json::from_value::<Assertion>(given).unwrap(), read);
        assert_eq!(read.to_string(), words);
    }
}
