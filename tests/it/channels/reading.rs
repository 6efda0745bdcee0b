//! Reads what was sent as the far end would, and says what it found that nobody put there.

use serde_json::Value;
use watchbell::notify::ChannelType;

/// What people read.
#[derive(Debug, PartialEq)]
pub enum Read {
    /// All in one text.
    Whole(String),
    /// A title, and the lines.
    Parts(String, String),
}

const LINK: &str = "https://bell.example/at%28home%29/incidents/42";

const ACKNOWLEDGE: &str = "https://bell.example/at%28home%29/acknowledge/";

/// Without the link to acknowledge, in the markup that stands before and after its address.
fn unlinked(text: &str, before: &str, after: &str) -> String {
    let Some(start) = text.rfind(&format!("{before}{ACKNOWLEDGE}")) else { return text.to_owned() };
    let length = text[start..].find(after).map_or(0, |at| at + after.len());
    format!("{}{}", &text[..start], &text[start + length..])
}

/// The text of a message; `None` for one that has none.
pub fn read(kind: ChannelType, json: &Value) -> Result<Option<Read>, String> {
    use ChannelType::*;
    let text =
        |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("no text: {json}"));
    Ok(Some(match kind {
        Slack => {
            let read = mrkdwn(&text(&json["text"])?)?;
            let section = &json["blocks"][0]["text"]["text"];
            if mrkdwn(&text(section)?)? != read {
                return Err("the section says something else".to_owned());
            }
            Read::Whole(read)
        }
        Teams => {
            let card = &json["attachments"][0]["content"];
            let blocks = card["body"].as_array().ok_or("no body")?;
            let runs = |block: &Value| -> String {
                let runs = block["inlines"].as_array().into_iter().flatten();
                runs.filter_map(|run| run["text"].as_str()).collect()
            };
            let text = blocks.iter().map(runs).collect::<Vec<_>>();
            if text.iter().any(|text| text.contains("{{")) {
                return Err("braces that a card would fill in".to_owned());
            }
            let (head, rest) = text.split_first().ok_or("no blocks")?;
            // Cut in the middle, the name that is too long; the rest of the line stands.
            let head = if head.contains("…") {
                head.split('…').next().unwrap_or_default().to_owned() + "…"
            } else {
                head.clone()
            };
            Read::Parts(calm(&head), calm(&rest.join("\n")))
        }
        Discord => {
            if json["allowed_mentions"]["parse"] != serde_json::json!([]) {
                return Err("mentions are allowed".to_owned());
            }
            let lines = text(&json["embeds"][0]["description"])?;
            Read::Parts(markdown(&text(&json["content"])?)?, markdown(&lines)?)
        }
        Mattermost => Read::Whole(markdown(&rings_for_nobody(text(&json["text"])?)?)?),
        Telegram => {
            Read::Whole(html(&rings_for_nobody(text(&json["text"])?)?, &["<b>", "</b>"], "\n")?)
        }
        Matrix => {
            if json["m.mentions"] != serde_json::json!({}) {
                return Err("it may mention somebody".to_owned());
            }
            let tags = ["<strong>", "</strong>"];
            let html = html(&text(&json["formatted_body"])?, &tags, "<br>")?;
            let plain = calm(text(&json["body"])?.trim_end_matches(LINK).trim_end_matches('\n'));
            // Each is cut where its own length says.
            let same = plain.trim_end_matches('…').starts_with(html.trim_end_matches('…'));
            if !same {
                return Err(format!("two texts: {plain} and {html}"));
            }
            Read::Whole(html)
        }
        Googlechat => {
            let text = unlinked(&text(&json["text"])?, " · <", "|Acknowledge>");
            let text = text.replace(&format!("\n<{LINK}|Open the incident>"), "");
            if text.match_indices('<').any(|(at, _)| !text[at + 1..].starts_with('\u{200b}')) {
                return Err(format!("a link or a mention: {text}"));
            }
            Read::Whole(unstyled(&text)?)
        }
        Ntfy | Gotify | Pushover => Read::Parts(text(&json["title"])?, text(&json["message"])?),
        Opsgenie if json.get("alias").is_none() => Read::Whole(text(&json["note"])?),
        Opsgenie => {
            let text = text(&json["description"])?;
            Read::Whole(text.trim_end_matches(LINK).trim_end_matches('\n').to_owned())
        }
        Pagerduty if json["event_action"] != "trigger" => return Ok(None),
        Pagerduty => {
            let summary = text(&json["payload"]["summary"])?;
            if summary.chars().any(char::is_control) {
                return Err(format!("a summary of several lines: {summary}"));
            }
            Read::Whole(text(&json["payload"]["custom_details"]["text"])?)
        }
        Webhook | Email => return Ok(None),
    }))
}

/// Without the characters that only keep others apart.
fn calm(text: &str) -> String {
    text.replace('\u{200b}', "")
}

/// Without the first pair of what stands around the subject.
fn unbold(text: &str, mark: &str) -> String {
    let Some(rest) = text.strip_prefix(&format!("🔴 {mark}")) else { return text.to_owned() };
    // The subject may hold the mark itself: the last one before the predicate ends it, or the cut.
    let end = rest.find(&format!("{mark} is DOWN")).or_else(|| rest.rfind(mark));
    match end {
        Some(at) => format!("🔴 {}{}", &rest[..at], &rest[at + mark.len()..]),
        None => format!("🔴 {rest}"),
    }
}

/// Slack's mrkdwn: nothing but its three escapes may begin with `&`, and nothing may begin with `<`.
fn mrkdwn(text: &str) -> Result<String, String> {
    if text.contains(['<', '>']) {
        return Err(format!("a link or a mention: {text}"));
    }
    unstyled(&entities(text, &["&amp;", "&lt;", "&gt;"])?)
}

/// The text of a markup without escapes, in which the subject is bold and nothing else has a style.
fn unstyled(text: &str) -> Result<String, String> {
    let text = unbold(text, "*");
    let stars = text.matches('*').count();
    let begins = |style: &str| {
        text.contains(&format!(" {style}")) && !text.contains(&format!(" {style}\u{200b}"))
    };
    if stars != text.matches("\u{200b}*\u{200b}").count() || ["_", "~", "`"].into_iter().any(begins)
    {
        return Err(format!("a style of somebody else: {text}"));
    }
    Ok(calm(&text))
}

fn entities(text: &str, known: &[&str]) -> Result<String, String> {
    for (at, _) in text.match_indices('&') {
        if !known.iter().any(|entity| text[at..].starts_with(entity)) {
            return Err(format!("a broken escape: {:.20}", &text[at..]));
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Ok(text.replace("&amp;", "&"))
}

/// HTML of these tags and the link alone.
fn html(text: &str, tags: &[&str], line_break: &str) -> Result<String, String> {
    let link = format!("{line_break}<a href=\"{LINK}\">Open the incident</a>");
    let text = unlinked(text, " · <a href=\"", "\">Acknowledge</a>");
    let mut text = text.replace(&link, "");
    for tag in tags {
        if text.matches(tag).count() > 1 {
            return Err(format!("{tag} twice: {text}"));
        }
        text = text.replace(tag, "");
    }
    if line_break != "\n" {
        text = text.replace(line_break, "\n");
    }
    if text.contains(['<', '>', '"']) {
        return Err(format!("a tag of somebody else: {text}"));
    }
    Ok(calm(&entities(&text, &["&amp;", "&lt;", "&gt;", "&quot;"])?))
}

/// Markdown of one bold part and the link alone: all else that could mean something has a backslash.
fn markdown(text: &str) -> Result<String, String> {
    let text = unlinked(text, " · [Acknowledge](", ")");
    let text = text.replace("  \n", "\n").replace(&format!("\n[Open the incident]({LINK})"), "");
    let (mut plain, mut bare) = (String::new(), String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().ok_or("a backslash at the end")?),
            _ => {
                plain.push(c);
                bare.push(c);
            }
        }
    }
    let marks = bare.replacen("**", "", 2);
    if let Some(mark) = marks.chars().find(|c| "*_~`|#[]<>&".contains(*c)) {
        return Err(format!("{mark} means something: {text}"));
    }
    Ok(calm(&match bare.contains("**") {
        true => {
            let plain = plain.replacen("**", "", 1).replacen("** is DOWN", " is DOWN", 1);
            // Cut within what is bold, which is closed all the same.
            plain.strip_suffix("…**").map(|cut| format!("{cut}…")).unwrap_or(plain)
        }
        false => plain,
    }))
}

/// No `@` that begins a word is followed by one.
fn rings_for_nobody(text: String) -> Result<String, String> {
    for (at, _) in text.match_indices('@') {
        let inside = text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        if !inside && text[at + 1..].chars().next().is_some_and(char::is_alphanumeric) {
            return Err(format!("a mention: {:.20}", &text[at..]));
        }
    }
    Ok(text)
}
