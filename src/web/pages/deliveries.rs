//! The delivery log: its lines, one delivery with its request and the answer, and sending one again.

use actix_web::web;
use askama::Template;

use super::error::{Page, PageError, sentence, show};
use super::sent;
use super::status::Shown;
use super::text::{Html, Viewer, millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::incident::message::{AlertEvent, one_line};
use crate::notify::{Channel, Delivery, DeliveryState};
use crate::store::{Conn, channels, deliveries};
use crate::web::error::ApiError;

/// One line of the log.
pub struct DeliveryLine {
    /// Its number.
    pub id: i64,
    /// When it was queued.
    pub at: Html,
    /// The channel's name.
    pub channel: String,
    /// The icon of the channel's kind.
    pub icon: &'static str,
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
    /// How long the attempt took that delivered it.
    pub took: String,
    /// Whether it can be sent again.
    pub can_retry: bool,
    /// The request and the answer, when the line is open.
    pub detail: Option<Detail>,
}

impl DeliveryLine {
    /// A delivery as a line.
    pub fn of(delivery: &Delivery, channel: Option<&Channel>, viewer: Viewer) -> Self {
        let error = delivery.last_error.as_deref().map(one_line).unwrap_or_default();
        let (state, result) = match delivery.state {
            DeliveryState::Delivered => (Shown::Up, delivered(delivery)),
            DeliveryState::Failed => (Shown::Down, error),
            DeliveryState::Pending if delivery.attempts > 0 => {
                (Shown::Confirming, format!("Trying again: {error}"))
            }
            DeliveryState::Pending => (Shown::Waiting, "On its way".to_owned()),
        };
        Self {
            id: delivery.id,
            at: viewer.ago_html(delivery.created_at),
            channel: channel.map_or_else(|| "deleted".to_owned(), |c| one_line(&c.settings.name)),
            icon: channel.map_or("bell", |c| c.kind().about().icon),
            incident: delivery.incident_id,
            event: event_words(delivery.event),
            state,
            result,
            tries: delivery.attempts,
            took: delivery.latency_ms.map_or_else(|| "–".to_owned(), millis),
            can_retry: delivery.state == DeliveryState::Failed,
            detail: None,
        }
    }
}

/// `200`, `204 after 2 tries`, `Delivered`.
fn delivered(delivery: &Delivery) -> String {
    let status = delivery.last_status.map_or("Delivered".to_owned(), |code| code.to_string());
    match delivery.attempts {
        ..=1 => status,
        n => format!("{status} after {n} tries"),
    }
}

/// What an event is called in the log.
pub fn event_words(event: AlertEvent) -> &'static str {
    match event {
        AlertEvent::MonitorDown => "down",
        AlertEvent::MonitorUp => "up again",
        AlertEvent::MonitorDegraded => "degraded",
        AlertEvent::CertificateExpiring => "certificate",
        AlertEvent::ProbeLost => "probe lost",
        AlertEvent::ProbeBack => "probe back",
        AlertEvent::IncidentReminder => "reminder",
        AlertEvent::IncidentAcknowledged => "acknowledged",
        AlertEvent::SelfCutOff => "Watchbell cut off",
        AlertEvent::SelfBack => "Watchbell back",
        AlertEvent::ChannelFailed => "channel failed",
        AlertEvent::ChannelTest => "test",
        AlertEvent::Summary => "summary",
    }
}

/// The request and the answer of a delivery.
pub struct Detail {
    /// How it was sent, in a line.
    pub sent: String,
    /// The request.
    pub request: String,
    /// What stands over the answer.
    pub answered: String,
    /// The status of the answer; empty when none came.
    pub status: String,
    /// The far end's words.
    pub answer: String,
    /// Whether they tell of a failure.
    pub is_bad: bool,
}

impl Detail {
    /// Reads what there is to say of a delivery.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read(
        visit: &Visit,
        conn: &mut Conn<'_>,
        delivery: &Delivery,
        channel: Option<&Channel>,
    ) -> crate::store::Result<Self> {
        let viewer = visit.viewer;
        let alert = deliveries::alert(conn, delivery.id).await?;
        let key = format!("msg_{}_{}", delivery.created_at.0, delivery.id);
        let at = delivery.delivered_at.unwrap_or(delivery.created_at);
        let request = match (alert, channel) {
            (Some(Ok(alert)), Some(channel)) => sent::request(
                &channel.settings.config,
                &alert,
                &key,
                at,
                &visit.state.base_url.get(),
            ),
            (Some(Err(error)), _) => format!("The alert cannot be read: {error}"),
            _ => "The channel was deleted.".to_owned(),
        };
        Ok(Self {
            sent: sent_words(delivery, viewer),
            request,
            answered: delivery
                .latency_ms
                .map_or_else(|| "Answer".to_owned(), |ms| format!("Answer, {}", millis(ms))),
            status: delivery.last_status.map_or_else(String::new, |code| code.to_string()),
            answer: delivery.last_error.clone().unwrap_or_else(|| match delivery.state {
                DeliveryState::Delivered => "It was taken.".to_owned(),
                _ => "No attempt was made yet.".to_owned(),
            }),
            is_bad: delivery.last_error.is_some(),
        })
    }
}

/// How often it was tried, and what comes next.
fn sent_words(delivery: &Delivery, viewer: Viewer) -> String {
    let tries = plural(usize::try_from(delivery.attempts).unwrap_or_default(), "time");
    match (delivery.state, delivery.attempts) {
        (DeliveryState::Delivered, ..=1) => "Sent once".to_owned(),
        (DeliveryState::Delivered, _) => format!("Sent {tries}, taken at the last"),
        (DeliveryState::Failed, ..=1) => {
            "Sent once, not tried again: the answer is final".to_owned()
        }
        (DeliveryState::Failed, _) => format!("Tried {tries}, then given up"),
        (DeliveryState::Pending, 0) => "Waits for its first attempt".to_owned(),
        (DeliveryState::Pending, _) => match delivery.next_attempt_at {
            Some(at) => format!("Tried {tries}, again at {}", viewer.clock(at)),
            None => format!("Tried {tries}"),
        },
    }
}

#[derive(Template)]
#[template(path = "pages/delivery.html")]
struct DeliveryPage {
    shell: Shell,
    line: DeliveryLine,
    detail: Detail,
    channel_id: i64,
    queued: Html,
    delivered: Html,
    may_edit: bool,
}

/// `GET /deliveries/{id}`.
pub async fn page(visit: Visit, id: web::Path<i64>) -> Page {
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let delivery = deliveries::get(conn, *id).await?;
    let delivery = delivery.ok_or_else(|| PageError::no_such("delivery"))?;
    let channel = channels::get(conn, &visit.state.sealer, delivery.channel_id).await?;
    let detail = Detail::read(&visit, conn, &delivery, channel.as_ref()).await?;
    show(&DeliveryPage {
        shell: visit.shell("channels", &format!("Delivery {id}")).await?,
        line: DeliveryLine::of(&delivery, channel.as_ref(), viewer),
        detail,
        channel_id: delivery.channel_id,
        queued: viewer.fixed_html(delivery.created_at, &viewer.full(delivery.created_at)),
        delivered: delivery
            .delivered_at
            .map_or_else(Html::default, |at| viewer.fixed_html(at, &viewer.full(at))),
        may_edit: visit.who.role.may(Permission::Edit),
    })
}

impl DeliveryPage {
    fn headline(&self) -> String {
        sentence(&format!("{} to {}", self.line.event, self.line.channel))
            .trim_end_matches('.')
            .to_owned()
    }
}

/// `POST /deliveries/{id}/retry`: a failed one is sent again.
pub async fn retry(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut tx = visit.state.db.begin().await?;
    let queued = deliveries::retry(&mut tx.conn(), *id, visit.viewer.now).await?;
    if !queued {
        let delivery = deliveries::get(&mut tx.conn(), *id).await?;
        let delivery = delivery.ok_or_else(|| PageError::no_such("delivery"))?;
        return Err(ApiError::Conflict(delivery.why_not_again()).into());
    }
    tx.commit().await?;
    visit.state.outbox.wake().wake();
    Ok(see_other(&format!("/deliveries/{id}")))
}
