//! Channels: where alerts go, whether they arrive, and the log of what was sent.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::actions::{InlineResult, confirm};
use super::error::{Page, PageError, sentence, show_as};
use super::status::Shown;
use super::text::{Html, Viewer, millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::incident::message::{AlertEvent, one_line};
use crate::notify::outbox::TestOutcome;
use crate::notify::{Channel, Delivery, DeliveryState};
use crate::store::{Conn, Result, channels, deliveries};
use crate::web::error::ApiError;

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

/// A channel as its row shows it.
pub struct ChannelRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its kind, for people.
    pub kind: &'static str,
    /// The icon of its kind.
    pub icon: &'static str,
    /// Where it leads.
    pub target: String,
    /// Whether new monitors use it.
    pub is_default: bool,
    /// Whether it is switched off.
    pub is_off: bool,
    /// How the last delivery went.
    pub state: Shown,
    /// That in a word.
    pub word: &'static str,
    /// When it was.
    pub at: Html,
    /// What the far end said, when something is wrong.
    pub error: String,
    /// What came of the test that was just sent.
    pub result: Option<InlineResult>,
}

impl ChannelRow {
    fn of(channel: &Channel, viewer: Viewer) -> Self {
        let (state, word) = match (channel.failed_at, &channel.last_error, channel.last_delivery_at)
        {
            (Some(_), _, _) => (Shown::Down, "Failing"),
            (None, Some(_), _) => (Shown::Degraded, "Trying again"),
            (None, None, Some(_)) => (Shown::Up, "Delivered"),
            (None, None, None) => (Shown::Waiting, "Nothing sent yet"),
        };
        let at = channel.failed_at.or(channel.last_delivery_at);
        Self {
            id: channel.id,
            name: one_line(&channel.settings.name),
            kind: channel.kind().about().name,
            icon: channel.kind().about().icon,
            target: channel.settings.config.target(),
            is_default: channel.settings.is_default,
            is_off: !channel.settings.enabled,
            state,
            word,
            at: at.map_or_else(Html::default, |at| viewer.ago_html(at)),
            error: channel.last_error.as_deref().map(sentence).unwrap_or_default(),
            result: None,
        }
    }
}

/// One line of the delivery log.
pub struct DeliveryLine {
    /// Its number.
    pub id: i64,
    /// When it was queued.
    pub at: Html,
    /// The channel's name.
    pub channel: String,
    /// The incident that it is about.
    pub incident: Option<i64>,
    /// What it says.
    pub event: &'static str,
    /// How it went.
    pub state: Shown,
    /// That in words.
    pub result: String,
    /// How often it was tried.
    pub tries: i64,
    /// How long it took from being queued to being taken.
    pub took: String,
    /// Whether it can be sent again.
    pub can_retry: bool,
}

impl DeliveryLine {
    fn of(delivery: &Delivery, names: &[(i64, String)], viewer: Viewer) -> Self {
        let channel = names.iter().find(|(id, _)| *id == delivery.channel_id);
        let status = delivery.last_status.map(|code| code.to_string()).unwrap_or_default();
        let error = delivery.last_error.as_deref().map(one_line).unwrap_or_default();
        let (state, result) = match delivery.state {
            DeliveryState::Delivered => (Shown::Up, format!("Delivered {status}")),
            DeliveryState::Failed => (Shown::Down, format!("Failed: {error}")),
            DeliveryState::Pending if delivery.attempts > 0 => {
                (Shown::Confirming, format!("Trying again: {error}"))
            }
            DeliveryState::Pending => (Shown::Waiting, "On its way".to_owned()),
        };
        let took = delivery.delivered_at.map(|at| millis(at.since(delivery.created_at)));
        Self {
            id: delivery.id,
            at: viewer.ago_html(delivery.created_at),
            channel: channel.map_or_else(|| "deleted".to_owned(), |(_, name)| one_line(name)),
            incident: delivery.incident_id,
            event: event_words(delivery.event),
            state,
            result: result.trim_end().to_owned(),
            tries: delivery.attempts,
            took: took.unwrap_or_else(|| "–".to_owned()),
            can_retry: delivery.state == DeliveryState::Failed,
        }
    }
}

fn event_words(event: AlertEvent) -> &'static str {
    match event {
        AlertEvent::MonitorDown => "down",
        AlertEvent::MonitorUp => "up again",
        AlertEvent::MonitorDegraded => "degraded",
        AlertEvent::CertificateExpiring => "certificate",
        AlertEvent::ProbeLost => "probe lost",
        AlertEvent::ProbeBack => "probe back",
        AlertEvent::SelfCutOff => "Watchbell cut off",
        AlertEvent::SelfBack => "Watchbell back",
        AlertEvent::ChannelFailed => "channel failed",
        AlertEvent::ChannelTest => "test",
    }
}

/// What the address of the page asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChannelsQuery {
    state: String,
    show: Option<i64>,
}

#[derive(Template)]
#[template(path = "pages/channels.html")]
struct ChannelsPage {
    shell: Shell,
    channels: Vec<ChannelRow>,
    log: Vec<DeliveryLine>,
    failed_only: bool,
    failed: String,
    more: Option<i64>,
    may_edit: bool,
}

/// `GET /channels`.
pub async fn page(visit: Visit, query: web::Query<ChannelsQuery>) -> Page {
    view(&visit, &query, None).await
}

async fn view(visit: &Visit, query: &ChannelsQuery, tested: Option<(i64, InlineResult)>) -> Page {
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = channels::list(conn, &visit.state.sealer, CHANNELS, 0).await?.channels;
    let limit = query.show.unwrap_or(DELIVERIES).clamp(DELIVERIES, 1000);
    let failed_only = query.state == "failed";
    let failed = deliveries::Filter { state: Some(DeliveryState::Failed), ..Default::default() };
    let filter = if failed_only { failed } else { deliveries::Filter::default() };
    let log = deliveries::list(conn, &filter, limit, 0).await?;
    let failed_total = deliveries::list(conn, &failed, 1, 0).await?.total;
    let names: Vec<(i64, String)> = found.iter().map(|c| (c.id, c.settings.name.clone())).collect();
    let mut rows: Vec<ChannelRow> = found.iter().map(|c| ChannelRow::of(c, viewer)).collect();
    let mut status = StatusCode::OK;
    if let Some((id, result)) = tested {
        status = if result.state == Shown::Down { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        if let Some(row) = rows.iter_mut().find(|row| row.id == id) {
            row.result = Some(result);
        }
    }
    let lines = log.deliveries.iter().map(|d| DeliveryLine::of(d, &names, viewer));
    let page = ChannelsPage {
        shell: visit.shell("channels", "Channels").await?,
        log: lines.collect(),
        channels: rows,
        failed_only,
        failed: if failed_total > 0 {
            format!("Failed {failed_total}")
        } else {
            "Failed".to_owned()
        },
        more: (log.total > limit).then_some(limit + 50),
        may_edit: visit.who.role.may(Permission::Edit),
    };
    show_as(status, &page)
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
    view(&visit, &ChannelsQuery::default(), Some((*id, result))).await
}

fn told(outcome: &TestOutcome) -> InlineResult {
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
        let more = format!("After {took}. Mend it under Edit, then send another test.");
        InlineResult { state: Shown::Down, bold, more }
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

/// `POST /deliveries/{id}/retry`: a failed one is sent again.
pub async fn retry(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut tx = visit.state.db.begin().await?;
    let queued = deliveries::retry(&mut tx.conn(), *id, visit.viewer.now).await?;
    tx.commit().await?;
    if !queued {
        let reason = "only a failed delivery can be sent again".to_owned();
        return Err(ApiError::Conflict(reason).into());
    }
    visit.state.outbox.wake().wake();
    Ok(see_other("/channels#log"))
}
