//! A webhook's own body: text with `{{name}}` in it, names being dotted paths of the webhook's JSON. Pure.

use serde_json::Value;

/// Every name that a template may use: the leaves of the webhook's JSON (contract, section 6).
pub const NAMES: [&str; 22] = [
    "event",
    "text",
    "sent_at",
    "monitor.id",
    "monitor.type",
    "monitor.name",
    "monitor.url",
    "monitor.tags",
    "incident.id",
    "incident.started_at",
    "incident.resolved_at",
    "incident.acknowledged_at",
    "incident.duration_seconds",
    "incident.cause",
    "incident.summary",
    "incident.url",
    "check.region",
    "check.status_code",
    "check.error",
    "check.response_ms",
    "check.failed_checks",
    "check.checked_at",
];

/// A template that has been read: every name in it is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Template<'a>(Vec<Part<'a>>);

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl<'a> Template<'a> {
    /// Reads a template.
    ///
    /// # Errors
    /// The unknown name, or that a `{{` has no end.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or("has {{ without }} after it; a name is written {{text}}")?;
            let name = name.trim();
            if !NAMES.contains(&name) {
                return Err(format!(
                    "has the unknown name {{{{{name}}}}}; known are {}",
                    NAMES.join(", ")
                ));
            }
            parts.extend([Part::Text(before), Part::Name(name)]);
            rest = after;
        }
        parts.push(Part::Text(rest));
        Ok(Self(parts))
    }

    /// Puts the values of `json` in the place of the names, each escaped so that it may stand between quotes.
    pub fn fill(&self, json: &Value) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Name(name) => filled.push_str(&value_text(json, name)),
            }
        }
        filled
    }
}

/// The value at a dotted path, for the inside of a JSON string; `null` where it does not apply, so that it may stand without quotes too.
fn value_text(json: &Value, name: &str) -> String {
    let value = name.split('.').try_fold(json, |value, key| value.get(key));
    match value {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::String(text)) => escaped(text),
        Some(Value::Array(items)) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            escaped(&items.join(", "))
        }
        Some(Value::Object(object)) => {
            let pairs: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{key}: {}", value.as_str().unwrap_or_default()))
                .collect();
            escaped(&pairs.join("; "))
        }
        Some(other) => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn fills_each_kind_of_value() {
        let json = json!({
            "event": "monitor.down", "text": "a \"b\"\nc\\d",
            "monitor": {"id": 7, "tags": ["x", "y\"z"]}, "incident": null,
            "check": {"failed_checks": {"checks.db": "error: \"no\""}, "error": null},
        });
        for (template, expected) in [
            ("", ""),
            ("no names } here", "no names } here"),
            ("{{event}}/{{ monitor.id }}", "monitor.down/7"),
            (r#"{"t":"{{text}}"}"#, r#"{"t":"a \"b\"\nc\\d"}"#),
            ("{{monitor.tags}}", "x, y\\\"z"),
            ("{{check.failed_checks}}", "checks.db: error: \\\"no\\\""),
            ("{{incident.id}} {{check.error}} {{monitor.name}}", "null null null"),
        ] {
            assert_eq!(Template::parse(template).unwrap().fill(&json), expected);
        }
    }

    #[test]
    fn refuses_unknown_names_and_open_ends() {
        for (template, words) in [
            ("{{nope}}", "{{nope}}"),
            ("{{}}", "unknown name"),
            ("{{monitor}}", "unknown name"),
            ("{{monitor.name.x}}", "{{monitor.name.x}}"),
            ("{{text", "without }}"),
            ("{{text}} {{event", "without }}"),
        ] {
            let reason = Template::parse(template).unwrap_err();
            assert!(reason.contains(words), "{template}: {reason}");
        }
    }

    proptest! {
        #[test]
        fn any_text_between_quotes_is_still_json(text in any::<String>()) {
            let filled = Template::parse(r#"{"t":"{{text}}"}"#).unwrap().fill(&json!({"text": text}));
            let read: Value = serde_json::from_str(&filled).unwrap();
            prop_assert_eq!(read["t"].as_str(), Some(text.as_str()));
        }
    }
}
