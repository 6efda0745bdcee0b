//! A mail server that keeps what it is given, or refuses it as told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "its tasks end with the test's runtime")]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{CAP, eventually};

/// A mail as it was handed over.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// Its recipients.
    pub to: Vec<String>,
    /// Its head and body, as they were sent.
    pub text: String,
}

/// Whom a refusal is for, if not for everybody, and its line.
type Refusal = (Option<String>, String);

/// The server.
pub struct Sink {
    address: std::net::SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// What a recipient is answered with, if not 250.
    refusal: Arc<Mutex<Option<Refusal>>>,
}

impl Sink {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mails, refusal) = (Arc::<Mutex<Vec<Mail>>>::default(), Arc::default());
        let sink = Self { address, mails: mails.clone(), refusal };
        let refusal = sink.refusal.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, mails.clone(), refusal.clone()));
            }
        });
        sink
    }

    /// What `WATCHBELL_SMTP_URL` takes.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// From now on every recipient is refused with this line, such as `451 later`.
    pub fn refuse(&self, line: &str) {
        *self.refusal.lock().unwrap() = Some((None, line.to_owned()));
    }

    /// From now on this recipient is refused with this line, and the others are taken.
    pub fn refuse_only(&self, address: &str, line: &str) {
        *self.refusal.lock().unwrap() = Some((Some(address.to_owned()), line.to_owned()));
    }

    /// Waits until `n` mails came and gives them.
    #[track_caller]
    pub fn wait_for(&self, n: usize) -> impl Future<Output = Vec<Mail>> {
        let mails = self.mails.clone();
        eventually(CAP, move || {
            let found = mails.lock().unwrap().clone();
            async move { (found.len() >= n).then_some(found) }
        })
    }
}

async fn serve(
    stream: TcpStream,
    mails: Arc<Mutex<Vec<Mail>>>,
    refusal: Arc<Mutex<Option<Refusal>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut mail = Mail::default();
    say(&mut stream, "220 sink").await?;
    loop {
        let line = line(&mut stream).await?;
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "RCPT" => {
                let to = line[8..].trim().trim_matches(['<', '>']);
                match &*refusal.lock().unwrap() {
                    Some((only, said)) if only.as_ref().is_none_or(|only| only == to) => {
                        said.clone()
                    }
                    _ => {
                        mail.to.push(to.to_owned());
                        "250 ok".to_owned()
                    }
                }
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                mail.text = data(&mut stream).await?;
                mails.lock().unwrap().push(std::mem::take(&mut mail));
                "250 taken".to_owned()
            }
            "QUIT" => return say(&mut stream, "221 bye").await,
            _ => "250 ok".to_owned(),
        };
        say(&mut stream, &reply).await?;
    }
}

async fn data(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    loop {
        let line = line(stream).await?;
        if line == "." {
            return Some(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let n = stream.read_line(&mut line).await.ok()?;
    (n > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> Option<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()
}
