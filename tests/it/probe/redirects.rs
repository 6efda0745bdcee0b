//! Redirects over real sockets. The table of rules is tested beside them, in `probe/redirect.rs`.

use std::sync::{Arc, Mutex};

use super::*;

/// What a target heard.
type Heard = Arc<Mutex<Vec<String>>>;

/// A target that redirects `/from` to `to`, and answers everything else with 200. Keeps the requests.
async fn redirecting(status: u16, to: String) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    let address = target(move |mut stream| {
        let (kept, to) = (Arc::clone(&kept), to.clone());
        async move {
            let head = request(&mut stream).await;
            let answer = if head.contains(" /from") {
                format!("HTTP/1.1 {status} Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
            } else {
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()
            };
            kept.lock().expect("not poisoned").push(head);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    (address, heard)
}

fn take(heard: &Heard) -> Vec<String> {
    std::mem::take(&mut *heard.lock().expect("not poisoned"))
}

#[tokio::test]
async fn a_redirect_is_followed_unless_told_not_to() {
    let (address, heard) = redirecting(302, "/to?a=b".to_owned()).await;
    let url = format!("http://{address}/from");
    let followed = check(&url, json!({"keyword": "ok"})).await;
    assert_eq!((followed.verdict, followed.status_code), (Verdict::Up, Some(200)));
    let requests = take(&heard);
    assert_eq!(requests.len(), 2);
    assert!(requests[1].starts_with("GET /to?a=b HTTP/1.1\r\n"), "{requests:?}");
    let kept = check(&url, json!({"follow_redirects": false})).await;
    assert_eq!(down(&kept), (ErrorKind::Status, "status 302"));
    assert_eq!(take(&heard).len(), 1);
}

#[tokio::test]
async fn a_loop_ends_after_ten_hops() {
    let (address, heard) = redirecting(301, "/from?token=s3cret".to_owned()).await;
    let result = check(&format!("http://{address}/from"), json!({})).await;
    assert_eq!(down(&result), (ErrorKind::TooManyRedirects, "too many redirects"));
    let kept = result.answer.as_ref().unwrap();
    assert!(kept.head.starts_with("HTTP/1.1 301 Moved Permanently"), "{kept:?}");
    assert!(kept.head.ends_with("location: /from?***") && kept.is_broken, "{kept:?}");
    assert_eq!(result.status_code, None);
    assert_eq!(take(&heard).len(), 11);
}

#[tokio::test]
async fn every_hop_passes_the_egress_rules() {
    for (to, text) in [
        ("http://169.254.169.254/", "address 169.254.169.254 is not allowed by the egress rules"),
        ("http://0xa9fea9fe/", "address 169.254.169.254 is not allowed by the egress rules"),
        ("//[fe80::1]/", "address fe80::1 is not allowed by the egress rules"),
        ("file:///etc/passwd", "a redirect to file: is not allowed"),
        ("gopher://a.example/", "a redirect to gopher: is not allowed"),
    ] {
        let (address, _) = redirecting(307, to.to_owned()).await;
        let result = check(&format!("http://{address}/from"), json!({})).await;
        assert_eq!(down(&result), (ErrorKind::Blocked, text), "{to}");
    }
}

#[tokio::test]
async fn an_unreadable_location_is_an_invalid_response_and_none_is_an_answer() {
    let (address, _) = redirecting(302, "http://".to_owned()).await;
    let result = check(&format!("http://{address}/from"), json!({})).await;
    assert_eq!(down(&result).0, ErrorKind::InvalidResponse);
    let address = answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(down(&check_at(address).await), (ErrorKind::Status, "status 302"));
}

#[tokio::test]
async fn secrets_do_not_reach_another_host() {
    let (other, heard) = redirecting(302, String::new()).await;
    let (address, own) = redirecting(302, format!("http://localhost:{}/to", other.port())).await;
    let url = format!("http://user:pass@{address}/from");
    let extra = json!({"headers": {"X-Api-Key": "k3y", "Cookie": "c00kie", "X-Plain": "plain"}});
    assert_eq!(check(&url, extra).await.verdict, Verdict::Up);
    let first = take(&own).concat().to_lowercase();
    for secret in ["k3y", "c00kie", "authorization: basic dxnlcjpwyxnz", "x-plain: plain"] {
        assert!(first.contains(secret), "{secret}: {first}");
    }
    let second = take(&heard).concat().to_lowercase();
    assert!(second.contains("x-plain: plain"), "{second}");
    for secret in ["k3y", "c00kie", "authorization", "referer"] {
        assert!(!second.contains(secret), "{secret}: {second}");
    }
}

#[tokio::test]
async fn a_post_becomes_a_get_or_stays_one() {
    for (status, line, body) in [(303, "GET /to", false), (307, "POST /to", true)] {
        let (address, heard) = redirecting(status, "/to".to_owned()).await;
        let extra = json!({"method": "POST", "body": "{\"a\":1}"});
        let result = check(&format!("http://{address}/from"), extra).await;
        assert_eq!(result.verdict, Verdict::Up, "{result:?}");
        let requests = take(&heard);
        assert!(requests[0].contains("content-type: application/json"), "{requests:?}");
        assert!(requests[1].starts_with(line), "{requests:?}");
        assert_eq!(requests[1].contains("content-length: 7"), body, "{requests:?}");
    }
}
