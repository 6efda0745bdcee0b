//! Names that try to get out of their place, in every channel's form and in every event.

use serde_json::Value;
use watchbell::incident::message::{Alert, AlertEvent, Message};
use watchbell::notify::ChannelType;
use watchbell::notify::smtp::SmtpSettings;

use super::{Sending, alert, reading, settings};
use crate::support::smtp::Sink;
use crate::support::stub::Stub;

fn names() -> Vec<String> {
    let long = |text: &str| text.repeat(10_240 / text.len());
    [
        "a \"quoted\" \\ name",
        "two\nlines\r\n\tand a tab",
        "<b>bold</b> & <script>alert(1)</script>",
        "🔥 ünïcödé 日本語 👩‍👩‍👧‍👦 \u{202e}right to left",
        "{{name}} {{monitor.name}} ${name} {{DATE(2017-02-14T06:08:39Z,SHORT)}}",
        "**b** *b* __u__ ~~s~~ `c` ||p|| # h\n> q\n- l\n1. n",
        "[click](https://evil.example) ![i](https://evil.example/i.png) <https://evil.example|click>",
        "@everyone @here @channel @all @room <!channel> <!here> <@U123> <@&1> <users/all> <at>x</at>",
        "\",\"event_action\":\"resolve\",\"x\":\"",
        "</b><a href=\"https://evil.example\">x</a><!--",
        "a\r\nBcc: x@evil.example\r\n\r\nbody",
        "\u{0}\u{1b}[31m\u{2028}\u{2029}end",
        "https://user:pass@evil.example/?a=1&b=2#c",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([long("x"), long("\""), long("&"), long("<b>"), long("🔥"), long("*_`"), long("{{")])
    .collect()
}

/// The text that people must read, on the lines that they must see it on.
fn lines(message: &Message) -> Vec<String> {
    let flat = |text: &str| -> String {
        let turns = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let space = |c: char| c.is_control() || turns(c);
        text.chars().map(|c| if space(c) { ' ' } else { c }).collect()
    };
    let head = format!("{} {} {}", message.sign, flat(&message.subject), message.predicate);
    std::iter::once(head).chain(message.lines.iter().map(|line| flat(line))).collect()
}

/// The same text, or its beginning followed by `…`.
fn is_cut_of(read: &str, whole: &str) -> bool {
    read == whole || read.strip_suffix('…').is_some_and(|begun| whole.starts_with(begun))
}

struct Schema(boon::Schemas, boon::SchemaIndex);

impl Schema {
    fn of(kind: ChannelType) -> Self {
        let path = format!("{}/tests/channels/{kind}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.enable_format_assertions();
        compiler
            .add_resource("http://schema.example/s.json", serde_json::from_str(&text).unwrap())
            .unwrap();
        let index = compiler.compile("http://schema.example/s.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn holds(&self, json: &Value) -> Result<(), String> {
        self.0.validate(json, self.1).map_err(|error| format!("{error:#}"))
    }
}

/// How long a message may be, in bytes, where the vendor counts those of all of it.
fn size_limit(kind: ChannelType) -> usize {
    match kind {
        ChannelType::Teams => 28 * 1024,
        ChannelType::Googlechat => 32_000,
        ChannelType::Matrix => 65_536,
        _ => 512 * 1024,
    }
}

#[tokio::test]
async fn a_name_is_a_name_in_every_form_and_in_every_event() {
    let (stub, sending) = (Stub::start().await, Sending::new(None));
    let mut wrong = Vec::new();
    for (kind, fields) in settings(&stub.url("/hook")) {
        let schema = Schema::of(kind);
        for name in names() {
            for event in AlertEvent::ALL {
                let alert = alert(*event, &name);
                let request = sending.sent(&stub, &fields, &alert).await;
                if let Err(reason) = judge(kind, &schema, &request.body, &alert) {
                    wrong.push(format!("{kind} {event} {name:.60}: {reason:.300}"));
                }
            }
        }
    }
    wrong.truncate(12);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with a message.
fn judge(kind: ChannelType, schema: &Schema, body: &[u8], alert: &Alert) -> Result<(), String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    schema.holds(&json)?;
    if body.len() > size_limit(kind) {
        return Err(format!("{} bytes", body.len()));
    }
    // JSON needs no markup: the words arrive as they are.
    if kind == ChannelType::Webhook && json["text"] != alert.message.text() {
        return Err("another text".to_owned());
    }
    let expected = lines(&alert.message);
    let (head, rest) = (&expected[0], expected[1..].join("\n"));
    let same = match reading::read(kind, &json)? {
        // That an incident is over is told by its key alone.
        None => true,
        Some(reading::Read::Whole(ref text)) => is_cut_of(text, &expected.join("\n")),
        Some(reading::Read::Parts(ref title, ref text)) => {
            is_cut_of(title, head) && is_cut_of(text, &rest)
        }
    };
    if same { Ok(()) } else { Err(format!("other words: {json}")) }
}

#[tokio::test]
async fn a_name_is_a_name_in_a_mail() {
    let sink = Sink::start().await;
    let smtp = SmtpSettings::parse(&sink.url(), Some("Watchbell <w@example.com>")).unwrap();
    let sending = Sending::new(Some(smtp));
    let fields = serde_json::json!({"type": "email", "to": ["ops@example.com"]});
    for (n, name) in names().into_iter().enumerate() {
        sending.send(&fields, &alert(AlertEvent::MonitorDown, &name)).await;
        let mail = sink.wait_for(n + 1).await.pop().unwrap();
        assert_eq!(mail.to.len(), 1, "{name:.80}");
        let text = mail.text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap();
        let body = body.replace("=\n", "");
        for line in head.lines().filter(|line| !line.starts_with(' ')) {
            let known = [
                "From",
                "To",
                "Subject",
                "Date",
                "Message-ID",
                "Auto-Submitted",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding",
            ];
            let field = line.split(':').next().unwrap();
            assert!(known.contains(&field), "{name:.80}: {line}");
        }
        for injected in ["<script>", "<a href=3D\"https://evil", "<a href=\"https://evil"] {
            let html = body.split("text/html").nth(1).unwrap();
            assert!(!html.contains(injected), "{name:.80}: {html}");
        }
    }
}
