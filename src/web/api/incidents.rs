//! `/incidents`: outages, their timeline, taking them and noting things on them.

use serde_json::json;

use super::{Answer, Id, State, shown};
use crate::account::Principal;
use crate::fields::{Fields, parse_text};
use crate::incident::{IncidentId, IncidentState};
use crate::store::{incidents, timeline};
use crate::web::body::{MaybeObject, Object, data};
use crate::web::error::ApiError;
use crate::web::list::{Page, Query};

/// The longest comment, in characters.
const COMMENT_MAX: usize = 10_000;

/// `GET /incidents`.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    let only: Option<IncidentState> = query.word("state");
    let filter = incidents::Filter {
        monitor_id: query.id("monitor_id"),
        // Asked for the open ones, people want all that go on, taken or not (contract, section 5).
        unresolved: only.map(|only| only != IncidentState::Resolved),
        acknowledged: only == Some(IncidentState::Acknowledged),
    };
    query.finish()?;
    answer(&state, filter, page).await
}

/// One page of the incidents that fit.
///
/// # Errors
/// When the database fails.
pub async fn answer(state: &State, filter: incidents::Filter, page: Page) -> Answer {
    let now = state.clock.now();
    let mut reader = state.db.read().await?;
    let rows = incidents::list(&mut reader.conn(), filter, page.limit(), page.offset()).await?;
    let total = incidents::count(&mut reader.conn(), filter).await?;
    let rows: Vec<_> = rows.iter().map(|incident| shown::incident(incident, now)).collect();
    Ok(page.answer(rows, total))
}

/// `GET /incidents/{id}`: with its timeline.
pub async fn get(state: State, Id(id): Id) -> Answer {
    detail(&state, id).await
}

/// `POST /incidents/{id}/acknowledge`.
pub async fn acknowledge(state: State, who: Principal, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    state.engine.acknowledge(id, &who.name).await.map_err(not_found)?;
    detail(&state, id).await
}

/// `POST /incidents/{id}/comments`.
pub async fn comment(state: State, who: Principal, Id(id): Id, Object(map): Object) -> Answer {
    let mut fields = Fields::new(&map);
    let text = fields.read("text", String::new(), None, |value| {
        parse_text(value, COMMENT_MAX).map(|text| text.trim().to_owned())
    });
    if text.is_empty() {
        fields.wrong("text", "is missing: write something");
    }
    fields.finish()?;
    state.engine.comment(id, &who.name, &text).await.map_err(not_found)?;
    detail(&state, id).await
}

async fn detail(state: &State, id: IncidentId) -> Answer {
    let mut reader = state.db.read().await?;
    let incident = incidents::get(&mut reader.conn(), id).await?;
    let incident = incident.ok_or_else(|| ApiError::no_such("incident"))?;
    let mut shown = shown::incident(&incident, state.clock.now());
    let entries = timeline::list(&mut reader.conn(), id).await?;
    shown.insert("timeline".to_owned(), json!(entries));
    Ok(data(shown))
}

fn not_found(error: crate::checker::EngineError) -> ApiError {
    ApiError::of_engine(error, "incident")
}
