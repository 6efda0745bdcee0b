//! `/events`: what changes, sent to open pages as server-sent events.

use std::collections::BTreeSet;

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Map, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::error::ApiError;
use super::guard::Credential;
use super::pages::error::Page;
use super::pages::row::{self, Row, RowPart};
use super::pages::text::Viewer;
use super::pages::{monitors, visit::Visit};
use super::state::AppState;
use crate::clock::{Sleep, Timestamp};
use crate::live::LiveEvent;
use crate::monitor::MonitorId;
use crate::store::{self, monitors as stored};

/// How long changes are gathered before they are sent: no row is rendered more often.
const GATHER_MS: i64 = 250;
/// A quiet stream says that it is alive.
const BEAT_MS: i64 = 15_000;
/// How often it is looked at whether whoever listens still may: a session may be revoked by another process.
const ACCESS_MS: i64 = 5_000;
/// Counting looks at every monitor, so it is done less often.
const COUNTS_MS: i64 = 1_000;
/// A probe is heard of several times a minute, and for each of its results: pages need not load anew each time.
const PROBES_MS: i64 = 2_000;
/// With more changes at once, the page does better to load anew.
const ROWS_AT_ONCE: usize = 200;

/// What a page wants to hear of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wants {
    rows: Option<u8>,
    probes: Option<u8>,
}

struct Feed {
    state: web::Data<AppState>,
    receiver: Receiver<LiveEvent>,
    viewer: Viewer,
    with_rows: bool,
    with_probes: bool,
    credential: Credential,
    /// When it was last looked at.
    shown_at: Timestamp,
    /// Whether it must be looked at now.
    access_changed: bool,
    /// When something was last sent.
    said_at: Timestamp,
    changed: BTreeSet<MonitorId>,
    fell_behind: bool,
    probes_changed: bool,
    probes_told_at: Timestamp,
    counts: Vec<(&'static str, i64)>,
    counts_wanted: bool,
    counted_at: Timestamp,
}

/// `GET /events`. A page with `?rows=1` is sent each changed row as markup; others only the monitor's number. One with
/// `?probes=1` is told when a probe was heard of, too.
pub async fn events(req: HttpRequest, visit: Visit, wants: web::Query<Wants>) -> Page {
    let credential = Credential::of(&req).ok_or(ApiError::Unauthorized("sign in first"))?;
    let feed = Feed {
        credential,
        shown_at: visit.viewer.now,
        access_changed: false,
        said_at: visit.viewer.now,
        receiver: visit.state.live.subscribe(),
        viewer: visit.viewer,
        with_rows: wants.rows == Some(1),
        with_probes: wants.probes == Some(1),
        changed: BTreeSet::new(),
        fell_behind: false,
        probes_changed: false,
        probes_told_at: Timestamp(0),
        counts: Vec::new(),
        // At once, in case that something changed between the page and its stream.
        counts_wanted: true,
        counted_at: Timestamp(0),
        state: visit.state,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Compressed, events would wait for each other.
        .insert_header((header::CONTENT_ENCODING, ContentEncoding::Identity.as_str()))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream::unfold(feed, next)))
}

/// The next piece of the stream; `None` when the server stops, as an open stream would hold the stop, and when whoever listens
/// may no longer.
async fn next(mut feed: Feed) -> Option<(Result<Bytes, actix_web::Error>, Feed)> {
    loop {
        let idle = feed.is_idle();
        let wait = if idle { ACCESS_MS } else { GATHER_MS };
        let until = feed.state.clock.sleep_until(feed.state.clock.now().plus_ms(wait));
        let stop = feed.state.stop.clone();
        let in_time = tokio::select! {
            () = stop.cancelled() => return None,
            ended = feed.gather_until(until, idle) => !ended,
        };
        if !in_time || !feed.may_listen().await {
            return None;
        }
        match feed.render().await {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                feed.said_at = feed.viewer.now;
                return Some((Ok(Bytes::from(text)), feed));
            }
            Err(error) => return Some((Err(error.into()), feed)),
        }
    }
}

impl Feed {
    /// Whether nothing waits to be sent.
    fn is_idle(&self) -> bool {
        self.changed.is_empty() && !self.counts_wanted && !self.fell_behind && !self.probes_changed
    }

    /// Takes changes in until `until`, or until the first one if nothing waits yet. Whether there will never be more.
    async fn gather_until(&mut self, mut until: Sleep, mut until_first: bool) -> bool {
        loop {
            tokio::select! {
                () = &mut until => return false,
                event = self.receiver.recv() => match event {
                    Ok(LiveEvent::MonitorChanged(id)) => {
                        self.changed.insert(id);
                        self.counts_wanted = true;
                    }
                    Ok(LiveEvent::CountsChanged) => self.counts_wanted = true,
                    Ok(LiveEvent::ProbesChanged) if self.with_probes => self.probes_changed = true,
                    // The page shows none: it goes on waiting.
                    Ok(LiveEvent::ProbesChanged) => continue,
                    Ok(LiveEvent::AccessChanged) => {
                        self.access_changed = true;
                        return false;
                    }
                    Err(RecvError::Lagged(_)) => self.fell_behind = true,
                    Err(RecvError::Closed) => return true,
                },
            }
            if std::mem::take(&mut until_first) {
                // The first change opens a span in which others are gathered too.
                let now = self.state.clock.now();
                until = self.state.clock.sleep_until(now.plus_ms(GATHER_MS));
            }
        }
    }

    /// Whether the session or token still counts. When that cannot be found out, the stream ends too: it begins anew by itself.
    async fn may_listen(&mut self) -> bool {
        let now = self.state.clock.now();
        let is_due = now.since(self.shown_at) >= ACCESS_MS || now < self.shown_at;
        if !std::mem::take(&mut self.access_changed) && !is_due {
            return true;
        }
        self.shown_at = now;
        self.credential.is_alive(&self.state, now).await.unwrap_or(false)
    }

    async fn render(&mut self) -> Result<String, ApiError> {
        self.viewer.now = self.state.clock.now();
        let changed: Vec<MonitorId> = std::mem::take(&mut self.changed).into_iter().collect();
        if std::mem::take(&mut self.fell_behind) || changed.len() > ROWS_AT_ONCE {
            return Ok(event("lost", "1"));
        }
        let mut text = if self.with_rows {
            self.rows(&changed).await?
        } else {
            changed.iter().map(|id| event("changed", &id.to_string())).collect()
        };
        text.push_str(&self.new_counts().await?);
        // The clock may have been set back.
        let since = self.viewer.now.since(self.probes_told_at);
        if self.probes_changed && !(0..PROBES_MS).contains(&since) {
            self.probes_changed = false;
            self.probes_told_at = self.viewer.now;
            text.push_str(&event("probes", "1"));
        }
        // Nothing to tell, and the counts are not due: only a stream that was quiet for long says so.
        let is_quiet = self.viewer.now.since(self.said_at) >= BEAT_MS;
        if text.is_empty() && self.is_idle() && is_quiet {
            return Ok(event("beat", "1"));
        }
        Ok(text)
    }

    async fn rows(&self, ids: &[MonitorId]) -> Result<String, ApiError> {
        if ids.is_empty() {
            return Ok(String::new());
        }
        let mut reader = self.state.db.read().await?;
        let conn = &mut reader.conn();
        let found = stored::by_ids(conn, ids).await?;
        let (past, windows) = row::past(conn, &found, self.viewer).await?;
        let mut text = String::new();
        for watched in &found {
            let row = Row::of(watched, &past, &windows, self.viewer);
            let html = RowPart { row }.render().map_err(ApiError::internal)?;
            text.push_str(&event("row", &html));
        }
        Ok(text)
    }

    /// The counts, if they are wanted, due, and other than those that were sent last.
    async fn new_counts(&mut self) -> store::Result<String> {
        if !self.counts_wanted || self.viewer.now.since(self.counted_at) < COUNTS_MS {
            return Ok(String::new());
        }
        self.counts_wanted = false;
        self.counted_at = self.viewer.now;
        let mut reader = self.state.db.read().await?;
        let counts = monitors::counts(&mut reader.conn(), self.viewer).await?;
        if counts == self.counts {
            return Ok(String::new());
        }
        let object: Map<_, _> =
            counts.iter().map(|(name, n)| ((*name).to_owned(), json!(n))).collect();
        self.counts = counts;
        Ok(event("counts", &json!(object).to_string()))
    }
}

/// One event as it is written: each line of its data on a line of its own.
fn event(name: &str, data: &str) -> String {
    let mut text = format!("event: {name}\n");
    for line in data.lines() {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_several_lines_stays_one_event() {
        assert_eq!(event("row", "<tr>\r\n</tr>"), "event: row\ndata: <tr>\ndata: </tr>\n\n");
    }
}
