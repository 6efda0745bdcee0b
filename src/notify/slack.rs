//! Slack's incoming webhook: text and blocks. Pure; [`webhook`](super::webhook) sends it.

use serde_json::{Value, json};
use url::Url;

use super::attempt::Outgoing;

/// The longest text of a section block, in characters (Slack's reference of block kit).
const SECTION_MAX: usize = 3000;

/// Whether a URL is one of Slack's incoming webhooks, pasted wherever it was.
pub fn is_webhook_url(url: &Url) -> bool {
    url.host_str() == Some("hooks.slack.com") && url.path().starts_with("/services/")
}

/// The JSON for an incoming webhook: the alert's text, shown as a section, and a link to the incident.
pub fn body(outgoing: &Outgoing<'_>) -> Value {
    let text = escaped(&outgoing.alert.message.text());
    let mut blocks = vec![json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})];
    if let Some(url) = outgoing.incident_url() {
        let link = format!("<{url}|Open the incident in Watchbell>");
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": link}]}));
    }
    json!({"text": text, "blocks": blocks})
}

/// Escapes as Slack asks (`&`, `<`, `>` and nothing else), and ends before a block would be refused for its length.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for c in text.chars() {
        let mut buffer = [0; 4];
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => c.encode_utf8(&mut buffer),
        };
        length += piece.chars().count();
        if length > SECTION_MAX {
            break;
        }
        escaped.push_str(piece);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::notify::testing;

    #[test]
    fn knows_its_own_urls() {
        for (url, expected) in [
            ("https://hooks.slack.com/services/T0/B0/x", true),
            ("https://HOOKS.slack.com/services/T0/B0/x", true),
            ("https://hooks.slack.com/workflows/x", false),
            ("https://hooks.slack.com.example/services/T0/B0/x", false),
            ("https://example.com/services/T0", false),
        ] {
            assert_eq!(is_webhook_url(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn says_the_text_of_the_contract_and_links_the_incident() {
        let alert = testing::down_alert();
        let outgoing = Outgoing {
            alert: &alert,
            key: "msg_1".to_owned(),
            sent_at: Timestamp(0),
            base_url: "https://bell.example/",
        };
        let body = body(&outgoing);
        let text = "🔴 *yourapp.com/health* is DOWN\nStatus: 503 | checks.database: error: &lt;no&gt; &amp; none\nDuration: 1m 12s";
        assert_eq!(body["text"], text);
        assert_eq!(body["blocks"][0]["text"]["text"], text);
        assert_eq!(
            body["blocks"][1]["elements"][0]["text"],
            "<https://bell.example/incidents/42|Open the incident in Watchbell>"
        );
    }

    #[test]
    fn never_cuts_an_escape_in_two() {
        let text = escaped(&"&".repeat(5000));
        assert_eq!(text.len(), SECTION_MAX);
        assert!(text.ends_with("&amp;"));
    }
}
