//! What is watched: answers `ok`, until it is asked to fail for every tenth path.

use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::program;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
const DOWN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// The target as a process of its own; ends when dropped.
pub struct Target {
    child: Child,
    /// Its port, on every address of the machine.
    pub port: String,
}

impl Target {
    /// Starts it.
    pub fn start() -> Self {
        let (child, port) =
            program::start(Command::new(std::env::current_exe().unwrap()).arg("target"));
        Self { child, port }
    }

    /// From now on every tenth path fails.
    pub async fn fail(&self, client: &reqwest::Client) {
        client.get(format!("http://127.0.0.1:{}/fail", self.port)).send().await.unwrap();
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
        let path = String::from_utf8_lossy(&head[..length]);
        let path = path.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        if path == "fail" {
            failing.store(true, Ordering::Relaxed);
        }
        let is_down = failing.load(Ordering::Relaxed) && path.ends_with('0');
        stream.write_all(if is_down { DOWN } else { OK }).await?;
        length = 0;
    }
}
