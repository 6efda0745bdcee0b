//! Policies and what refers to them, over the API.

use serde_json::{Value, json};

use super::Scene;

#[tokio::test]
async fn channels_or_a_policy_but_not_both() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let policy = scene.policy(&[(0, &[0])], json!({})).await;
    let fields = |more: Value| {
        let mut body = json!({"url": scene.target.url("/")});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for both in [json!([scene.channels[0]]), json!([])] {
        let body = fields(json!({"channel_ids": both, "escalation_policy_id": policy}));
        assert_eq!(
            app.api("POST", "/monitors", body).await.wrong_fields(),
            ["escalation_policy_id"]
        );
    }
    for missing in [json!(999), json!("x"), json!(-1)] {
        let body = fields(json!({"escalation_policy_id": missing}));
        assert_eq!(
            app.api("POST", "/monitors", body).await.wrong_fields(),
            ["escalation_policy_id"]
        );
    }
    let made = app.make("/monitors", fields(json!({"escalation_policy_id": policy}))).await;
    assert_eq!(
        (&made["channel_ids"], &made["escalation_policy_id"]),
        (&Value::Null, &json!(policy))
    );
    let address = format!("/monitors/{}", made["id"]);
    let both = json!({"channel_ids": made["channel_ids"], "escalation_policy_id": policy});
    assert_eq!(app.patch(&address, both).await["escalation_policy_id"], policy, "as it was read");
    // Either takes the place of the other.
    let changed = app.patch(&address, json!({"channel_ids": [scene.channels[1]]})).await;
    assert_eq!(
        (&changed["channel_ids"], &changed["escalation_policy_id"]),
        (&json!([scene.channels[1]]), &Value::Null)
    );
    let changed = app.patch(&address, json!({"escalation_policy_id": policy})).await;
    assert_eq!(
        (&changed["channel_ids"], &changed["escalation_policy_id"]),
        (&Value::Null, &json!(policy))
    );
    let changed = app.patch(&address, json!({"escalation_policy_id": null})).await;
    assert_eq!(
        (&changed["channel_ids"], &changed["escalation_policy_id"]),
        (&json!([]), &Value::Null)
    );
    scene.app.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_used_cannot_be_removed() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let policy = scene.policy(&[(0, &[0])], json!({})).await;
    let id = scene.monitor(policy).await;
    let address = format!("/escalation-policies/{policy}");
    let problem = app.api("DELETE", &address, Value::Null).await.problem(409);
    assert!(
        problem["detail"].as_str().unwrap().contains(&format!("127.0.0.1 (#{id})")),
        "{problem}"
    );
    app.patch(&format!("/monitors/{id}"), json!({"channel_ids": []})).await;
    app.delete(&address).await;
    app.api("GET", &address, Value::Null).await.problem(404);
    scene.app.stop().await;
}

#[tokio::test]
async fn a_policy_whose_step_lost_its_channels_can_be_sent_back_as_it_was_read() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    scene.app.delete(&format!("/channels/{}", scene.channels[0])).await;
    let address = format!("/escalation-policies/{policy}");
    let mut shown = scene.app.get(&address).await;
    assert_eq!(shown["steps"][0]["channel_ids"], json!([]));
    shown["name"] = json!("Second");
    assert_eq!(scene.app.patch(&address, shown.clone()).await, shown);
    let changed = json!({"steps": [{"after_minutes": 0, "channel_ids": []}]});
    scene.app.api("PATCH", &address, changed).await.problem(422);
    scene.app.stop().await;
}
