//! An alert as mail: text and HTML, one thread an incident.

use std::time::Duration;

use askama::Template;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use url::Url;

use super::attempt::{Answer, Attempt, Outgoing};
use super::classify::smtp_answer;
use super::smtp::{Sent, SmtpError, SmtpSettings, with_ascii_domain};
use crate::incident::message::{AlertEvent, one_line};

/// The same words as the plain text, for readers of HTML.
#[derive(Template)]
#[template(path = "email/alert.html")]
struct AlertHtml<'a> {
    title: &'a str,
    sign: &'a str,
    subject: &'a str,
    predicate: &'a str,
    lines: &'a [String],
    incident_url: Option<String>,
    acknowledge_url: Option<&'a str>,
}

/// Sends an alert by mail to each of `to`; `limit` is for each step of the session.
pub async fn send(
    settings: Option<&SmtpSettings>,
    to: &[String],
    outgoing: &Outgoing<'_>,
    limit: Duration,
) -> Attempt {
    let Some(settings) = settings else {
        return Attempt::hopeless(
            "no mail server is set: set one under Settings, Mail, or start Watchbell with WATCHBELL_SMTP_URL",
        );
    };
    let addresses = to.iter().filter_map(|address| address.parse().ok());
    let addresses: Vec<Address> = addresses.map(with_ascii_domain).collect();
    let write = |to: &[Address]| Ok(build(&settings.from, to, outgoing)?.formatted());
    match settings.send(&addresses, write, limit).await {
        Ok(sent) => accepted(&sent),
        Err(error) => refused(&error),
    }
}

fn accepted(sent: &Sent) -> Attempt {
    let words: Vec<&str> = sent.response.message().collect();
    Attempt {
        answer: Answer::Accepted,
        status: Some(u16::from(sent.response.code())),
        note: (!sent.refused.is_empty()).then(|| one_line(&sent.refused.join("; "))),
        ..Attempt::unanswered(&words.join(" "))
    }
}

fn refused(error: &SmtpError) -> Attempt {
    let unanswered = Attempt::unanswered(&error.to_string());
    let code = match error {
        SmtpError::Session(error) => error.status().map(u16::from),
        SmtpError::NoUtf8 | SmtpError::Unwritten(_) => {
            return Attempt::hopeless(&error.to_string());
        }
        SmtpError::NoTls => None,
    };
    match code {
        Some(code) => Attempt { answer: smtp_answer(code), status: Some(code), ..unanswered },
        None => unanswered,
    }
}

fn build(from: &Mailbox, to: &[Address], outgoing: &Outgoing<'_>) -> Result<Message, String> {
    let words = &outgoing.alert.message;
    // The sign is left out: some mail programs cannot show it in a list of subjects.
    let title = one_line(&format!("{} {}", words.subject, words.predicate));
    let html = AlertHtml {
        title: &title,
        sign: &words.sign,
        subject: &words.subject,
        predicate: &words.predicate,
        lines: &words.lines,
        incident_url: outgoing.incident_url(),
        acknowledge_url: outgoing.acknowledge_url.as_deref(),
    };
    let html = html.render().map_err(|error| format!("the mail cannot be written: {error}"))?;
    let ids = MailIds::of(outgoing, &id_host(outgoing.base_url, from));
    let mut mail = Message::builder()
        .from(from.clone())
        .subject(title)
        .date(outgoing.sent_at.to_utc().into())
        // The same at every attempt: a mail that was sent twice is then shown once.
        .message_id(Some(ids.own))
        .raw_header(auto_submitted());
    for address in to {
        mail = mail.to(Mailbox::new(None, address.clone()));
    }
    if let Some(thread) = ids.thread {
        mail = mail.in_reply_to(thread.clone()).references(thread);
    }
    mail.multipart(MultiPart::alternative_plain_html(text(outgoing), html))
        .map_err(|error| format!("the mail cannot be written: {error}"))
}

/// How mail programs tell a mail from others, and to what it answers.
struct MailIds {
    own: String,
    thread: Option<String>,
}

impl MailIds {
    /// The mail that tells of an outage begins the thread of its incident, and all others of it answer to that one.
    fn of(outgoing: &Outgoing<'_>, host: &str) -> Self {
        let alert = outgoing.alert;
        // The time tells it from an incident of the same number in a database that was begun anew.
        let root = alert
            .incident
            .as_ref()
            .map(|i| format!("<watchbell-incident-{}-{}@{host}>", i.id, i.started_at.0));
        match root {
            Some(root)
                if matches!(alert.event, AlertEvent::MonitorDown | AlertEvent::SelfCutOff) =>
            {
                Self { own: root, thread: None }
            }
            thread => Self { own: format!("<watchbell-{}@{host}>", outgoing.key), thread },
        }
    }
}

/// Keeps holiday answers away (RFC 3834).
fn auto_submitted() -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    HeaderValue::new(name, "auto-generated".to_owned())
}

fn text(outgoing: &Outgoing<'_>) -> String {
    let words = &outgoing.alert.message;
    let mut lines = vec![words.headline("")];
    lines.extend(words.lines.iter().cloned());
    if let Some(url) = outgoing.incident_url() {
        lines.extend([String::new(), url]);
    }
    if let Some(url) = &outgoing.acknowledge_url {
        lines.push(format!("Acknowledge: {url}"));
    }
    lines.join("\n")
}

/// What message ids end in: the host that people know us by, else that of the sender.
fn id_host(base_url: &str, from: &Mailbox) -> String {
    let base = Url::parse(base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    base.unwrap_or_else(|| from.email.domain().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::incident::message::Alert;
    use crate::notify::testing;

    fn mail(alert: &Alert) -> String {
        let outgoing = Outgoing {
            alert,
            key: "delivery-7".to_owned(),
            sent_at: Timestamp(1_614_265_330_999),
            base_url: "https://bell.example",
            acknowledge_url: None,
        };
        let from = "Watchbell <w@example.com>".parse().unwrap();
        let to = ["a@b.example".parse().unwrap(), "c@d.example".parse().unwrap()];
        String::from_utf8(build(&from, &to, &outgoing).unwrap().formatted()).unwrap()
    }

    #[test]
    fn the_mails_of_an_incident_are_one_thread() {
        let mut alert = testing::down_alert();
        let started_at = alert.incident.as_ref().unwrap().started_at.0;
        let root = format!("<watchbell-incident-42-{started_at}@bell.example>");
        let down = mail(&alert);
        assert!(down.contains(&format!("Message-ID: {root}\r\n")), "{down}");
        assert!(!down.contains("References:"), "{down}");
        alert.event = AlertEvent::MonitorUp;
        let up = mail(&alert);
        assert!(up.contains("Message-ID: <watchbell-delivery-7@bell.example>\r\n"), "{up}");
        assert!(up.contains(&format!("In-Reply-To: {root}\r\nReferences: {root}\r\n")), "{up}");
    }

    #[test]
    fn has_its_headers_and_both_forms() {
        let mail = mail(&testing::down_alert());
        for header in [
            "Subject: yourapp.com/health is DOWN\r\n",
            "From: Watchbell <w@example.com>\r\n",
            "To: a@b.example, c@d.example\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: multipart/alternative",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(mail.contains(header), "{header} in\n{mail}");
        }
        assert!(mail.is_ascii(), "so that it needs no 8BITMIME");
    }

    #[test]
    fn a_hostile_name_stays_within_the_subject_and_the_html() {
        let mut alert = testing::down_alert();
        alert.message.subject = "job\r\nBcc: x@y.example\r\n\r\n<script>".to_owned();
        let mail = mail(&alert);
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Subject: job Bcc: x@y.example <script> is DOWN\r\n"), "{head}");
        assert!(!head.contains("\r\nBcc:"), "{head}");
        assert!(body.contains("&#60;script&#62;</strong>"), "{body}");
    }

    #[test]
    fn the_text_is_plain_and_ends_with_the_links() {
        let alert = testing::down_alert();
        let outgoing = Outgoing {
            alert: &alert,
            key: String::new(),
            sent_at: Timestamp(0),
            base_url: "http://b",
            acknowledge_url: Some("http://b/acknowledge/x".to_owned()),
        };
        assert_eq!(
            text(&outgoing),
            "🔴 yourapp.com/health is DOWN\nStatus: 503 | checks.database: error: <no> & none\nDuration: 1m 12s\n\nhttp://b/incidents/42\nAcknowledge: http://b/acknowledge/x"
        );
    }
}

#[cfg(test)]
mod session_tests;
