//! What a maintenance window would be, shown before it is saved: the same times in UTC, the next ones of one that repeats, how many
//! monitors it covers, what it overlaps, and a button that says when.

use std::collections::BTreeSet;

use askama::Template;
use chrono_tz::Tz;

use super::text::{Viewer, plural};
use crate::clock::Timestamp;
use crate::incident::maintenance::{MaintenanceWindow, Span};
use crate::incident::message::one_line;
use crate::monitor::MonitorId;
use crate::store::{Conn, Result, monitors, windows};

/// How many of the next times are shown.
const NEXT: usize = 3;
/// How far ahead overlaps are looked for.
const HORIZON_MS: i64 = 60 * 86_400_000;
/// Times of each window that are compared.
const COMPARED: usize = 100;
/// Overlaps that are named; more are counted.
const NAMED: usize = 3;

/// What a window would be.
#[derive(Template, Default)]
#[template(path = "parts/window_preview.html")]
pub struct Preview {
    /// What is wrong with the times, if something is.
    pub wrong: Vec<String>,
    /// The same times on other clocks: `21:00 to 22:00 UTC`.
    pub elsewhere: String,
    /// The next times of one that repeats.
    pub next: Vec<String>,
    /// How many monitors it covers now; empty when nothing was chosen yet.
    pub covers: String,
    /// Whether monitors join by their tag.
    pub by_tag: bool,
    /// A list of those with its tag, when it has one and nothing else.
    pub see: String,
    /// What it overlaps.
    pub overlaps: Vec<String>,
    /// The words on the button.
    pub button: String,
}

impl Preview {
    /// What is shown of a form that cannot be read yet.
    pub fn unread(wrong: Vec<String>, is_new: bool) -> Self {
        Self { wrong, button: fallback(is_new).to_owned(), ..Self::default() }
    }

    /// What `window` would be. Its times are shown in `zone`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(
        conn: &mut Conn<'_>,
        window: &MaintenanceWindow,
        zone: Tz,
        viewer: Viewer,
    ) -> Result<Self> {
        let here = Viewer { zone, ..viewer };
        let spans = window.spans(viewer.now, viewer.now.plus_ms(HORIZON_MS), COMPARED);
        let first = (window.starts_at, window.ends_at);
        let covered = covered(conn, window).await?;
        let named_only = window.monitor_ids.is_empty() && window.tags.len() == 1;
        let tag: String =
            form_urlencoded::byte_serialize(window.tags.concat().as_bytes()).collect();
        Ok(Self {
            wrong: Vec::new(),
            elsewhere: elsewhere(first, here, viewer),
            next: match window.repeats {
                Some(_) => spans.iter().take(NEXT).map(|span| next(*span, here)).collect(),
                None => Vec::new(),
            },
            covers: plural(covered.len(), "monitor"),
            by_tag: !window.tags.is_empty(),
            see: if named_only { format!("/monitors?tag={tag}") } else { String::new() },
            overlaps: overlaps(conn, window, &spans, &covered, here).await?,
            button: button(window, here),
        })
    }
}

fn fallback(is_new: bool) -> &'static str {
    if is_new { "Schedule" } else { "Save" }
}

/// `Schedule for Fri 22:00`, `Start now, until 23:00`.
fn button(window: &MaintenanceWindow, viewer: Viewer) -> String {
    let verb = fallback(window.id == 0);
    let near = window.starts_at.since(viewer.now) < 6 * 86_400_000;
    let when = if near {
        viewer.weekday_hour(window.starts_at)
    } else {
        viewer.day_hour(window.starts_at)
    };
    match (window.is_active(viewer.now), window.id) {
        (true, 0) => format!("Start now, until {}", viewer.weekday_hour(window.ends_at)),
        (true, _) => format!("Save, open until {}", viewer.weekday_hour(window.ends_at)),
        _ => format!("{verb} for {when}"),
    }
}

/// The same times in UTC, and on the viewer's clock when the form is filled in by another one.
fn elsewhere(span: Span, here: Viewer, viewer: Viewer) -> String {
    let mut words = Vec::new();
    for zone in [Tz::UTC, viewer.zone] {
        let there = Viewer { zone, ..here };
        let is_same = there.field(span.0) == here.field(span.0);
        if zone == here.zone || (is_same && zone != Tz::UTC) {
            continue;
        }
        let same_day = there.day(span.0) == here.day(span.0);
        let times = if same_day { there.hours(span) } else { there.day_hours(span) };
        words.push(match zone {
            Tz::UTC => format!("{times} UTC"),
            zone => format!("{times} in {}", city(zone)),
        });
    }
    words.dedup();
    words.join(" · ")
}

/// `New York` for `America/New_York`.
fn city(zone: Tz) -> String {
    zone.name().rsplit('/').next().unwrap_or_default().replace('_', " ")
}

/// `Fri 20 Nov, 22:00 to 23:00 · 21:00 UTC`: the hours in UTC show where the clocks change.
fn next(span: Span, viewer: Viewer) -> String {
    let utc = Viewer { zone: Tz::UTC, ..viewer };
    match viewer.zone {
        Tz::UTC => viewer.day_hours(span),
        _ => format!("{} · {} UTC", viewer.day_hours(span), utc.hour(span.0)),
    }
}

/// The monitors that a window covers now.
///
/// # Errors
/// When the database fails.
pub async fn covered(
    conn: &mut Conn<'_>,
    window: &MaintenanceWindow,
) -> Result<BTreeSet<MonitorId>> {
    let tagged = monitors::tagged(conn, &window.tags).await?;
    let named = monitors::existing(conn, &window.monitor_ids).await?;
    Ok(tagged.into_iter().map(|(_, id)| id).chain(named).collect())
}

async fn overlaps(
    conn: &mut Conn<'_>,
    window: &MaintenanceWindow,
    spans: &[Span],
    covered_here: &BTreeSet<MonitorId>,
    viewer: Viewer,
) -> Result<Vec<String>> {
    let until = viewer.now.plus_ms(HORIZON_MS);
    let others = windows::ending_after(conn, viewer.now).await?;
    let mut found = Vec::new();
    let mut more = 0;
    for other in others.iter().filter(|other| other.id != window.id) {
        let theirs = other.spans(viewer.now, until, COMPARED);
        let Some(at) = first_common(spans, &theirs) else { continue };
        let shared = covered(conn, other).await?.intersection(covered_here).count();
        if shared == 0 {
            continue;
        }
        if found.len() == NAMED {
            more += 1;
            continue;
        }
        found.push(format!(
            "Overlaps {} from {} on, for {} of both. Alerts are held until the later end.",
            one_line(&other.name),
            viewer.day_hour(at),
            plural(shared, "monitor"),
        ));
    }
    if more > 0 {
        found.push(format!("Overlaps {} more.", plural(more, "window")));
    }
    Ok(found)
}

/// The first moment at which both are open. Both are in order.
fn first_common(ours: &[Span], theirs: &[Span]) -> Option<Timestamp> {
    ours.iter()
        .flat_map(|a| theirs.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))))
        .filter(|(from, until)| from < until)
        .map(|(from, _)| from)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn evening() -> Span {
        (at("2026-11-20T21:00:00Z"), at("2026-11-20T22:00:00Z"))
    }

    #[test]
    fn the_same_time_is_told_on_the_clocks_that_differ() {
        let berlin = Viewer::new(at("2026-11-17T13:32:10Z"), Some("Europe/Berlin"));
        let new_york = Viewer { zone: "America/New_York".parse().unwrap(), ..berlin };
        let utc = Viewer { zone: Tz::UTC, ..berlin };
        assert_eq!(elsewhere(evening(), berlin, berlin), "21:00 to 22:00 UTC");
        assert_eq!(
            elsewhere(evening(), new_york, berlin),
            "21:00 to 22:00 UTC · 22:00 to 23:00 in Berlin"
        );
        assert_eq!(elsewhere(evening(), utc, utc), "");
        let late = (at("2026-11-20T23:30:00Z"), at("2026-11-21T00:30:00Z"));
        assert_eq!(elsewhere(late, berlin, berlin), "Fri 20 Nov, 23:30 to Sat 00:30 UTC");
    }

    #[test]
    fn the_button_says_when() {
        let viewer = Viewer::new(at("2026-11-17T13:32:10Z"), Some("Europe/Berlin"));
        let window = |id, (starts_at, ends_at): Span| MaintenanceWindow {
            id,
            name: "w".to_owned(),
            monitor_ids: vec![1],
            tags: vec![],
            starts_at,
            ends_at,
            repeats: None,
        };
        let open = (at("2026-11-17T13:00:00Z"), at("2026-11-17T14:00:00Z"));
        let far = (at("2026-12-20T21:00:00Z"), at("2026-12-20T22:00:00Z"));
        assert_eq!(button(&window(0, evening()), viewer), "Schedule for Fri 22:00");
        assert_eq!(button(&window(4, evening()), viewer), "Save for Fri 22:00");
        assert_eq!(button(&window(0, open), viewer), "Start now, until Tue 15:00");
        assert_eq!(button(&window(0, far), viewer), "Schedule for Sun 20 Dec, 22:00");
    }

    #[test]
    fn windows_overlap_where_both_are_open() {
        let later = (at("2026-11-20T21:30:00Z"), at("2026-11-20T23:00:00Z"));
        let touching = (evening().1, at("2026-11-20T23:00:00Z"));
        assert_eq!(first_common(&[evening()], &[later]), Some(later.0));
        assert_eq!(first_common(&[evening()], &[touching]), None, "one ends as the other begins");
        assert_eq!(first_common(&[], &[later]), None);
    }
}
