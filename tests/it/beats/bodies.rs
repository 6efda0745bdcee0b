//! Bodies: any bytes, kept in part, never refused.

use serde_json::json;
use watchbell::monitor::heartbeat::SignalKind;

use super::Job;
use crate::support::app::spawn_app;

/// Bytes of all kinds, NUL and no text among them.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 % 256) as u8).collect()
}

#[tokio::test]
async fn the_first_ten_thousand_bytes_are_kept_as_they_came() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    for (n, length) in
        [1, 255, 9_999, 10_000, 10_001, 3_000_000, 10_000_000].into_iter().enumerate()
    {
        let body = bytes(length);
        let request = app.request("POST", &format!("/ping/{}/log", job.uuid));
        let answer = request.body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{length}");
        let ping = job.last_ping().await;
        assert_eq!((ping.n, ping.body_bytes), (n as i64 + 1, length as i64));
        let kept = app.bytes(&format!("/monitors/{}/pings/{}/body", job.id, ping.n)).await;
        assert!(kept == body[..length.min(10_000)], "{length}");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_method_and_any_content_type_may_bring_one() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    for method in ["GET", "HEAD", "POST"] {
        for kind in
            ["application/json", "multipart/form-data", "text/plain; charset=utf-16", "non sense"]
        {
            let request = app.request(method, &format!("/api/heartbeats/{}/ping", job.uuid));
            let request = request.header("content-type", kind).body("\0{not json");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{method} {kind}");
            let ping = job.last_ping().await;
            assert_eq!((ping.method.as_str(), ping.body_bytes), (method, 10), "{method} {kind}");
        }
    }
    job.signal("").await;
    let ping = job.last_ping().await;
    assert_eq!((ping.kind, ping.body_bytes), (SignalKind::Success, 0));
    let path = format!("/monitors/{}/pings/{}/body", job.id, ping.n);
    let none = app.api("GET", &path, json!(null)).await;
    assert!(none.status == 404 || none.text.is_empty(), "{}", none.status);
    app.stop().await;
}
