//! Somebody who is signed in by a browser: a cookie, and forms as browsers post them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqwest::Client;
use reqwest::cookie::Jar;
use reqwest::redirect::Policy;
use std::sync::Arc;
use watchbell::account::{Role, session, user};

use super::api::{Answer, Api, START};

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery";

/// A browser.
pub struct Person {
    base: String,
    http: Client,
    /// The number of the user, if there is one.
    pub id: i64,
}

impl Person {
    /// A browser in which nobody is signed in.
    pub fn nobody(api: &Api) -> Self {
        let jar = Arc::new(Jar::default());
        let http = Client::builder()
            .no_proxy()
            .cookie_provider(jar)
            .redirect(Policy::limited(5))
            .user_agent("Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")
            .build()
            .unwrap();
        Self { base: api.base.clone(), http, id: 0 }
    }

    /// A new user, signed in.
    pub async fn made(api: &Api, email: &str, role: Role) -> Self {
        let (db, passwords) = (&api.db, api.logins.passwords());
        let made = user::create(db, passwords, email, PASSWORD, role, START).await.unwrap();
        let token = session::begin(db, made.id, START).await.unwrap();
        let jar = Arc::new(Jar::default());
        let cookie = format!("{}={token}; Path=/; HttpOnly", session::COOKIE);
        jar.add_cookie_str(&cookie, &api.base.parse().unwrap());
        let http = Client::builder().no_proxy().cookie_provider(jar).build().unwrap();
        Self { base: api.base.clone(), http, id: made.id }
    }

    /// Signs in by the form.
    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("/login", &[("email", email), ("password", password)]).await
    }

    /// Opens a page, whatever it leads to.
    pub async fn get(&self, path: &str) -> Answer {
        self.answer(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Posts a form and follows where it leads.
    pub async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.answer(self.http.post(format!("{}{path}", self.base)).form(pairs)).await
    }

    /// A request to be filled.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Whether the browser is signed in.
    pub async fn is_in(&self) -> bool {
        !self.get("/monitors").await.text.contains("<title>Sign in</title>")
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        Api::answer(request).await
    }
}
