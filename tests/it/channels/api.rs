//! Every kind by the API: made, read back without its secrets, changed, and tested for real.

use serde_json::json;
use watchbell::notify::ChannelType;

use super::settings;
use crate::support::api::{Api, answering};

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_made_keeps_its_secrets_and_sends_a_test() {
    let api = Api::start().await;
    let url = answering(200, "ok");
    for (kind, fields) in settings(&url) {
        let answer = api.send(&api.editor, "POST", "/api/v1/channels", Some(fields)).await;
        assert!(!answer.text.contains("s3cret"), "{}", answer.text);
        let made = answer.data(201);
        assert_eq!(made["type"], json!(kind));
        for field in kind.about().fields {
            let is_masked = made[field.name] == "***" || made[field.name].is_null();
            assert!(!field.secret || is_masked, "{kind}: {made}");
        }
        let path = format!("/api/v1/channels/{}", made["id"]);
        let mut sent_back: serde_json::Map<_, _> = made.as_object().unwrap().clone();
        for read_only in ["id", "last_delivery_at", "last_error"] {
            sent_back.remove(read_only);
        }
        let changed = api.admin("PATCH", &path, Some(sent_back.into())).await.data(200);
        assert_eq!(changed, made, "{kind}");
        let tested = api.admin("POST", &format!("{path}/test"), None).await.data(200);
        assert_eq!(tested["ok"], true, "{kind}: {tested}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_every_kind_is_in_the_document() {
    let api = Api::start().await;
    let document = api.admin("GET", "/api/v1/openapi.json", None).await.json();
    let described = &document["components"]["schemas"]["ChannelFields"]["properties"];
    for kind in ChannelType::ALL {
        for field in kind.about().fields {
            let about = described[field.name]["description"].as_str().unwrap_or_default();
            assert!(about.contains(kind.as_str()), "{kind} {}: {about}", field.name);
        }
    }
}
