//! The monitor list: what is open, counts that filter, one row a monitor, worst first.
//!
//! However many monitors there are, the page takes the same few statements: all that fit in brief, then what the rows that
//! show need.

use std::collections::{BTreeSet, HashMap};

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::Page;
use super::list_page::{Chip, ListPage, Part, UndoBar};
use super::list_query::{LIST_COOKIE, Liking, ListQuery, MOST, PAGE, Sort, View};
use super::list_sections::{About, Entry, Section, Wish, sections, tally};
use super::open_incidents::open_incidents;
use super::regions::in_order;
use super::row::{self, Row};
use super::status::Shown;
use super::text::{Viewer, count};
use super::visit::{Shell, Visit};
use crate::account::Permission;
use crate::incident::maintenance::MaintenanceWindow;
use crate::monitor::{Kind, MonitorId, Status};
use crate::store::briefs::{self, Brief};
use crate::store::monitors::{self, Filter, Watched};
use crate::store::{self, Conn, channels, incidents, probes, windows};

/// Rows that are read at most to bring what is wrong into the order of its changes.
const ORDERED: usize = 400;

#[derive(Template)]
#[template(path = "pages/empty.html")]
struct EmptyPage {
    shell: Shell,
    url: String,
    error: String,
    has_channel: bool,
}

/// `GET /monitors`.
pub async fn list(visit: Visit, req: HttpRequest) -> Page {
    let query = ListQuery::parse(req.query_string());
    let liking = query.liking(&remembered(&req));
    let viewer = visit.viewer;
    let shell = visit.shell("monitors", "Monitors").await?;
    if shell.monitors == "0" {
        return empty(&visit, "", "").await;
    }
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let open_windows = open_windows(conn, viewer).await?;
    let every = entries(conn, &filter(&query, &visit.state.region), &open_windows, viewer).await?;
    let chips = chips(&every, &query);
    let mut entries = every;
    if let Some(state) = query.state() {
        entries.retain(|entry| entry.state == state);
    }
    order(conn, &mut entries, query.sort).await?;
    let tags = monitors::tags(conn).await?;
    let mut regions = probes::regions(conn).await?;
    if !regions.is_empty() {
        regions.push(visit.state.region.clone());
        regions.sort_by(|a, b| in_order(&visit.state.region, a, b));
    }
    let view = view(&query, &liking, &tags);
    let wish = Wish {
        view,
        folding: &liking.folding,
        show: query.show.unwrap_or(PAGE),
        is_filtered: query.is_filtered(),
        is_pinned: query.sort.is_none_or(|sort| sort == Sort::Worst),
    };
    let sections = sections(&entries, &wish);
    let open = open_incidents(conn, &visit.state.region, viewer).await?;
    let parts = parts(conn, sections, &query, &liking, viewer).await?;
    let done = visit.state.undo.look(&query.undo, &visit.who.name, viewer.now);
    let page = ListPage {
        open,
        chips,
        tags,
        regions,
        channels: channels::enabled_names(conn).await?,
        parts,
        matching: entries.len(),
        took_ms: visit.state.clock.now().since(viewer.now),
        undo: done.map(UndoBar::from),
        may_edit: visit.who.role.may(Permission::Edit),
        nobody_told: false,
        view,
        density: liking.density,
        shell,
        query,
    };
    let page = ListPage { nobody_told: page.channels.is_empty(), ..page };
    let mut response = super::error::show(&page)?;
    remember(&liking, &mut response);
    Ok(response)
}

/// What the cookie remembers; it holds the query in base64, as a cookie may not hold every character.
fn remembered(req: &HttpRequest) -> String {
    let cookie = req.cookie(LIST_COOKIE);
    let bytes = cookie.and_then(|cookie| URL_SAFE_NO_PAD.decode(cookie.value()).ok());
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn remember(liking: &Liking, response: &mut HttpResponse) {
    if !liking.is_new {
        return;
    }
    let cookie = Cookie::build(LIST_COOKIE, URL_SAFE_NO_PAD.encode(liking.cookie()))
        .path("/monitors")
        .same_site(SameSite::Lax)
        .max_age(Duration::days(400))
        .finish();
    // Fails only for a cookie that cannot be written as a header, and base64 can.
    if let Err(error) = response.add_cookie(&cookie) {
        tracing::warn!(%error, "the view of the list could not be remembered");
    }
}

/// How the list is put together: as the address says; a part of it flat; else as it is liked, by group where there are any.
fn view(query: &ListQuery, liking: &Liking, tags: &[String]) -> View {
    match query.view {
        Some(view) => view,
        None if query.is_filtered() || tags.is_empty() => View::Flat,
        None => liking.view.unwrap_or(View::Group),
    }
}

/// What the monitors must be like, but for their state, which the chips count. `own` is the server's region.
pub fn filter(query: &ListQuery, own: &str) -> Filter {
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    Filter {
        kind: query.kind.parse::<Kind>().ok(),
        tag: text(&query.tag),
        region: text(&query.region).map(|region| (region, query.region == own)),
        text: text(&query.q),
        ..Filter::default()
    }
}

/// The windows that are open now.
///
/// # Errors
/// When the database fails.
pub async fn open_windows(
    conn: &mut Conn<'_>,
    viewer: Viewer,
) -> store::Result<Vec<MaintenanceWindow>> {
    let mut open = windows::ending_after(conn, viewer.now).await?;
    open.retain(|window| window.is_active(viewer.now));
    Ok(open)
}

/// All monitors that fit, each with the state that it shows.
///
/// # Errors
/// When the database fails.
pub async fn entries(
    conn: &mut Conn<'_>,
    filter: &Filter,
    open_windows: &[MaintenanceWindow],
    viewer: Viewer,
) -> store::Result<Vec<Entry>> {
    let tags: BTreeSet<String> = open_windows.iter().flat_map(|w| w.tags.clone()).collect();
    let tagged = briefs::with_tags(conn, &tags.into_iter().collect::<Vec<_>>()).await?;
    let named = open_windows.iter().flat_map(|window| window.monitor_ids.iter().copied());
    let quiet: BTreeSet<MonitorId> = tagged.into_iter().chain(named).collect();
    let shown = |brief: Brief| {
        let is_late =
            brief.status == Status::Up && brief.due_at.is_some_and(|due| due <= viewer.now);
        let is_quiet = quiet.contains(&brief.id);
        let state = Shown::of_parts(brief.status, brief.is_confirming, is_late, is_quiet);
        Entry { id: brief.id, state, group: brief.group_tag }
    };
    Ok(briefs::briefs(conn, filter).await?.into_iter().map(shown).collect())
}

/// Brings entries, which come by name, into the order that is asked for.
async fn order(
    conn: &mut Conn<'_>,
    entries: &mut [Entry],
    sort: Option<Sort>,
) -> store::Result<()> {
    let place = |state: Shown| Shown::ALL.iter().position(|each| *each == state);
    match sort.unwrap_or(Sort::Worst) {
        Sort::Name => {}
        Sort::Worst => entries.sort_by_key(|entry| {
            if entry.state.needs_attention() { place(entry.state) } else { Some(Shown::ALL.len()) }
        }),
        Sort::Changed => {
            let changes = briefs::last_changes(conn).await?;
            entries.sort_by_key(|entry| std::cmp::Reverse(changes.get(&entry.id).copied()));
        }
    }
    Ok(())
}

fn chips(entries: &[Entry], query: &ListQuery) -> Vec<Chip> {
    let every: Vec<&Entry> = entries.iter().collect();
    let tally: HashMap<&str, usize> =
        tally(&every).into_iter().map(|(state, n)| (state.class(), n)).collect();
    let chip = |state: Option<Shown>, n: usize| {
        let status = state.map_or("", |state| state.class());
        Chip {
            state,
            count: count(n),
            link: query.with(|q| {
                status.clone_into(&mut q.status);
                q.show = None;
            }),
            is_current: query.status == status,
        }
    };
    let mut chips = vec![chip(None, entries.len())];
    for state in Shown::ALL {
        let n = tally.get(state.class()).copied().unwrap_or_default();
        // A chip for nothing is noise, but the one that is chosen must stay to be seen.
        if n > 0 || query.status == state.class() {
            chips.push(chip(Some(state), n));
        }
    }
    chips
}

/// The sections with their rows, which are read together.
async fn parts(
    conn: &mut Conn<'_>,
    sections: Vec<Section>,
    query: &ListQuery,
    liking: &Liking,
    viewer: Viewer,
) -> store::Result<Vec<Part>> {
    let ids: Vec<MonitorId> = sections.iter().flat_map(|s| s.ids.iter().copied()).collect();
    let found = monitors::by_ids(conn, &ids).await?;
    let (past, windows) = row::past(conn, &found, viewer).await?;
    let by_id: HashMap<MonitorId, &Watched> = found.iter().map(|w| (w.monitor.id, w)).collect();
    let row = |watched: &Watched| {
        let mut row = Row::of(watched, &past, &windows, viewer);
        row.needle.clone_from(&query.q);
        row
    };
    let part = |mut section: Section| {
        if section.about == About::Attention && section.ids.len() <= ORDERED {
            let since = |id: &MonitorId| by_id.get(id).map(|watched| changed_at(watched));
            section.ids.sort_by_key(|id| std::cmp::Reverse(since(id)));
        }
        let mut rows: Vec<Row> =
            section.ids.iter().filter_map(|id| by_id.get(id)).map(|watched| row(watched)).collect();
        if let About::Tag(tag) = &section.about {
            rows.iter_mut().for_each(|row| row.tags.retain(|each| each != tag));
        }
        let key = section.about.key();
        let toggle = query.with(|q| q.folding = liking.folding.with(&key, !section.is_open));
        let more = (ids.len() < MOST).then(|| more(query, liking, &section));
        Part { toggle, more, rows, section }
    };
    Ok(sections.into_iter().map(part).collect())
}

/// Where "Show more" leads: a group that gave a glimpse is opened, anything else shows more rows.
fn more(query: &ListQuery, liking: &Liking, section: &Section) -> String {
    let key = section.about.key();
    let is_group = matches!(section.about, About::Tag(_) | About::State(_));
    let is_glimpse = is_group && !liking.folding.open.contains(&key);
    query.with(|q| {
        if is_glimpse {
            q.folding = liking.folding.with(&key, true);
        } else {
            q.show = Some(query.show.unwrap_or(PAGE) + PAGE);
        }
    })
}

/// When a monitor last became something else: what is late became so when it was due.
fn changed_at(watched: &Watched) -> crate::clock::Timestamp {
    let state = &watched.state;
    let late = state.beat.due_at.filter(|_| state.status == Status::Up);
    let failing = state.failing.map(|failing| failing.first_at);
    [Some(state.since), late, failing].into_iter().flatten().max().unwrap_or(state.since)
}

/// The page of an installation that watches nothing yet; `error` says what is wrong with the `url` that was tried.
///
/// # Errors
/// When the database fails.
pub async fn empty(visit: &Visit, url: &str, error: &str) -> Page {
    let shell = visit.shell("monitors", "What should we watch?").await?;
    let mut reader = visit.state.db.read().await?;
    let has_channel = !super::channels::nobody_is_told(&mut reader.conn()).await?;
    super::error::show(&EmptyPage {
        shell,
        url: url.to_owned(),
        error: error.to_owned(),
        has_channel,
    })
}

/// The counts of the whole list, for the live stream: name and number, ready to be shown.
///
/// # Errors
/// When the database fails.
pub async fn counts(
    conn: &mut Conn<'_>,
    viewer: Viewer,
) -> store::Result<Vec<(&'static str, i64)>> {
    let open_windows = open_windows(conn, viewer).await?;
    let entries = entries(conn, &Filter::default(), &open_windows, viewer).await?;
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let of = |state: Shown| entries.iter().filter(|entry| entry.state == state).count();
    let mut counts = vec![("all", number(entries.len()))];
    counts.extend(Shown::ALL.into_iter().map(|state| (state.class(), number(of(state)))));
    let unresolved = incidents::Filter { unresolved: Some(true), ..Default::default() };
    counts.push(("open", incidents::count(conn, unresolved).await?));
    Ok(counts)
}
