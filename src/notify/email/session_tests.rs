//! Mail over a small SMTP server that says what was said to it.

use std::collections::VecDeque;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::Timestamp;
use crate::notify::testing;
use crate::supervise::Supervisor;

const LIMIT: Duration = Duration::from_secs(10);

/// Replies to commands by their first word; what is not scripted is taken.
type Script = &'static [(&'static str, &'static str)];

/// Serves one session after another; each is reported as the lines that came.
struct MailServer {
    url: String,
    sessions: mpsc::UnboundedReceiver<Vec<String>>,
    tasks: Supervisor,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

impl MailServer {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (report, sessions) = mpsc::unbounded_channel();
        let tasks = Supervisor::new(CancellationToken::new());
        let stop = tasks.stop().clone();
        tasks.spawn("mail server", async move {
            let serve = async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let _ = report.send(session(stream, script).await);
                }
            };
            tokio::select! { () = serve => {}, () = stop.cancelled() => {} }
        });
        Self { url, sessions, tasks }
    }

    async fn send(&self, query: &str, to: &[&str]) -> Attempt {
        let url = format!("{}{query}", self.url);
        let settings = SmtpSettings::parse(&url, Some("Watchbell <w@example.com>")).unwrap();
        send_with(&settings, to).await
    }

    async fn session(&mut self) -> Vec<String> {
        tokio::time::timeout(LIMIT, self.sessions.recv()).await.unwrap().unwrap()
    }
}

async fn send_with(settings: &SmtpSettings, to: &[&str]) -> Attempt {
    let to: Vec<String> = to.iter().map(|address| (*address).to_owned()).collect();
    let alert = testing::down_alert();
    let outgoing = Outgoing {
        alert: &alert,
        key: "msg_7".to_owned(),
        sent_at: Timestamp(1_614_265_330_999),
        base_url: "https://bell.example",
        acknowledge_url: None,
    };
    send(Some(settings), &to, &outgoing, LIMIT).await
}

async fn session(stream: TcpStream, script: Script) -> Vec<String> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut heard, mut in_message) = (Vec::new(), false);
    let mut script: VecDeque<_> = script.iter().collect();
    write.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        heard.push(line.clone());
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let scripted = script.front().filter(|(when, _)| !in_message && line.contains(when));
        let reply = match (in_message, word.as_str(), scripted) {
            (true, ".", _) => {
                in_message = false;
                "250 2.0.0 Ok: queued as 12345"
            }
            (true, ..) => continue,
            (false, _, Some((_, reply))) => {
                script.pop_front();
                reply
            }
            (false, "EHLO", None) => "250-mail.example\r\n250 AUTH PLAIN LOGIN",
            (false, "DATA", None) => {
                in_message = true;
                "354 go on"
            }
            (false, "QUIT", None) => "221 bye",
            (false, "AUTH", None) => "235 2.7.0 welcome",
            (false, ..) => "250 2.1.0 Ok",
        };
        write.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
        if word == "QUIT" {
            break;
        }
    }
    heard
}

#[tokio::test]
async fn a_mail_goes_to_all_in_one_session() {
    let mut server = MailServer::start(&[]).await;
    let attempt = server.send("", &["a@b.example", "c@d.example"]).await;
    assert_eq!((attempt.answer, attempt.status), (Answer::Accepted, Some(250)));
    assert_eq!(attempt.response, "2.0.0 Ok: queued as 12345");
    let heard = server.session().await;
    for line in [
        "MAIL FROM:<w@example.com>",
        "RCPT TO:<a@b.example>",
        "RCPT TO:<c@d.example>",
        "Subject: yourapp.com/health is DOWN",
        "Message-ID: <watchbell-incident-42-",
        "QUIT",
    ] {
        assert!(heard.iter().any(|heard| heard.starts_with(line)), "{line} in {heard:#?}");
    }
}

#[tokio::test]
async fn each_reply_has_its_answer() {
    for (script, answer, status) in [
        (&[("RCPT", "550 5.1.1 no such user")] as Script, Answer::RefusedForGood, 550),
        (&[("RCPT", "450 4.2.1 greylisted")], Answer::Unavailable, 450),
        (&[("MAIL", "421 4.3.2 too busy")], Answer::Unavailable, 421),
        (&[("DATA", "554 5.7.1 spam")], Answer::RefusedForGood, 554),
    ] {
        let server = MailServer::start(script).await;
        let attempt = server.send("", &["a@b.example"]).await;
        assert_eq!((attempt.answer, attempt.status), (answer, Some(status)), "{attempt:?}");
    }
}

#[tokio::test]
async fn one_address_that_is_refused_does_not_keep_the_mail_from_the_others() {
    let mut server = MailServer::start(&[("c@d.example", "550 5.1.1 no such user")]).await;
    let attempt = server.send("", &["a@b.example", "c@d.example", "e@f.example"]).await;
    assert_eq!(attempt.answer, Answer::Accepted);
    let note = attempt.note.unwrap();
    assert!(note.starts_with("c@d.example refused:") && note.contains("no such user"), "{note}");
    assert!(server.session().await.iter().any(|line| line == "RCPT TO:<e@f.example>"));
}

#[tokio::test]
async fn an_address_that_the_server_cannot_write_to_does_not_keep_the_mail_from_the_others() {
    let mut server = MailServer::start(&[]).await;
    let to = ["jürgen@b.example", "c@bücher.example"];
    let attempt = server.send("", &to).await;
    assert_eq!(attempt.answer, Answer::Accepted, "{attempt:?}");
    let note = attempt.note.unwrap();
    assert!(note.starts_with("jürgen@b.example refused:") && note.contains("SMTPUTF8"), "{note}");
    let heard = server.session().await;
    assert!(heard.iter().any(|line| line == "RCPT TO:<c@xn--bcher-kva.example>"), "{heard:?}");
    assert!(heard.iter().all(|line| line.is_ascii()), "{heard:?}");
    let attempt = server.send("", &to[..1]).await;
    assert_eq!(attempt.answer, Answer::RefusedForGood, "nobody else is there: {attempt:?}");

    let script: Script = &[("EHLO", "250-mail.example\r\n250 SMTPUTF8")];
    let mut server = MailServer::start(script).await;
    assert_eq!(server.send("", &to).await.note, None);
    let heard = server.session().await;
    for line in ["MAIL FROM:<w@example.com> SMTPUTF8", "RCPT TO:<jürgen@b.example>"] {
        assert!(heard.iter().any(|heard| heard == line), "{line} in {heard:?}");
    }
}

#[tokio::test]
async fn nothing_is_said_in_clear_where_tls_is_required() {
    let mut server = MailServer::start(&[]).await;
    let attempt = server.send("?tls=required", &["a@b.example"]).await;
    assert_eq!(attempt.answer, Answer::Unavailable);
    assert!(attempt.response.contains("offers no STARTTLS"), "{attempt:?}");
    let heard = server.session().await;
    assert!(heard.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{heard:?}");
}

#[tokio::test]
async fn logs_in_on_this_machine_and_tries_again_while_the_password_is_wrong() {
    let mut server = MailServer::start(&[]).await;
    let url = server.url.replace("smtp://", "smtp://user:pass@");
    let settings = SmtpSettings::parse(&url, Some("w@example.com")).unwrap();
    assert_eq!(send_with(&settings, &["a@b.example"]).await.answer, Answer::Accepted);
    assert!(server.session().await.iter().any(|line| line.starts_with("AUTH PLAIN")));

    let server = MailServer::start(&[("AUTH", "535 5.7.8 wrong password")]).await;
    let url = server.url.replace("smtp://", "smtp://user:pass@");
    let settings = SmtpSettings::parse(&url, Some("w@example.com")).unwrap();
    let attempt = send_with(&settings, &["a@b.example"]).await;
    assert_eq!((attempt.answer, attempt.status), (Answer::Refused, Some(535)), "{attempt:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = SmtpSettings::parse(&url, Some("w@example.com")).unwrap();
    let attempt = send_with(&settings, &["a@b.example"]).await;
    assert_eq!((attempt.answer, attempt.status), (Answer::Unavailable, None));
    assert!(attempt.response.to_lowercase().contains("refused"), "{attempt:?}");
}

#[tokio::test]
async fn without_a_mail_server_it_says_what_to_set() {
    let alert = testing::test_alert();
    let outgoing = Outgoing {
        alert: &alert,
        key: String::new(),
        sent_at: Timestamp(0),
        base_url: "",
        acknowledge_url: None,
    };
    let attempt = send(None, &[], &outgoing, LIMIT).await;
    assert_eq!(attempt.answer, Answer::RefusedForGood);
    assert!(attempt.response.contains("WATCHBELL_SMTP_URL"));
}
