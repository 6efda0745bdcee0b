//! The way to the server: one kind of request, and what its answers mean.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::probe;

/// How long a request may take beside what the server holds it, in seconds.
const LIMIT_SECONDS: u64 = 20;

/// Why a request was not answered as hoped.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server does not answer, or cannot now: it may later.
    Away(String),
    /// The probe is disabled.
    Disabled(String),
    /// The server refuses this probe for good.
    Refused(String),
}

impl Trouble {
    /// What is in the way.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Away(why) | Self::Disabled(why) | Self::Refused(why) => why,
        }
    }
}

pub(super) struct Link {
    http: Client,
    server: Url,
    token: String,
}

impl Link {
    pub(super) fn new(server: &Url, token: &str) -> anyhow::Result<Self> {
        let mut server = server.clone();
        if !server.path().ends_with('/') {
            server.set_path(&format!("{}/", server.path()));
        }
        Ok(Self { http: probe::server_client()?, server, token: token.to_owned() })
    }

    /// Sends `body`; the answer may be held for `wait_seconds`.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        what: &str,
        body: &impl Serialize,
        wait_seconds: u32,
    ) -> Result<T, Trouble> {
        let away = |error: &dyn std::fmt::Display| Trouble::Away(error.to_string());
        let url = self.server.join(&format!("api/probe/v1/{what}")).map_err(|e| away(&e))?;
        let limit = Duration::from_secs(LIMIT_SECONDS + u64::from(wait_seconds));
        let request = self.http.post(url).bearer_auth(&self.token).json(body).timeout(limit);
        let answer = request.send().await.map_err(|error| Trouble::Away(in_full(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(|error| Trouble::Away(in_full(&error)));
        }
        let said: Value = answer.json().await.unwrap_or_default();
        let detail = said["detail"].as_str().unwrap_or_default();
        let line = format!("the server says {status}: {detail}");
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::CONFLICT | StatusCode::UPGRADE_REQUIRED => {
                Trouble::Refused(line)
            }
            StatusCode::FORBIDDEN => Trouble::Disabled(line),
            _ => Trouble::Away(line),
        })
    }
}

/// An error with its causes: reqwest's own words say only that it failed.
fn in_full(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
