use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::json_of;
use super::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        (-6_i32..6).prop_map(|n| json!(f64::from(n) / 2.0)),
        prop::sample::select(vec!["", "1", "1.0", "-0.5", "true", "null", " 1", "a", "1a"])
            .prop_map(Value::from),
    ]
}

/// The oracle of sameness: what a value says once it is written down, a number being its value.
fn said(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
    number.map_or(text, |n| if n == 0.0 { "0".to_owned() } else { n.to_string() })
}

proptest! {
    #[test]
    fn comparisons_agree_with_the_oracle(found in scalar(), value in scalar()) {
        let holds = |op: &str| {
            let body = json!({"a": found}).to_string();
            Assertion::try_from(json_of("$.a", op, value.clone())).ok().map(|assertion| {
                let body = Body::new(body.as_bytes());
                let answer = Answer { status: 200, headers: &[], body: &body, total_ms: 1 };
                assertion.failure(&answer).is_none()
            })
        };
        let both_text = found.is_string() && value.is_string();
        let same = if both_text { found == value } else { said(&found) == said(&value) };
        prop_assert_eq!(holds("eq"), Some(same));
        prop_assert_eq!(holds("ne"), Some(!same));
        let number = |v: &Value| match v {
            Value::String(text) => text.trim().parse::<f64>().ok(),
            other => other.as_f64(),
        };
        if let Some(limit) = number(&value) {
            let found = number(&found);
            prop_assert_eq!(holds("lt"), Some(found.is_some_and(|n| n < limit)));
            prop_assert_eq!(holds("gt"), Some(found.is_some_and(|n| n > limit)));
        } else {
            prop_assert_eq!(holds("lt"), None);
        }
    }

    #[test]
    fn any_answer_gives_one_short_line(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            ".{0,400}".prop_map(|text| json!({"a": text, "b": [text]}).to_string().into_bytes()),
        ],
        value in "[^\u{0}]{1,400}",
        name in "\\$(\\.[a-c]|\\[\\*\\]|\\.\\.a){0,3}",
        status in 0_u16..1000,
        total_ms in any::<u32>(),
    ) {
        let body = Body::new(&body);
        let headers = [Header { name: "x".into(), value: value.clone() }];
        let answer = Answer { status, headers: &headers, body: &body, total_ms };
        for op in Op::ALL {
            for (source, path) in [("json", name.as_str()), ("header", "x"), ("body", "")] {
                let given = json!({"source": source, "path": path, "op": op, "value": value});
                let Ok(assertion) = Assertion::try_from(given) else { continue };
                if let Some(text) = assertion.failure(&answer) {
                    prop_assert!(text.starts_with("assertion failed: "), "{}", text);
                    prop_assert!(text.chars().count() <= 300);
                    prop_assert!(!text.chars().any(char::is_control));
                }
            }
        }
    }

    #[test]
    fn any_entry_is_read_or_refused(text in ".{0,80}", op in prop::sample::select(Op::ALL.to_vec())) {
        for given in [
            json!({"source": "json", "path": text, "op": op, "value": text}),
            json!({"source": "json", "path": format!("${text}"), "op": op, "value": text}),
            json!({"source": "body", "op": op, "value": text}),
        ] {
            if let Ok(read) = Assertion::try_from(given) {
                let again = serde_json::from_value(serde_json::to_value(&read).unwrap());
                prop_assert_eq!(again.ok(), Some(read));
            }
        }
    }
}
