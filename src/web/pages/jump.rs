//! What the jump field lists while one types: the few monitors whose name fits best.

use askama::Template;
use serde::Deserialize;

use super::error::{Page, show};
use super::monitors::open_windows;
use super::query::PageQuery;
use super::row::subject;
use super::status::Shown;
use super::visit::Visit;
use crate::incident::maintenance::active_window;
use crate::incident::message::one_line;
use crate::store::monitors::{self, Filter};

/// How many are listed.
const MOST: i64 = 8;

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    q: String,
}

/// A monitor that fits.
struct Match {
    id: i64,
    state: Shown,
    name: String,
    note: String,
}

#[derive(Template)]
#[template(path = "parts/jump.html")]
struct JumpPart {
    matches: Vec<Match>,
}

/// `GET /monitors/jump`: what is wrong first, then by name.
pub async fn jump(visit: Visit, PageQuery(typed): PageQuery<Typed>) -> Page {
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let text = Some(typed.q);
    let filter = Filter { text, attention_first: true, ..Filter::default() };
    let windows = open_windows(conn, viewer).await?;
    let found = monitors::list(conn, &filter, MOST, 0).await?;
    let matches = found.into_iter().map(|watched| {
        let settings = &watched.monitor.settings;
        let window = active_window(&windows, watched.monitor.id, &settings.tags, viewer.now);
        Match {
            id: watched.monitor.id,
            state: Shown::of(&watched.state, window.is_some(), viewer.now),
            name: one_line(&settings.name),
            note: subject(&settings.target),
        }
    });
    show(&JumpPart { matches: matches.collect() })
}
