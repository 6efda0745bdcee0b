//! Set-up, signing in and sessions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::IpAddr;

use watchbell::account::login::{Entry, LoginError};
use watchbell::account::session::Origin;
use watchbell::account::{Error, Role, session, setup, user};
use watchbell::store::users;

use crate::support::api::{Api, START};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_link_becomes_admin_once() {
    let api = Api::start().await;
    let (db, passwords) = (&api.db, api.logins.passwords());
    let old = setup::issue(db).await.unwrap().unwrap();
    let token = setup::issue(db).await.unwrap().unwrap();
    assert!(!setup::is_valid(db, &old).await.unwrap(), "a new start makes a new link");
    let wrong = setup::claim(db, passwords, &token, "nobody", "short", START).await;
    assert!(matches!(wrong, Err(Error::Fields(errors)) if errors.0.len() == 2));
    assert!(setup::is_valid(db, &token).await.unwrap(), "a mistake does not use it up");
    let claims = (0..4).map(|n| {
        let email = format!("user{n}@example.com");
        let token = &token;
        async move { setup::claim(db, passwords, token, &email, "long enough", START).await }
    });
    let won = futures_util::future::join_all(claims).await.into_iter().flatten().count();
    assert_eq!(won, 1, "of several at once one wins");
    assert_eq!(users::count(&mut db.read().await.unwrap().conn()).await.unwrap(), 1);
    assert!(!setup::is_valid(db, &token).await.unwrap());
    assert_eq!(setup::issue(db).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_begins_a_session_and_wrong_ones_are_slowed_down() {
    let api = Api::start().await;
    let (db, logins) = (&api.db, &api.logins);
    let made =
        user::create(db, logins.passwords(), "a@example.com", "long enough", Role::Viewer, START)
            .await
            .unwrap();
    let enter = async |email: &str, password: &str| {
        logins.enter((db, &api.sealer), (HERE, &Origin::default()), email, password, START).await
    };
    let Entry::In(token) = enter(" A@Example.com", "long enough").await.unwrap() else {
        panic!("no code is asked for");
    };
    let who = session::principal(db, &token, START).await.unwrap().unwrap();
    assert_eq!((who.name.as_str(), who.role), ("a@example.com", Role::Viewer));
    for email in ["a@example.com", "b@example.com", "a\0@example.com"] {
        for left in [4, 3, 2, 1, 0] {
            let wrong = enter(email, "long enougH").await;
            assert!(matches!(wrong, Err(LoginError::Wrong { tries_left }) if tries_left == left));
        }
        let wait = enter(email, "long enough").await;
        assert!(
            matches!(wait, Err(LoginError::TooMany { .. })),
            "whether there is such a user or not"
        );
    }
    user::set_password(db, logins.passwords(), made.id, "another one").await.unwrap();
    assert!(session::principal(db, &token, START).await.unwrap().is_none(), "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_when_unused_and_at_last_in_any_case() {
    let api = Api::start().await;
    let (db, passwords) = (&api.db, api.logins.passwords());
    let made = user::create(db, passwords, "a@example.com", "long enough", Role::Viewer, START)
        .await
        .unwrap();
    let idle = session::begin(db, made.id, START).await.unwrap();
    let after = START.plus_ms(session::IDLE_MS);
    assert!(session::principal(db, &idle, after).await.unwrap().is_none());
    let used = session::begin(db, made.id, START).await.unwrap();
    let mut now = START;
    while now.since(START) < session::ABSOLUTE_MS {
        assert!(session::principal(db, &used, now).await.unwrap().is_some());
        now = now.plus_ms(session::IDLE_MS / 2);
    }
    assert!(session::principal(db, &used, now).await.unwrap().is_none());
    let ended = session::begin(db, made.id, now).await.unwrap();
    session::end(db, &ended).await.unwrap();
    assert!(session::principal(db, &ended, now).await.unwrap().is_none());
}
