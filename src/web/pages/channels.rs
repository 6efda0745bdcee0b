//! Channels: where alerts go, whether they arrive, and the log of what was sent.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::actions::{InlineResult, confirm};
use super::channel_form::Panel;
use super::channel_rows::{self, ChannelRow, fix};
use super::deliveries::{DeliveryLine, Detail};
use super::error::{Page, PageError, sentence, show_as};
use super::query::PageQuery;
use super::status::Shown;
use super::text::{count, millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::incident::message::one_line;
use crate::notify::outbox::TestOutcome;
use crate::notify::{Channel, ChannelType, DeliveryState};
use crate::store::{Conn, Result, channels, deliveries};

/// Deliveries in the log at first, and that "Show older" adds.
const DELIVERIES: i64 = 20;
/// Channels on the page at most.
const CHANNELS: i64 = 500;

/// Whether no channel is there that would be told of anything.
///
/// # Errors
/// When the database fails.
pub async fn nobody_is_told(conn: &mut Conn<'_>) -> Result<bool> {
    Ok(channels::enabled_names(conn).await?.is_empty())
}

/// What the address of the page asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChannelsQuery {
    state: String,
    show: Option<i64>,
    open: Option<i64>,
}

#[derive(Template)]
#[template(path = "pages/channels.html")]
struct ChannelsPage {
    shell: Shell,
    channels: Vec<ChannelRow>,
    log: Vec<DeliveryLine>,
    /// The log's filter: empty, `failed` or `pending`.
    state: &'static str,
    failed: String,
    waiting: String,
    more: Option<i64>,
    may_edit: bool,
    panel: Option<Panel>,
}

impl ChannelsPage {
    /// The log with a line open.
    fn open_link(&self, line: &DeliveryLine) -> String {
        format!("/channels?state={}&open={id}#d-{id}", self.state, id = line.id)
    }

    /// The log with no line open.
    fn close_link(&self) -> String {
        format!("/channels?state={}#log", self.state)
    }
}

/// `GET /channels`.
pub async fn page(visit: Visit, PageQuery(query): PageQuery<ChannelsQuery>) -> Page {
    view(&visit, &query, StatusCode::OK, None, None).await
}

/// The page with a form beside the list.
///
/// # Errors
/// When the database fails.
pub async fn with_panel(visit: &Visit, status: StatusCode, panel: Panel) -> Page {
    view(visit, &ChannelsQuery::default(), status, None, Some(panel)).await
}

async fn view(
    visit: &Visit,
    query: &ChannelsQuery,
    mut status: StatusCode,
    tested: Option<(i64, InlineResult)>,
    panel: Option<Panel>,
) -> Page {
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = channels::list(conn, &visit.state.sealer, CHANNELS, 0).await?.channels;
    let limit = query.show.unwrap_or(DELIVERIES).clamp(DELIVERIES, 1000);
    let in_state = |state| deliveries::Filter { state: Some(state), ..Default::default() };
    let (failed, waiting) = (in_state(DeliveryState::Failed), in_state(DeliveryState::Pending));
    let (state, filter) = match query.state.as_str() {
        "failed" => ("failed", failed),
        "pending" => ("pending", waiting),
        _ => ("", deliveries::Filter::default()),
    };
    let log = deliveries::list(conn, &filter, limit, 0).await?;
    let channel = |id: i64| found.iter().find(|c| c.id == id);
    let mut lines = Vec::new();
    for delivery in &log.deliveries {
        let mut line = DeliveryLine::of(delivery, channel(delivery.channel_id), viewer);
        if query.open == Some(delivery.id) {
            let channel = channel(delivery.channel_id);
            line.detail = Some(Detail::read(visit, conn, delivery, channel).await?);
        }
        lines.push(line);
    }
    let mut rows = channel_rows::rows(conn, &found, viewer).await?;
    if let Some((id, result)) = tested {
        if result.state == Shown::Down {
            status = StatusCode::BAD_GATEWAY;
        }
        if let Some(row) = rows.iter_mut().find(|row| row.id == id) {
            row.result = Some(result);
        }
    }
    let failed = deliveries::list(conn, &failed, 1, 0).await?.total;
    let waiting = deliveries::list(conn, &waiting, 1, 0).await?.total;
    let page = ChannelsPage {
        shell: visit
            .shell("channels", &panel.as_ref().map_or("Channels".to_owned(), Panel::title))
            .await?,
        log: lines,
        channels: rows,
        state,
        failed: counted("Failed", failed),
        waiting: counted("Waiting", waiting),
        more: (log.total > limit).then_some(limit + 50),
        may_edit: visit.who.role.may(Permission::Edit),
        panel,
    };
    show_as(status, &page)
}

fn counted(word: &str, n: i64) -> String {
    match n {
        0 => word.to_owned(),
        n => format!("{word} {}", count(usize::try_from(n).unwrap_or_default())),
    }
}

/// `POST /channels/{id}/test`: sends for real; the answer appears beside the button.
pub async fn test(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let channel = find(&visit, *id).await?;
    let outcome = visit.state.outbox.send_test(&channel).await?;
    let result = told(&outcome);
    if visit.wants_part {
        return super::error::show(&result);
    }
    view(&visit, &ChannelsQuery::default(), StatusCode::OK, Some((*id, result)), None).await
}

/// What came of a test, in words.
pub fn told(outcome: &TestOutcome) -> InlineResult {
    let took = millis(outcome.latency_ms);
    let answer = one_line(&outcome.response);
    let status = outcome.status.map(|code| code.to_string()).unwrap_or_default();
    if outcome.ok {
        let more = format!("The answer was {status} {answer}");
        let state = Shown::Up;
        InlineResult {
            state,
            bold: format!("Test delivered in {took}."),
            more: sentence(more.trim_end()),
        }
    } else {
        let bold =
            sentence(format!("Not delivered: {status} {answer}").replace("  ", " ").trim_end());
        let fix = fix(&format!("status {status}"));
        InlineResult { state: Shown::Down, bold, more: format!("After {took}. {fix}") }
    }
}

/// The channel with a number.
///
/// # Errors
/// 404 when there is none.
pub async fn find(visit: &Visit, id: i64) -> std::result::Result<Channel, PageError> {
    let mut reader = visit.state.db.read().await?;
    let found = channels::get(&mut reader.conn(), &visit.state.sealer, id).await?;
    found.ok_or_else(|| PageError::no_such("channel"))
}

/// `GET /channels/{id}/delete`.
pub async fn delete_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let channel = find(&visit, *id).await?;
    let mut reader = visit.state.db.read().await?;
    let filter = deliveries::Filter { channel_id: Some(*id), ..Default::default() };
    let log = deliveries::list(&mut reader.conn(), &filter, 1, 0).await?.total;
    let words = (
        format!("Delete {}?", one_line(&channel.settings.name)),
        format!(
            "Its log of {} is lost, and what is on its way to it is not sent. Monitors that tell nobody else then tell nobody.",
            plural(usize::try_from(log).unwrap_or_default(), "alert")
        ),
        "Delete channel",
    );
    confirm(&visit, "channels", words, format!("/channels/{id}/delete"), "/channels".to_owned())
        .await
}

/// `POST /channels/{id}/delete`.
pub async fn delete(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut tx = visit.state.db.begin().await?;
    let existed = channels::delete(&mut tx.conn(), *id).await?;
    tx.commit().await?;
    if existed { Ok(see_other("/channels")) } else { Err(PageError::no_such("channel")) }
}
