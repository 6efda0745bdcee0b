//! What one attempt to send came to. Pure.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::incident::message::{Alert, one_line};

/// How the far end took an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Accepted,
    /// No answer, or one that asks for patience: worth trying as long as the schedule lasts.
    Unavailable,
    /// It does not want it, which somebody may mend: worth trying for an hour.
    Refused,
    /// It will never take it.
    RefusedForGood,
}

/// One attempt to send an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// How it was taken.
    pub answer: Answer,
    /// The status code (HTTP or SMTP), if an answer came.
    pub status: Option<u16>,
    /// The far end's words, or why there are none; one line.
    pub response: String,
    /// How long the far end asked to wait, in milliseconds.
    pub retry_after_ms: Option<i64>,
    /// What went wrong although it was taken, such as one address of several that was refused.
    pub note: Option<String>,
}

impl Attempt {
    /// No answer came: `reason` says why.
    pub fn unanswered(reason: &str) -> Self {
        Self {
            answer: Answer::Unavailable,
            status: None,
            response: one_line(reason),
            retry_after_ms: None,
            note: None,
        }
    }

    /// It cannot be sent, now or later: `reason` says why.
    pub fn hopeless(reason: &str) -> Self {
        Self { answer: Answer::RefusedForGood, ..Self::unanswered(reason) }
    }

    /// What went wrong, in one line: the status and the far end's words.
    pub fn error(&self) -> String {
        match self.status {
            Some(status) if self.response.is_empty() => format!("status {status}"),
            Some(status) => one_line(&format!("status {status}: {}", self.response)),
            None => self.response.clone(),
        }
    }
}

/// What is said of an attempt that took longer than `limit`.
pub fn timeout_words(limit: Duration) -> String {
    format!("timeout: no answer within {}s", limit.as_secs())
}

/// An alert on its way: what every kind of channel needs to render it.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// What is sent.
    pub alert: &'a Alert,
    /// Names this delivery to the far end: the same at every attempt, never used for another.
    pub key: String,
    /// The time of this attempt.
    pub sent_at: Timestamp,
    /// What links start with, without a slash at its end.
    pub base_url: &'a str,
    /// Where who gets this may take the incident with one press more, without signing in.
    pub acknowledge_url: Option<String>,
}

impl Outgoing<'_> {
    /// The page of the incident, if there is one.
    pub fn incident_url(&self) -> Option<String> {
        let incident = self.alert.incident.as_ref()?;
        Some(format!("{}/incidents/{}", self.base_url.trim_end_matches('/'), incident.id))
    }
}
