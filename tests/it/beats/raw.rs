//! What a library would not send: bytes on a socket. None of it makes an error of ours, and no signal is lost.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Job;
use crate::support::app::spawn_app;
use crate::support::{CAP, eventually};

/// Sends bytes and gives all that comes until the far end closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The far end may close before all is sent; what it answered is what counts.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(CAP, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of answers that came one after the other.
fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

const CLOSE: &str = "Host: watchbell\r\nConnection: close\r\n";

#[tokio::test]
async fn bodies_come_in_any_framing() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let head = format!("POST /ping/{}/log HTTP/1.1\r\n{CLOSE}", job.uuid);
    let kept = async || {
        let n = job.last_ping().await.n;
        String::from_utf8(app.bytes(&format!("/monitors/{}/pings/{n}/body", job.id)).await).unwrap()
    };
    let chunked =
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n";
    let answer = exchange(app.address(), format!("{head}{chunked}").as_bytes()).await;
    assert_eq!((statuses(&answer), kept().await.as_str()), (vec!["200"], "abcdefg"));
    // One byte at a time.
    let request = format!("{head}Content-Length: 3\r\n\r\nxyz");
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    for byte in request.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!((statuses(&answer), kept().await.as_str()), (vec!["200"], "xyz"));
    // curl asks before it sends a big body.
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let asks = format!("{head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    stream.write_all(asks.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!((statuses(&answer), kept().await.as_str()), (vec!["200"], "hello"));
    // Or does not wait for the answer.
    let at_once = format!("{asks}hasty");
    let answer = exchange(app.address(), at_once.as_bytes()).await;
    assert_eq!((statuses(&answer), kept().await.as_str()), (vec!["100", "200"], "hasty"));
    app.stop().await;
}

/// Who goes on sending is answered, and cut off a few seconds later: at once would take the answer away from slow readers.
#[tokio::test]
async fn more_than_ten_megabytes_are_recorded_answered_and_cut_off() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let endless = async |framing: &str| {
        let head = format!("POST /ping/{} HTTP/1.1\r\nHost: watchbell\r\n{framing}", job.uuid);
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..101 {
            stream.write_all(&[b'x'; 100_000]).await.unwrap();
        }
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK", "{framing}");
        eventually(CAP, || {
            let sent = stream.try_write(b"more");
            async move { sent.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock).then_some(()) }
        })
        .await;
    };
    endless("Content-Length: 4000000000000\r\n\r\n").await;
    endless("Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n").await;
    let pings = job.pings().await;
    assert_eq!(pings.len(), 2);
    for ping in pings {
        assert!((10_000_001..=10_100_000).contains(&ping.body_bytes), "{}", ping.body_bytes);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_at_once_was_heard() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let mut sent = 0;
    for request in [
        format!("GET /ping/{} HTTP/1.1\r\nHost: watchbell\r\n\r\n", job.uuid),
        format!("HEAD /ping/{} HTTP/1.0\r\n\r\n", job.uuid),
        format!("POST /ping/{} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", job.uuid),
        // The body breaks off.
        format!("POST /ping/{} HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nhalf", job.uuid),
        format!(
            "POST /ping/{} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
            job.uuid
        ),
    ] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(app.address()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            drop(stream);
            sent += 1;
        }
        eventually(CAP, || async {
            (app.watched(job.id).await.state.beat.pings == sent).then_some(())
        })
        .await;
    }
    app.stop().await;
}

#[tokio::test]
async fn odd_request_lines_are_read_or_refused() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let uuid = &job.uuid;
    for (line, status) in [
        (format!("GET http://watchbell.example/ping/{uuid}?rid=x HTTP/1.1"), "200"),
        (format!("GET https://[::1]:8443/api/push/{uuid}?status=up HTTP/1.1"), "200"),
        (format!("GET /ping/{uuid}? HTTP/1.1"), "200"),
        (format!("GET /ping/{uuid}?&&==&rid&=%&%zz&[]{{}}|^`<>\"' HTTP/1.1"), ""),
        // RFC 9112 has no such bytes in a request line, and the parser below us refuses them.
        (format!("GET /api/push/{uuid}?status=up&msg=größe&ping= HTTP/1.1"), "400"),
        (format!("GET /ping/{uuid}?x=%00%0d%0a HTTP/1.1"), "200"),
        (format!("GET /ping/%{:x}{} HTTP/1.1", uuid.as_bytes()[0], &uuid[1..]), "200"),
        (format!("GET /ping/{uuid}%2Ffail HTTP/1.1"), "4"),
        (format!("GET //ping/{uuid} HTTP/1.1"), "4"),
        (format!("GET /ping/{uuid}\0 HTTP/1.1"), "400"),
        (format!("GET /ping/{uuid}?a=\0 HTTP/1.1"), "400"),
        (format!("GET /ping/{uuid}%00 HTTP/1.1"), "404"),
        (format!("GET /ping/{uuid}?{} HTTP/1.1", "q".repeat(60_000)), "200"),
        (format!("GET /ping/{uuid}?{} HTTP/1.1", "q".repeat(70_000)), "4"),
        (format!("G\0T /ping/{uuid} HTTP/1.1"), "400"),
        (format!("GET /ping/{uuid} HTTP/9.9"), "4"),
        ("GET * HTTP/1.1".to_owned(), "4"),
        ("OPTIONS * HTTP/1.1".to_owned(), ""),
        ("\u{16}\u{3}\u{1} no HTTP at all".to_owned(), "400"),
    ] {
        let shown: String = line.chars().take(120).collect();
        let before = app.watched(job.id).await.state.beat.pings;
        let answer = exchange(app.address(), format!("{line}\r\n{CLOSE}\r\n").as_bytes()).await;
        let found = statuses(&answer).first().copied().unwrap_or("none").to_owned();
        assert!(found.starts_with(status) && !found.starts_with('5'), "{shown:?}: {found}");
        let counted = app.watched(job.id).await.state.beat.pings - before;
        assert_eq!(counted == 1, found == "200", "{shown:?}");
    }
    app.stop().await;
}

#[tokio::test]
async fn odd_headers_lose_no_signal() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let head = format!("GET /ping/{} HTTP/1.1\r\n{CLOSE}", job.uuid);
    for (headers, status) in [
        (b"X: \xff\xfe\x80\r\n".to_vec(), "200"),
        (b"User-Agent: \xff\r\nCookie: ;;=;\r\nAuthorization: Bearer x\r\n".to_vec(), "200"),
        (b"X-Forwarded-For: ,,\xff, 1.2.3.4\r\nForwarded: for=\"\r\n".to_vec(), "200"),
        (b"Accept-Encoding: *;q=nan\r\nRange: bytes=9-1\r\nIf-None-Match: *\r\n".to_vec(), "200"),
        (b"Content-Type: \x01\r\n".to_vec(), "4"),
        (b"X: a\0b\r\n".to_vec(), "400"),
        (format!("X: {}\r\n", "h".repeat(100_000)).into_bytes(), "200"),
        (format!("X: {}\r\n", "h".repeat(1_000_000)).into_bytes(), "4"),
        ((0..90).map(|n| format!("X-{n}: v\r\n")).collect::<String>().into_bytes(), "200"),
        ((0..5000).map(|n| format!("X-{n}: v\r\n")).collect::<String>().into_bytes(), "4"),
        (b"Content-Length: -1\r\n".to_vec(), "400"),
        (b"Content-Length: 99999999999999999999999\r\n".to_vec(), "400"),
        (b"Transfer-Encoding: nonsense\r\n".to_vec(), "4"),
        (b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n".to_vec(), "200"),
    ] {
        let request = [head.as_bytes(), &headers, b"\r\n"].concat();
        let before = app.watched(job.id).await.state.beat.pings;
        let answer = exchange(app.address(), &request).await;
        let shown = String::from_utf8_lossy(&headers[..headers.len().min(60)]).into_owned();
        let found = statuses(&answer).first().copied().unwrap_or("none").to_owned();
        assert!(found.starts_with(status), "{shown:?}: {found}");
        let counted = app.watched(job.id).await.state.beat.pings - before;
        assert_eq!(counted == 1, found == "200", "{shown:?}");
    }
    app.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    let mut requests = String::new();
    for n in 0..50 {
        let suffix = if n == 25 { "/nonsense".to_owned() } else { format!("/{}", n % 3) };
        requests += &format!("GET /ping/{}{suffix} HTTP/1.1\r\nHost: a\r\n\r\n", job.uuid);
        requests += &format!(
            "POST /ping/{}/log HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{n:02}",
            job.uuid
        );
    }
    requests += &format!("GET /ping/{} HTTP/1.1\r\n{CLOSE}\r\n", job.uuid);
    let answers = exchange(app.address(), requests.as_bytes()).await;
    let mut expected = vec!["200"; 101];
    expected[50] = "404";
    assert_eq!(statuses(&answers), expected);
    let pings = job.pings().await;
    assert_eq!(pings.len(), 100);
    let statuses: Vec<_> = pings.iter().filter_map(|ping| ping.exit_status).collect();
    assert_eq!(statuses, (0..50).filter(|n| *n != 25).map(|n| n % 3).collect::<Vec<i64>>());
    app.stop().await;
}
