//! Targets that break the rules: each gives its own kind, within its timeout, in bounded memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// A target that sends `head` and then `piece` for ever, with `pause` between.
async fn endless(head: String, piece: Vec<u8>, pause: Duration) -> SocketAddr {
    let data = Arc::new((head, piece));
    target(move |mut stream| {
        let data = Arc::clone(&data);
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(data.0.as_bytes()).await;
            while stream.write_all(&data.1).await.is_ok() {
                sleep(pause).await;
            }
        }
    })
    .await
}

fn reset(stream: TcpStream) {
    let socket = stream.into_std().expect("a socket");
    let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

async fn times_out(address: SocketAddr) -> CheckResult {
    let result = check(&format!("http://{address}/"), json!({"timeout_seconds": 1})).await;
    assert_eq!(down(&result), (ErrorKind::Timeout, "timeout after 1s"));
    assert!(result.phases.total >= Some(1000), "{result:?}");
    assert!(result.phases.connect.is_some(), "{result:?}");
    result
}

#[tokio::test]
async fn a_hang_is_a_timeout_and_leaves_no_connection() {
    let (ended, mut ends) = mpsc::channel(1);
    let address = target(move |mut stream| {
        let ended = ended.clone();
        async move {
            request(&mut stream).await;
            let rest = stream.read(&mut [0; 16]).await;
            let _ = ended.send(rest.map_or(0, |n| n)).await;
        }
    })
    .await;
    let result = times_out(address).await;
    assert_eq!((result.phases.first_byte, result.status_code), (None, None));
    let end = tokio::time::timeout(Duration::from_secs(30), ends.recv()).await;
    assert_eq!(end, Ok(Some(0)), "the target sees the connection end");
}

#[tokio::test]
async fn slow_headers_are_a_timeout() {
    let result =
        times_out(endless(OK.into(), b"X: y\r\n".into(), Duration::from_millis(50)).await).await;
    assert_eq!(result.status_code, None);
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_a_timeout() {
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec();
    times_out(endless(String::new(), early, Duration::from_millis(1)).await).await;
}

#[tokio::test]
async fn a_slow_body_is_a_timeout_with_its_status() {
    let head = format!("{OK}Content-Length: 100000\r\n\r\n");
    let result = times_out(endless(head, b"x".into(), Duration::from_millis(50)).await).await;
    assert_eq!(result.status_code, Some(200));
    assert!(result.phases.first_byte.is_some());
}

#[tokio::test]
async fn a_wrong_status_is_told_though_its_body_hangs() {
    let head = "HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n".to_owned();
    let address = endless(head, Vec::new(), Duration::from_secs(60)).await;
    let result = check(&format!("http://{address}/"), json!({"timeout_seconds": 1})).await;
    assert_eq!(down(&result), (ErrorKind::Status, "status 503"));
    assert_eq!(result.status_code, Some(503));
}

#[tokio::test]
async fn an_endless_body_is_judged_by_its_first_mebibyte() {
    for head in [format!("{OK}\r\n"), format!("{OK}Content-Length: 99999999999\r\n\r\n")] {
        let address = endless(head, vec![b'x'; 65536], Duration::ZERO).await;
        let url = format!("http://{address}/");
        assert_eq!(check(&url, json!({"keyword": "xxx"})).await.verdict, Verdict::Up);
        let missing = check(&url, json!({"keyword": "yyy"})).await;
        assert_eq!(down(&missing), (ErrorKind::Keyword, "keyword \"yyy\" is missing"));
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_judged_by_its_first_mebibyte() {
    let zeros = vec![0; 1 << 18];
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let mut piece = Vec::with_capacity(1 << 16);
    // A full flush ends on a byte and forgets what was before: the piece can be repeated for ever.
    deflate.compress_vec(&zeros, &mut piece, flate2::FlushCompress::Full).expect("deflate");
    let head = format!("{OK}Content-Encoding: gzip\r\n\r\n").into_bytes();
    let head = [head, vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]].concat();
    let (head, piece) = (Arc::new(head), Arc::new(piece));
    let address = target(move |mut stream| {
        let (head, piece) = (Arc::clone(&head), Arc::clone(&piece));
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(&head).await;
            while stream.write_all(&piece).await.is_ok() {}
        }
    })
    .await;
    let url = format!("http://{address}/");
    let found = check(&url, json!({"keyword": "\u{1}", "timeout_seconds": 60})).await;
    assert_eq!(down(&found).0, ErrorKind::Keyword);
    assert_eq!(found.status_code, Some(200));
}

#[tokio::test]
async fn an_endless_header_is_no_http() {
    for piece in [b"X-Y: z\r\n".repeat(1000), vec![b'a'; 65536]] {
        let address = endless(OK.into(), piece, Duration::ZERO).await;
        let result = check(&format!("http://{address}/"), json!({"timeout_seconds": 30})).await;
        let text = "the header of the answer is too large";
        assert_eq!(down(&result), (ErrorKind::InvalidResponse, text));
    }
}

#[tokio::test]
async fn what_is_not_http_is_an_invalid_response() {
    for (answer, text) in [
        ("SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP"),
        ("\x16\x03\x01\x02\0\x01\0\0", "the answer is not HTTP"),
        ("<html>HTTP/0.9</html>", "the answer is not HTTP"),
        ("HTTP/1.1 abc\r\n\r\n", "the status code of the answer is not valid"),
        ("HTTP/3.7 200 OK\r\n\r\n", "the answer is not HTTP"),
        ("HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", "the header of the answer is not HTTP"),
        ("HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", "the header of the answer is not HTTP"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "the content-length of the answer is not valid",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "the content-length of the answer is not valid",
        ),
    ] {
        let result = check_at(answering(answer).await).await;
        assert_eq!(down(&result), (ErrorKind::InvalidResponse, text), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_decoded_is_an_invalid_response() {
    for answer in [
        "Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n",
        "Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        "Content-Encoding: br\r\nContent-Length: 9\r\n\r\n\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
    ] {
        let result = check_at(answering(format!("{OK}{answer}")).await).await;
        let (kind, text) = down(&result);
        assert_eq!(kind, ErrorKind::InvalidResponse, "{answer:?}: {text}");
        assert!(text.starts_with("the body cannot be read"), "{answer:?}: {text}");
        assert_eq!(result.status_code, Some(200));
        let kept = result.answer.unwrap();
        assert!(kept.head.starts_with("HTTP/1.1 200 OK") && kept.is_broken, "{kept:?}");
    }
}

#[tokio::test]
async fn what_came_of_a_body_that_breaks_off_is_kept() {
    let answer = format!("{OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
    let kept = check_at(answering(answer).await).await.answer.unwrap();
    assert_eq!((kept.body.as_str(), kept.body_bytes, kept.is_cut), ("abc", Some(3), false));
    assert!(kept.is_broken);
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_a_reset() {
    for answer in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ] {
        let result = check_at(answering(answer).await).await;
        let text = "connection closed before the answer was complete";
        assert_eq!(down(&result), (ErrorKind::Reset, text), "{answer:?}");
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_in_every_phase() {
    for phase in 0..4 {
        let address = target(move |mut stream| async move {
            if phase > 0 {
                request(&mut stream).await;
            }
            let answer = ["", "", OK, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"][phase];
            let _ = stream.write_all(answer.as_bytes()).await;
            if phase > 1 {
                // Time for the bytes to be read: a reset throws away what has not been.
                sleep(Duration::from_millis(200)).await;
            }
            reset(stream);
        })
        .await;
        let result = check_at(address).await;
        assert_eq!(down(&result), (ErrorKind::Reset, "connection reset"), "phase {phase}");
        assert_eq!(result.status_code, (phase == 3).then_some(200));
    }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let result = check_at(address).await;
    assert_eq!(down(&result), (ErrorKind::Refused, "connection refused"));
    assert_eq!((result.phases.connect, result.phases.first_byte), (None, None));
    assert!(result.phases.total.is_some());
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_dns_failure() {
    let result = check("http://nowhere.invalid/", json!({"timeout_seconds": 60})).await;
    assert_eq!(down(&result), (ErrorKind::Dns, "could not resolve nowhere.invalid"));
    assert_eq!((result.phases.dns, result.phases.connect), (None, None));
}

#[tokio::test]
async fn addresses_that_the_rules_deny_are_never_contacted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let rules = EgressRules::parse("loopback,unspecified", "").expect("rules");
    let prober = Prober::with_roots(rules, RootCertStore::empty()).expect("set up");
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        let spec = spec(&format!("http://{host}:{port}/"), json!({"timeout_seconds": 60}));
        let result = prober.check_http(&spec, "local", STARTED).await;
        let (kind, text) = down(&result);
        assert_eq!(kind, ErrorKind::Blocked, "{host}: {text}");
        assert!(text.ends_with(" is not allowed by the egress rules"), "{host}: {text}");
    }
    let result = check("http://169.254.169.254/", json!({})).await;
    let text = "address 169.254.169.254 is not allowed by the egress rules";
    assert_eq!(down(&result), (ErrorKind::Blocked, text));
    let contact = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(contact.is_err(), "nothing connected");
}
