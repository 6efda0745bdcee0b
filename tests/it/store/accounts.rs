//! Settings, users, sessions, tokens.

use watchbell::account::Role;
use watchbell::account::session::Origin;
use watchbell::seal::Sealer;
use watchbell::store::{Error, api_tokens, key_check, sessions, settings, users};

use super::{NOW, odd_names, on_each, read, sealer, write};

#[tokio::test]
async fn small_values_are_set_replaced_and_removed() {
    on_each(async |db| {
        assert_eq!(read!(db, c => settings::get(c, "a")), None);
        for value in odd_names() {
            write!(db, c => settings::set(c, "a", &value)).unwrap();
            assert_eq!(read!(db, c => settings::get(c, "a")), Some(value));
        }
        write!(db, c => settings::set(c, "a", "one")).unwrap();
        assert!(!write!(db, c => settings::remove_exactly(c, "a", "two")).unwrap());
        assert!(write!(db, c => settings::remove_exactly(c, "a", "one")).unwrap());
        assert!(!write!(db, c => settings::remove_exactly(c, "a", "one")).unwrap());
        write!(db, c => settings::set(c, "a", "one")).unwrap();
        write!(db, c => settings::remove(c, "a")).unwrap();
        write!(db, c => settings::remove(c, "a")).unwrap();
        assert_eq!(read!(db, c => settings::get(c, "a")), None);
    })
    .await;
}

#[tokio::test]
async fn what_was_not_committed_never_was() {
    on_each(async |db| {
        let mut tx = db.begin().await.unwrap();
        settings::set(&mut tx.conn(), "a", "one").await.unwrap();
        drop(tx);
        assert_eq!(read!(db, c => settings::get(c, "a")), None);
        db.ping().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn another_key_is_noticed_at_once() {
    on_each(async |db| {
        for _ in 0..2 {
            write!(db, c => key_check::verify(c, &sealer())).unwrap();
        }
        let other = Sealer::from_text("another");
        let wrong = write!(db, c => key_check::verify(c, &other));
        assert!(matches!(wrong, Err(Error::Seal(_))), "{wrong:?}");
    })
    .await;
}

#[tokio::test]
async fn users_have_one_address_each() {
    on_each(async |db| {
        assert!(!read!(db, c => users::any(c)));
        let insert = async |email: &str, role| {
            write!(db, c => users::insert(c, email, &email.to_lowercase(), "hash", role, NOW))
        };
        let ann = insert("Ann@example.com", Role::Admin).await.unwrap();
        let bob = insert("bob@example.com", Role::Viewer).await.unwrap();
        assert!(matches!(insert("ANN@example.com", Role::Viewer).await, Err(Error::Unique)));
        let found = read!(db, c => users::get(c, ann)).unwrap();
        assert_eq!((found.email.as_str(), found.role, found.created_at), ("Ann@example.com", Role::Admin, NOW));
        assert_eq!(read!(db, c => users::find(c, "ann@example.com")), Some(found));
        assert_eq!(read!(db, c => users::find(c, "Ann@example.com")), None, "it is the folded one that counts");
        assert_eq!(
            read!(db, c => users::find_for_login(c, "bob@example.com")),
            Some((bob, "hash".to_owned()))
        );
        assert_eq!(read!(db, c => users::list(c, 1, 1))[0].id, bob);
        assert_eq!(read!(db, c => users::count(c)), 2);
        assert!(write!(db, c => users::set_password(c, bob, "new")).unwrap());
        assert!(!write!(db, c => users::set_password(c, 99, "new")).unwrap());
        assert_eq!(read!(db, c => users::find_for_login(c, "bob@example.com")).unwrap().1, "new");
        assert_eq!(write!(db, c => users::lock_admins(c)).unwrap(), 1);
        write!(db, c => users::set_role(c, bob, Role::Admin)).unwrap();
        assert_eq!(write!(db, c => users::lock_admins(c)).unwrap(), 2);
        write!(db, c => users::remove(c, bob)).unwrap();
        assert_eq!(read!(db, c => users::get(c, bob)), None);
        assert!(read!(db, c => users::any(c)));
    })
    .await;
}

#[tokio::test]
async fn sessions_are_found_touched_and_end() {
    on_each(async |db| {
        let user = async |email: &str| {
            write!(db, c => users::insert(c, email, email, "hash", Role::Editor, NOW)).unwrap()
        };
        let (ann, bob) = (user("a@x").await, user("b@x").await);
        for (hash, user, at) in [(b"a1", ann, 0), (b"a2", ann, 100), (b"b1", bob, 200)] {
            write!(db, c => sessions::insert(c, hash, user, &Origin::default(), NOW.plus_ms(at)))
                .unwrap();
        }
        let twice = write!(db, c => sessions::insert(c, b"a1", bob, &Origin::default(), NOW));
        assert!(matches!(twice, Err(Error::Unique)), "{twice:?}");
        let nobody = write!(db, c => sessions::insert(c, b"c1", 99, &Origin::default(), NOW));
        assert!(matches!(nobody, Err(Error::Reference)), "{nobody:?}");
        write!(db, c => sessions::touch(c, b"a1", NOW.plus_ms(500))).unwrap();
        let (session, found) = read!(db, c => sessions::find(c, b"a1")).unwrap();
        assert_eq!((session.user_id, found.email.as_str(), found.role), (ann, "a@x", Role::Editor));
        assert_eq!((session.created_at, session.seen_at), (NOW, NOW.plus_ms(500)));
        assert!(read!(db, c => sessions::find(c, b"zz")).is_none());
        let there = async |hash: &[u8]| read!(db, c => sessions::find(c, hash)).is_some();
        // By last use a2 goes, by age a1.
        write!(db, c => sessions::remove_expired(c, NOW.plus_ms(100), NOW.plus_ms(-1))).unwrap();
        assert!(there(b"a1").await && !there(b"a2").await && there(b"b1").await);
        write!(db, c => sessions::remove_expired(c, NOW.plus_ms(-1), NOW)).unwrap();
        assert!(!there(b"a1").await && there(b"b1").await);
        write!(db, c => sessions::remove(c, b"b1")).unwrap();
        assert!(!there(b"b1").await);
        for hash in [b"a3", b"a4"] {
            write!(db, c => sessions::insert(c, hash, ann, &Origin::default(), NOW)).unwrap();
        }
        write!(db, c => sessions::insert(c, b"b2", bob, &Origin::default(), NOW)).unwrap();
        write!(db, c => sessions::remove_of_user(c, ann)).unwrap();
        assert!(!there(b"a3").await && !there(b"a4").await);
        write!(db, c => users::remove(c, bob)).unwrap();
        assert!(!there(b"b2").await, "a user's sessions go with the user");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_is_found_no_more() {
    on_each(async |db| {
        let mut ids = Vec::new();
        for (n, name) in odd_names().iter().enumerate() {
            let hash = [n as u8; 32];
            let id =
                write!(db, c => api_tokens::insert(c, name, Role::Editor, &hash, NOW)).unwrap();
            let found = read!(db, c => api_tokens::find(c, &hash)).unwrap();
            assert_eq!((found.id, &found.name, found.last_used_at), (id, name, None));
            ids.push(id);
        }
        let twice = write!(db, c => api_tokens::insert(c, "x", Role::Viewer, &[0; 32], NOW));
        assert!(matches!(twice, Err(Error::Unique)), "{twice:?}");
        write!(db, c => api_tokens::touch(c, ids[0], NOW.plus_ms(7))).unwrap();
        write!(db, c => api_tokens::update(c, ids[0], "renamed", Role::Viewer)).unwrap();
        let found = read!(db, c => api_tokens::get(c, ids[0])).unwrap();
        assert_eq!((found.name.as_str(), found.role), ("renamed", Role::Viewer));
        assert_eq!(found.last_used_at, Some(NOW.plus_ms(7)));
        assert_eq!(read!(db, c => api_tokens::list(c, 1, 1))[0].id, ids[1]);
        assert!(write!(db, c => api_tokens::revoke(c, ids[0], NOW)).unwrap());
        assert!(!write!(db, c => api_tokens::revoke(c, ids[0], NOW)).unwrap());
        assert_eq!(read!(db, c => api_tokens::get(c, ids[0])), None);
        assert_eq!(read!(db, c => api_tokens::find(c, &[0; 32])), None);
        assert_eq!(read!(db, c => api_tokens::count(c)), ids.len() as i64 - 1);
    })
    .await;
}
