//! What is watched: answers `ok`, but fails for every tenth path while it is asked to.

use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::process;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
const DOWN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// The target as a process of its own; ends when dropped.
pub struct Target {
    child: Child,
    /// Its port, on every address of the machine.
    pub port: String,
}

/// The address of the monitor `n`, which no other has, at the target at `port`.
pub fn url(port: &str, n: usize) -> String {
    format!("http://127.1.{}.{}:{port}/{n}", n / 250, n % 250 + 1)
}

impl Target {
    /// Starts it.
    pub fn start() -> Self {
        let (child, port) =
            process::start(Command::new(std::env::current_exe().unwrap()).arg("target"));
        Self { child, port }
    }

    /// From now on every tenth path fails.
    pub async fn fail(&self, client: &reqwest::Client) {
        self.ask(client, "fail").await;
    }

    /// From now on none does.
    pub async fn mend(&self, client: &reqwest::Client) {
        self.ask(client, "mend").await;
    }

    async fn ask(&self, client: &reqwest::Client, what: &str) {
        client.get(format!("http://127.0.0.1:{}/{what}", self.port)).send().await.unwrap();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process that answers: prints its port.
pub async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let failing = Arc::new(AtomicBool::new(false));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(answer(stream, failing.clone()));
    }
}

async fn answer(mut stream: TcpStream, failing: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut head = vec![0; 4096];
    let mut length = 0;
    loop {
        match stream.read(&mut head[length..]).await? {
            0 => return Ok(()),
            read => length += read,
        }
        if !head[..length].ends_with(b"\r\n\r\n") {
            continue;
        }
        let path = head[..length].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        match path {
            b"/fail" => failing.store(true, Ordering::Relaxed),
            b"/mend" => failing.store(false, Ordering::Relaxed),
            _ => {}
        }
        let is_down = failing.load(Ordering::Relaxed) && path.ends_with(b"0");
        stream.write_all(if is_down { DOWN } else { OK }).await?;
        length = 0;
    }
}
