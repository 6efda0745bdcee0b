//! What a delivery sent: its request, written anew from the alert and the channel's present settings, with nothing secret in it.
//! Pure.

use serde_json::Value;

use super::pretty::in_lines;
use super::text::count;
use crate::clock::Timestamp;
use crate::incident::message::Alert;
use crate::monitor::header::SECRET_MASK;
use crate::notify::ChannelConfig;
use crate::notify::attempt::Outgoing;
use crate::notify::channel::{Rendered, Request};

/// The longest body that is shown, in characters.
const SHOWN_MAX: usize = 20_000;
/// Headers that prove who sends: as good as a secret for as long as they are fresh.
const PROOFS: [&str; 2] = ["authorization", "webhook-signature"];

/// The request of an alert, as people may see it.
pub fn request(
    config: &ChannelConfig,
    alert: &Alert,
    key: &str,
    at: Timestamp,
    base_url: &str,
) -> String {
    // Who may read here may not always acknowledge: that link is for those who got the message.
    let acknowledge_url = None;
    let outgoing = Outgoing { alert, key: key.to_owned(), sent_at: at, base_url, acknowledge_url };
    match config.render(&outgoing) {
        Ok(Rendered::Http(request)) => masked(&written(&request), &config.secrets()),
        Ok(Rendered::Mail(to)) => {
            masked(&format!("To: {}\n\n{}", to.join(", "), alert.message.text()), &config.secrets())
        }
        Err(reason) => format!("It cannot be written in this channel's form: {reason}"),
    }
}

fn written(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        let value = if PROOFS.contains(&name.as_str()) { SECRET_MASK } else { value };
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    text.push_str(&body(&request.body));
    text
}

/// A body as people read it: JSON over several lines, other text as it is.
fn body(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = in_lines(&text).unwrap_or_else(|| text.into_owned());
    let length = text.chars().count();
    if length <= SHOWN_MAX {
        return text;
    }
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    format!("{cut}\n… and {} characters more", count(length - SHOWN_MAX))
}

/// The text without secrets, in whichever way one may be written in it.
fn masked(text: &str, secrets: &[String]) -> String {
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| {
        let in_json = Value::from(secret.as_str()).to_string();
        let in_form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        [secret.as_str(), in_json.trim_matches('"'), &in_form]
            .iter()
            .fold(text, |text, form| text.replace(*form, SECRET_MASK))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::ChannelSettings;
    use crate::notify::testing::{samples, test_alert};

    fn shown(config: Value) -> String {
        let map = config.as_object().unwrap();
        let settings = ChannelSettings::read(map, None, true).unwrap();
        request(&settings.config, &test_alert(), "msg_1", Timestamp(0), "https://up.example")
    }

    #[test]
    fn a_request_is_shown_without_its_secrets() {
        for sample in samples("https://far.example/hook") {
            let text = shown(sample);
            assert!(!text.contains("S3CRET"), "{text}");
        }
        let slack =
            shown(json!({"type": "slack", "url": "https://hooks.slack.com/services/T0/B0/s3cr3t"}));
        assert!(slack.starts_with("POST ***\n") && slack.contains("is set up"), "{slack}");
        let webhook = shown(json!({"type": "webhook", "url": "https://u:pa55word@x.example/hook",
            "secret": "whsec_c2VjcmV0", "headers": {"x-api-key": "k3y-two"}}));
        for secret in ["pa55word", "c2VjcmV0", "k3y-two", "v1,"] {
            assert!(!webhook.contains(secret), "{webhook}");
        }
        assert!(webhook.contains("x-api-key: ***") && webhook.contains("webhook-id: msg_1"));
    }

    #[test]
    fn a_long_body_is_cut() {
        let text = body(&vec![b'x'; SHOWN_MAX + 1_500]);
        assert!(text.ends_with("… and 1,500 characters more"), "{}", &text[SHOWN_MAX - 5..]);
    }
}
