//! The link in a message that acknowledges without signing in.

use serde_json::json;

use super::Scene;
use crate::support::stub::Stub;

/// The link in the alert that a Slack channel got.
async fn link_in_slack(slack: &Stub) -> String {
    let alert = slack.wait_for(1).await.remove(0).json();
    let words = alert["blocks"][1]["elements"][1]["text"].as_str().unwrap().to_owned();
    let url = words.strip_prefix('<').unwrap().strip_suffix("|Acknowledge>").unwrap();
    assert!(!alert["text"].as_str().unwrap().contains("cknowledge"), "the text is the contract's");
    url[url.find("/acknowledge/").unwrap()..].to_owned()
}

#[tokio::test]
async fn the_link_in_a_message_asks_and_acknowledges_without_signing_in() {
    let scene = Scene::new().await;
    let (app, slack) = (&scene.app, Stub::start().await);
    let body = json!({"type": "slack", "name": "#ops", "url": slack.url("/services/x")});
    let channel = app.make("/channels", body).await["id"].as_i64().unwrap();
    let steps =
        json!([{"channel_ids": [channel]}, {"after_minutes": 5, "channel_ids": scene.channels}]);
    let policy = app.make("/escalation-policies", json!({"name": "p", "steps": steps})).await;
    let (_, incident) = scene.outage(policy["id"].as_i64().unwrap()).await;
    let link = link_in_slack(&slack).await;
    let ask = async |method: &str, link: &str| {
        let answer = app.request(method, link).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for _ in 0..2 {
        // As previews and scanners do.
        ask("HEAD", &link).await;
        let (status, page) = ask("GET", &link).await;
        assert_eq!(status, 200);
        assert!(
            page.contains("Nobody has acknowledged yet") && page.contains("link in #ops"),
            "{page}"
        );
    }
    assert_eq!(app.get(&format!("/incidents/{incident}")).await["state"], "open");
    for forged in [
        link.replacen(&format!("/{incident}."), "/999.", 1),
        format!("{link}x"),
        "/acknowledge/x".to_owned(),
    ] {
        for method in ["GET", "POST"] {
            let (status, page) = ask(method, &forged).await;
            assert_eq!(status, 403, "{forged}");
            assert!(page.contains("This link is not valid"), "{page}");
        }
    }
    let elsewhere =
        app.request("POST", &link).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(elsewhere.status(), 403, "no other site can press the button");
    assert_eq!(app.get(&format!("/incidents/{incident}")).await["state"], "open");
    let (status, page) = ask("POST", &link).await;
    assert_eq!(status, 200);
    assert!(page.contains("Acknowledged by link in #ops") && !page.contains("<form"), "{page}");
    let taken = app.get(&format!("/incidents/{incident}")).await;
    assert_eq!(
        (&taken["state"], &taken["acknowledged_by"]),
        (&json!("acknowledged"), &json!("link in #ops"))
    );
    scene.settled().await;
    let before = scene.timeline(incident).await;
    ask("POST", &link).await;
    scene.settled().await;
    assert_eq!(scene.timeline(incident).await, before, "the second press changes nothing");
    scene.minutes(6).await;
    scene.got([&[], &[], &[]]).await;
    assert_eq!(slack.count(), 2, "down, acknowledged");
    app.advance(8 * 86_400);
    let (status, page) = ask("POST", &link).await;
    assert_eq!(status, 410);
    assert!(page.contains("This link has run out"), "{page}");
    scene.settled().await;
    scene.app.stop().await;
}
