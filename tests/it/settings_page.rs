//! The settings page: what can be set there takes effect at once, what a variable gives wins; users, for admins only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;
use watchbell::account::Role;
use watchbell::store::settings;

use crate::support::api::{Api, answering};
use crate::support::person::{PASSWORD, Person};
use crate::support::smtp::Sink;
use crate::support::{CAP, eventually};

async fn admin(api: &Api) -> Person {
    Person::made(api, "admin@example.com", Role::Admin).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_set_without_a_restart_sealed_and_tested() {
    let api = Api::start().await;
    let admin = admin(&api).await;
    let sink = Sink::start().await;
    let channel = json!({"type": "email", "to": ["ops@example.com"]});
    let refused = api.admin("POST", "/api/v1/channels", Some(channel.clone())).await;
    assert!(refused.problem(422)["errors"]["type"].as_str().unwrap().contains("Settings, Mail"));
    let none = admin.post("/settings/mail/test", &[("to", "a@example.com")]).await;
    assert!(none.text.contains("no mail server is set"), "{}", none.text);

    let url = sink.url().replace("smtp://", "smtp://bell:S3CRET@");
    let wrong = admin.post("/settings/mail", &[("smtp_url", "http://x"), ("smtp_from", "")]).await;
    assert!(
        wrong.status == 422 && wrong.text.contains("The mail server must start with smtp://"),
        "{}",
        wrong.text
    );
    let plain = sink.url();
    let from = "Watchbell <bell@example.com>";
    let set = admin.post("/settings/mail", &[("smtp_url", &plain), ("smtp_from", from)]).await;
    assert!(set.text.contains("Saved.") && set.text.contains("bell@example.com"), "{}", set.text);
    assert_eq!(api.admin("POST", "/api/v1/channels", Some(channel)).await.status, 201, "at once");
    let tested = admin.post("/settings/mail/test", &[("to", "ann@example.com")]).await;
    assert!(tested.text.contains("The mail server took the mail"), "{}", tested.text);
    let mails = sink.wait_for(1).await;
    assert_eq!(mails[0].to, ["ann@example.com"]);

    admin.post("/settings/mail", &[("smtp_url", &url), ("smtp_from", from)]).await;
    let page = admin.get("/settings/mail").await.text;
    assert!(page.contains("bell:***@") && !page.contains("S3CRET"), "{page}");
    let stored = settings::get(&mut api.db.read().await.unwrap().conn(), "sealed_smtp_url").await;
    assert!(!stored.unwrap().unwrap().contains("S3CRET"));
    let masked = url.replace("S3CRET", "***");
    let moved = masked.replace("127.0.0.1", "127.0.0.2");
    let page = admin.post("/settings/mail", &[("smtp_url", &moved), ("smtp_from", from)]).await;
    assert!(page.status == 422 && page.text.contains("give the password anew"), "{}", page.text);
    let kept = admin.post("/settings/mail", &[("smtp_url", &masked), ("smtp_from", from)]).await;
    assert!(kept.text.contains("Saved."), "{}", kept.text);
    let gone = admin.post("/settings/mail", &[("smtp_url", ""), ("smtp_from", "")]).await;
    assert!(gone.text.contains("Not set: email channels cannot be made"), "{}", gone.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_variable_gives_is_read_only() {
    let api = Api::start_with(|config| {
        config.smtp_url = Some("smtp://bell:S3CRET@127.0.0.1:25".to_owned());
        config.smtp_from = Some("bell@example.com".to_owned());
        config.retention_days = Some(30);
        config.canaries = Some("192.0.2.1".to_owned());
    })
    .await;
    let admin = admin(&api).await;
    for (path, variables) in [
        ("/settings/mail", &["WATCHBELL_SMTP_URL", "WATCHBELL_SMTP_FROM"][..]),
        (
            "/settings/server",
            &["WATCHBELL_BASE_URL", "WATCHBELL_RETENTION_DAYS", "WATCHBELL_CANARIES"],
        ),
    ] {
        let page = admin.get(path).await.text;
        for variable in variables {
            assert!(
                page.contains(&format!("Given by <code>{variable}</code>")),
                "{variable}: {page}"
            );
        }
        assert_eq!(page.matches("readonly").count(), variables.len(), "{page}");
        assert!(!page.contains("S3CRET"));
    }
    let all =
        [("base_url", "https://other.example"), ("retention_days", "1"), ("canaries", "gateway")];
    admin.post("/settings/server", &all).await;
    admin
        .post(
            "/settings/mail",
            &[("smtp_url", "smtp://other.example"), ("smtp_from", "x@y.example")],
        )
        .await;
    let page = admin.get("/settings/server").await.text;
    for value in ["value=\"http://watch.example.com\"", "value=\"30\"", "value=\"192.0.2.1\""] {
        assert!(page.contains(value), "{value}: {page}");
    }
    assert!(admin.get("/settings/mail").await.text.contains("bell:***@127.0.0.1:25"));
}

#[tokio::test(flavor = "multi_thread")]
async fn address_retention_and_canaries_are_set_without_a_restart() {
    let api = Api::start_with(|config| config.base_url = None).await;
    let admin = admin(&api).await;
    let set = async |base_url: &str, days: &str, canaries: &str| {
        let fields = [("base_url", base_url), ("retention_days", days), ("canaries", canaries)];
        admin.post("/settings/server", &fields).await
    };
    let wrong = set("https://example.com/bell", "0", "gateway,nonsense").await;
    assert_eq!(wrong.status, 422);
    for words in [
        "The address must have no path, and has /bell",
        "The number of days must be a whole number",
        "must be resolver, gateway",
        "3 fields need a fix",
    ] {
        assert!(wrong.text.contains(words), "{words}: {}", wrong.text);
    }
    let made = json!({"type": "heartbeat", "name": "Job", "period_seconds": 60});
    let ping_url = async || {
        let list = api.admin("GET", "/api/v1/heartbeats", None).await.data(200);
        list[0]["ping_url"].as_str().unwrap_or_default().to_owned()
    };
    api.monitor(made).await;
    assert!(ping_url().await.starts_with(&api.base));
    let done = set("https://watch.example.com/", "3", "192.0.2.1, gateway").await;
    assert!(done.text.contains("Saved."), "{}", done.text);
    assert!(ping_url().await.starts_with("https://watch.example.com/api/heartbeats/"));
    let page = admin.get("/settings/server").await.text;
    assert!(
        page.contains("value=\"3\"") && page.contains("value=\"192.0.2.1, gateway\""),
        "{page}"
    );
    set("", "", "").await;
    assert!(ping_url().await.starts_with(&api.base), "empty is the default");
    let page = admin.get("/settings/server").await.text;
    assert!(page.contains("value=\"7\"") && page.contains("value=\"resolver,gateway\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_days_remove_what_is_older_at_once() {
    let api = Api::start().await;
    let admin = admin(&api).await;
    let url = answering(200, "ok");
    let id = api.monitor(json!({"url": url, "check_interval_seconds": 86_400})).await;
    let path = format!("/api/v1/monitors/{id}/results");
    let oldest = async || {
        let list = api.admin("GET", &path, None).await.data(200);
        list.as_array().unwrap().last().map(|result| result["started_at"].clone())
    };
    let first = eventually(CAP, || async { oldest().await }).await;
    api.clock.advance_ms(5 * 86_400_000);
    assert_eq!(oldest().await.as_ref(), Some(&first), "kept for seven days");
    admin.post("/settings/server", &[("retention_days", "3")]).await;
    let is_gone = || async { (oldest().await.as_ref() != Some(&first)).then_some(()) };
    eventually(CAP, is_gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_added_changed_and_removed_but_never_the_last_admin() {
    let api = Api::start().await;
    let admin = admin(&api).await;
    let add = async |email: &str, password: &str, role: &str| {
        let fields = [("email", email), ("password", password), ("role", role)];
        admin.post("/settings/users", &fields).await
    };
    let wrong = add("nonsense", "short", "editor").await;
    assert!(
        wrong.status == 422 && wrong.text.contains("The address is not an e-mail address"),
        "{}",
        wrong.text
    );
    assert!(wrong.text.contains("at least 8 characters") && !wrong.text.contains("short\""));
    let added = add("ann@example.com", PASSWORD, "editor").await;
    assert!(added.text.contains("The user was added.") && added.text.contains("ann@example.com"));
    let ann = Person::nobody(&api);
    ann.sign_in("ann@example.com", PASSWORD).await;
    assert!(ann.is_in().await);
    let id = api.admin("GET", "/api/v1/users", None).await.data(200);
    let id = id.as_array().unwrap().iter().find(|u| u["email"] == "ann@example.com").unwrap()["id"]
        .to_string();
    let at = |what: &str| format!("/settings/users/{id}/{what}");
    for (path, fields) in [
        (at("role"), &[("role", "viewer")][..]),
        (at("second-factor/remove"), &[]),
        (at("password"), &[("password", "a new password")]),
    ] {
        assert_eq!(ann.post(&path, fields).await.status, 403, "{path}: an editor may not");
        assert_eq!(admin.post(&path, fields).await.status, 200, "{path}");
    }
    assert!(!ann.is_in().await, "another password ends all sessions");
    ann.sign_in("ann@example.com", "a new password").await;
    assert_eq!(ann.get("/settings/users").await.status, 403);
    let own = format!("/settings/users/{}", admin.id);
    for (what, fields) in [("role", &[("role", "viewer")][..]), ("remove", &[])] {
        let refused = admin.post(&format!("{own}/{what}"), fields).await;
        assert!(
            refused.status == 409 && refused.text.contains("This is the last admin"),
            "{}",
            refused.text
        );
    }
    let gone = admin.post(&at("remove"), &[]).await;
    assert!(gone.text.contains("The user was removed"), "{}", gone.text);
    assert!(!ann.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_for_admins_and_the_profile_for_everybody() {
    let api = Api::start().await;
    for (role, status) in [(Role::Viewer, 403), (Role::Editor, 403), (Role::Admin, 200)] {
        let person = Person::made(&api, &format!("{role}@example.com"), role).await;
        for path in ["/settings/mail", "/settings/server", "/settings/users", "/settings/tokens"] {
            assert_eq!(person.get(path).await.status, status, "{role} {path}");
        }
        for path in ["/settings/mail", "/settings/mail/test", "/settings/server", "/settings/users"]
        {
            let posted = person.post(path, &[("to", "x")]).await.status;
            assert_eq!(posted == 403, status == 403, "{role} {path}: {posted}");
        }
        assert_eq!(person.get("/settings/profile").await.status, 200, "{role}");
        assert_eq!(person.get("/settings").await.status, 200, "{role}");
    }
    let by_token = api.request("GET", "/settings/profile").bearer_auth(&api.admin);
    assert_eq!(Api::answer(by_token).await.status, 403, "a program has no profile");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_theme_are_chosen_for_a_browser() {
    let api = Api::start().await;
    let ann = Person::made(&api, "ann@example.com", Role::Viewer).await;
    assert!(!ann.get("/monitors").await.text.contains("data-keys"));
    ann.post("/settings/profile/taste", &[("theme", "dark")]).await;
    let page = ann.get("/monitors").await.text;
    assert!(page.contains("data-keys=\"off\"") && page.contains("data-theme=\"dark\""));
    ann.post("/settings/profile/taste", &[("theme", "auto"), ("keys", "on")]).await;
    assert!(!ann.get("/monitors").await.text.contains("data-keys"));
}

/// Every address of a page that changes something, asked from another site with a good cookie.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_from_another_site() {
    let api = Api::start().await;
    let admin = admin(&api).await;
    let id = api.monitor(json!({})).await;
    let monitor = |what: &str| format!("/monitors/{id}{what}");
    let mut paths: Vec<String> =
        ["", "/check", "/pause", "/resume", "/delete", "/rotate"].map(monitor).into();
    for path in [
        "/setup",
        "/login",
        "/login/code",
        "/logout",
        "/theme",
        "/monitors",
        "/monitors/many",
        "/channels/new/webhook",
        "/channels/1",
        "/channels/1/test",
        "/channels/1/delete",
        "/deliveries/1/retry",
        "/incidents/1/acknowledge",
        "/incidents/1/comments",
        "/maintenance",
        "/maintenance/1",
        "/maintenance/1/end",
        "/maintenance/1/extend",
        "/maintenance/1/delete",
        "/settings/tokens",
        "/settings/tokens/1/revoke",
        "/settings/mail",
        "/settings/mail/test",
        "/settings/server",
        "/settings/users",
        "/settings/users/1/role",
        "/settings/users/1/password",
        "/settings/users/1/second-factor/remove",
        "/settings/users/1/remove",
        "/settings/profile/email",
        "/settings/profile/password",
        "/settings/profile/taste",
        "/settings/profile/second-factor",
        "/settings/profile/second-factor/confirm",
        "/settings/profile/second-factor/cancel",
        "/settings/profile/second-factor/remove",
        "/settings/profile/sessions/end-others",
        "/settings/profile/sessions/0000000000000000/end",
        "/api/v1/monitors",
        "/api/v1/users",
    ] {
        paths.push(path.to_owned());
    }
    for path in paths {
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]
        {
            let request = admin.request("POST", &path).header(name, value);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = Api::answer(request.body("url=x&email=a&password=b")).await;
            assert_eq!(answer.status, 403, "{path} with {name}: {}", answer.text);
        }
    }
    assert!(admin.is_in().await);
    let still = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await.data(200);
    assert_eq!(still["current_status"], "pending");
}
