//! Signing in with a second factor, one's own sessions, and what ends them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use totp_rs::{Algorithm, Secret, TOTP};
use watchbell::account::{Role, user};

use crate::support::api::{Answer, Api};
use crate::support::person::{PASSWORD, Person};

const ANN: &str = "ann@example.com";

/// What stands between two marks of a page.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{from} is not in {text}"));
    rest.split_once(to).unwrap().0
}

/// The code that an authenticator with the secret of a page shows at the time of the server.
fn code(api: &Api, secret: &str) -> String {
    use watchbell::clock::Clock;
    let secret = Secret::Encoded(secret.replace(' ', "")).to_bytes().unwrap();
    let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, secret, None, String::new()).unwrap();
    totp.generate(u64::try_from(api.clock.now().0 / 1000).unwrap())
}

/// Turns two-factor sign-in on. Gives the secret and the recovery codes.
async fn secured(api: &Api, person: &Person) -> (String, Vec<String>) {
    let begun =
        person.post("/settings/profile/second-factor", &[("confirm_password", PASSWORD)]).await;
    let secret = between(&begun.text, "id=\"totp-secret\">", "<").to_owned();
    assert!(
        begun.text.contains("<svg") && begun.text.contains("otpauth://totp/Watchbell"),
        "{}",
        begun.text
    );
    let wrong = person.post("/settings/profile/second-factor/confirm", &[("code", "000000")]).await;
    assert_eq!(wrong.status, 422);
    let right = code(api, &secret);
    let on = person.post("/settings/profile/second-factor/confirm", &[("code", &right)]).await;
    assert_eq!(on.status, 200, "{}", on.text);
    let codes: Vec<String> =
        between(&on.text, "id=\"recovery-codes\">", "</pre>").lines().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

async fn show_code(person: &Person, asked: &Answer, code: &str) -> Answer {
    let ticket = between(&asked.text, "name=\"ticket\" value=\"", "\"");
    person.post("/login/code", &[("ticket", ticket), ("code", code)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_and_each_code_counts_once() {
    let api = Api::start().await;
    let ann = Person::made(&api, ANN, Role::Admin).await;
    let elsewhere = Person::nobody(&api);
    elsewhere.sign_in(ANN, PASSWORD).await;
    assert!(elsewhere.is_in().await);
    let unconfirmed =
        ann.post("/settings/profile/second-factor", &[("confirm_password", "wrong")]).await;
    assert_eq!(unconfirmed.status, 422);
    let (secret, recovery) = secured(&api, &ann).await;
    assert!(ann.is_in().await, "a new session in the place of the old one");
    assert!(!elsewhere.is_in().await, "all others have ended");

    let other = Person::nobody(&api);
    let asked = other.sign_in(ANN, PASSWORD).await;
    assert!(asked.text.contains("Enter your code"), "{}", asked.text);
    assert!(!other.is_in().await, "the password alone is not enough");
    let used = show_code(&other, &asked, &code(&api, &secret)).await;
    assert_eq!(used.status, 422, "it was used to confirm");
    assert!(
        used.text.contains("The code is wrong, or was used before.")
            && used.text.contains("9 tries left")
    );
    api.clock.advance_ms(30_000);
    let fresh = code(&api, &secret);
    show_code(&other, &used, &fresh).await;
    assert!(other.is_in().await);
    let third = Person::nobody(&api);
    let asked = third.sign_in(ANN, PASSWORD).await;
    assert_eq!(show_code(&third, &asked, &fresh).await.status, 422, "nor twice to sign in");
    let spelled = recovery[0].to_uppercase().replace('-', " ");
    show_code(&third, &asked, &spelled).await;
    assert!(third.is_in().await, "a recovery code");
    let fourth = Person::nobody(&api);
    let asked = fourth.sign_in(ANN, PASSWORD).await;
    assert_eq!(show_code(&fourth, &asked, &recovery[0]).await.status, 422, "once");
    assert!(ann.get("/settings/profile").await.text.contains("9 recovery codes left"));

    let off =
        ann.post("/settings/profile/second-factor/remove", &[("confirm_password", PASSWORD)]).await;
    assert!(off.text.contains("Two-factor sign-in is off."), "{}", off.text);
    assert!(!third.is_in().await && ann.is_in().await);
    fourth.sign_in(ANN, PASSWORD).await;
    assert!(fourth.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_guessed_and_a_ticket_ends() {
    let api = Api::start().await;
    let ann = Person::made(&api, ANN, Role::Admin).await;
    let (secret, _) = secured(&api, &ann).await;
    let thief = Person::nobody(&api);
    let asked = thief.sign_in(ANN, PASSWORD).await;
    for _ in 0..10 {
        assert_eq!(show_code(&thief, &asked, "000000").await.status, 422);
    }
    api.clock.advance_ms(30_000);
    let late = show_code(&thief, &asked, &code(&api, &secret)).await;
    assert_eq!(late.status, 429, "also with the right code");
    api.clock.advance_ms(5 * 60_000);
    let late = show_code(&thief, &asked, &code(&api, &secret)).await;
    assert!(late.text.contains("That took too long."), "{}", late.text);
    let forged = thief.post("/login/code", &[("ticket", "bm9uc2Vuc2U"), ("code", "1")]).await;
    assert!(forged.text.contains("That took too long."));
    let asked = thief.sign_in(ANN, PASSWORD).await;
    user::set_password(&api.db, api.logins.passwords(), ann.id, "another password").await.unwrap();
    let late = show_code(&thief, &asked, &code(&api, &secret)).await;
    assert!(late.text.contains("That took too long."), "another password makes it void");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_form_tells_how_many_tries_are_left() {
    let api = Api::start().await;
    Person::made(&api, ANN, Role::Viewer).await;
    let ann = Person::nobody(&api);
    for (left, words) in [
        (4, "4 tries left, then a 15 min pause."),
        (3, "3 tries"),
        (2, "2 tries"),
        (1, "1 try left"),
        (0, "That was the last try"),
    ] {
        let page = ann.sign_in(ANN, "wrong").await;
        assert_eq!(page.status, 422);
        assert!(
            page.text.contains("Email or password is wrong.") && page.text.contains(words),
            "{left}: {}",
            page.text
        );
    }
    let page = ann.sign_in(ANN, PASSWORD).await;
    assert_eq!(page.status, 429);
    assert!(page.text.contains("Try again in 15 min"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_sessions_are_listed_and_ended() {
    let api = Api::start().await;
    let ann = Person::made(&api, ANN, Role::Viewer).await;
    let phone = Person::nobody(&api);
    phone.sign_in(ANN, PASSWORD).await;
    let page = ann.get("/settings/profile").await.text;
    assert!(page.contains("Firefox on Linux") && page.contains("this one"), "{page}");
    let stranger = Person::made(&api, "bob@example.com", Role::Viewer).await;
    let part = page.split("Firefox on Linux").nth(1).unwrap();
    let end = between(part, "action=\"", "\"").to_owned();
    stranger.post(&end, &[]).await;
    assert!(phone.is_in().await, "nobody ends the sessions of others");
    ann.post(&end, &[]).await;
    assert!(!phone.is_in().await && ann.is_in().await);
    phone.sign_in(ANN, PASSWORD).await;
    ann.post("/settings/profile/sessions/end-others", &[]).await;
    assert!(!phone.is_in().await && ann.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn address_and_password_are_changed_with_the_old_password_only() {
    let api = Api::start().await;
    let ann = Person::made(&api, ANN, Role::Viewer).await;
    Person::made(&api, "bob@example.com", Role::Viewer).await;
    let other = Person::nobody(&api);
    other.sign_in(ANN, PASSWORD).await;
    let change = async |pairs: &[(&str, &str)]| ann.post("/settings/profile/password", pairs).await;
    let wrong = change(&[("old_password", "wrong"), ("password", "a new password")]).await;
    assert!(
        wrong.status == 422 && wrong.text.contains("The present password is wrong; 4 tries left."),
        "{}",
        wrong.text
    );
    let short = change(&[("old_password", PASSWORD), ("password", "short")]).await;
    assert!(short.status == 422 && short.text.contains("at least 8 characters"), "{}", short.text);
    assert!(other.is_in().await);
    let done = change(&[("old_password", PASSWORD), ("password", "a new password")]).await;
    assert!(done.text.contains("Your password was changed."), "{}", done.text);
    assert!(ann.is_in().await && !other.is_in().await);
    let email = async |to: &str, password: &str| {
        ann.post("/settings/profile/email", &[("email", to), ("email_password", password)]).await
    };
    assert_eq!(email("new@example.com", PASSWORD).await.status, 422);
    assert!(
        email("Bob@example.com", "a new password").await.text.contains("in use by another user")
    );
    assert!(
        email("new@example.com", "a new password").await.text.contains("Your address was changed.")
    );
    other.sign_in("new@example.com", "a new password").await;
    assert!(other.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_ends_with_its_session() {
    let api = Api::start().await;
    let ann = Person::made(&api, ANN, Role::Viewer).await;
    let open = async || {
        let mut stream = ann.request("GET", "/events").send().await.unwrap();
        assert_eq!(stream.status(), 200);
        // The counts, which come at once: from then on it is known to run.
        let ticking = async {
            loop {
                api.clock.advance_ms(250);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! { first = stream.chunk() => assert!(first.unwrap().is_some()), () = ticking => {} }
        stream
    };
    let ended = async |mut stream: reqwest::Response| {
        let drain = async { while stream.chunk().await.is_ok_and(|chunk| chunk.is_some()) {} };
        tokio::time::timeout(Duration::from_secs(20), drain).await.is_ok()
    };
    // By a page of this server: at once, while the clock stands still.
    let stream = open().await;
    ann.post("/logout", &[]).await;
    assert!(ended(stream).await);
    // By another process: within five seconds.
    ann.sign_in(ANN, PASSWORD).await;
    let stream = open().await;
    user::set_password(&api.db, api.logins.passwords(), ann.id, "another password").await.unwrap();
    let ticking = async {
        loop {
            api.clock.advance_ms(5_000);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! { over = ended(stream) => assert!(over), () = ticking => {} }
}
