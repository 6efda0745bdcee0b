//! Escalation: the list of policies, and what is done with one: edited, copied, tested, deleted.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use futures_util::future::try_join_all;
use serde::Deserialize;

use super::actions::confirm;
use super::error::{Page, PageError, sentence, show};
use super::escalation_editor::{Edited, show_editor};
use super::escalation_form::Draft;
use super::escalation_preview::{Known, When, in_words};
use super::form::Input;
use super::query::PageQuery;
use super::status::Shown;
use super::text::{millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::checker::EngineError;
use crate::incident::escalation::EscalationPolicy;
use crate::incident::message::one_line;
use crate::notify::Channel;
use crate::store::{channels, escalation_policies};

/// Policies on the page at most.
const POLICIES: i64 = 500;
/// Channels that can be chosen from at most.
const CHANNELS: i64 = 500;

/// A policy in the list.
pub struct PolicyRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Who is told when, in a sentence.
    pub words: String,
    /// How many monitors use it.
    pub users: String,
    /// The channels in it that alerts do not reach.
    pub failing: String,
}

#[derive(Template)]
#[template(path = "pages/escalation.html")]
struct ListPage {
    shell: Shell,
    policies: Vec<PolicyRow>,
    may_edit: bool,
}

/// `GET /escalation`.
pub async fn list(visit: Visit) -> Page {
    let known = known(&all_channels(&visit).await?);
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = escalation_policies::list(conn, POLICIES, 0).await?;
    let counts: BTreeMap<i64, i64> =
        escalation_policies::user_counts(conn).await?.into_iter().collect();
    let row = |policy: EscalationPolicy| {
        let users = counts.get(&policy.id).and_then(|n| usize::try_from(*n).ok()).unwrap_or(0);
        PolicyRow {
            id: policy.id,
            name: one_line(&policy.name),
            words: sentence(&in_words(&policy, &known)),
            users: plural(users, "monitor"),
            failing: failing(&policy, &known).join(", "),
        }
    };
    show(&ListPage {
        shell: visit.shell("escalation", "Escalation").await?,
        policies: found.into_iter().map(row).collect(),
        may_edit: visit.who.role.may(Permission::Edit),
    })
}

/// The channels of a policy that alerts do not reach.
fn failing(policy: &EscalationPolicy, known: &[Known]) -> Vec<String> {
    let used = |channel: &&Known| policy.steps.iter().any(|s| s.channel_ids.contains(&channel.id));
    let failing = known.iter().filter(|channel| channel.is_failing).filter(used);
    failing.map(|channel| channel.name.clone()).collect()
}

/// Every channel that can be chosen from.
pub(super) async fn all_channels(visit: &Visit) -> Result<Vec<Channel>, PageError> {
    let mut reader = visit.state.db.read().await?;
    Ok(channels::list(&mut reader.conn(), &visit.state.sealer, CHANNELS, 0).await?.channels)
}

/// Channels as the editor knows them.
pub(super) fn known(channels: &[Channel]) -> Vec<Known> {
    let known = |channel: &Channel| Known {
        id: channel.id,
        name: one_line(&channel.settings.name),
        kind: channel.kind().about().name,
        icon: channel.kind().about().icon,
        ears: channel.kind().ears(),
        is_off: !channel.settings.enabled,
        is_failing: channel.failed_at.is_some(),
    };
    channels.iter().map(known).collect()
}

/// What came of one channel of a test run.
pub struct TestLine {
    /// The channel.
    pub name: String,
    /// How it went.
    pub state: Shown,
    /// That in words.
    pub words: String,
}

/// What came of a test run.
#[derive(Template)]
#[template(path = "parts/test_run.html")]
pub struct TestRun {
    lines: Vec<TestLine>,
}

/// What a new policy begins as.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Beginning {
    /// The policy that it is a copy of.
    from: Option<i64>,
}

/// `GET /escalation/new`.
pub async fn new_page(visit: Visit, PageQuery(query): PageQuery<Beginning>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    if let Some(id) = query.from {
        let draft = stored(&visit, id).await?.copy();
        return show_editor(&visit, Edited::of(None, draft)).await;
    }
    let mut reader = visit.state.db.read().await?;
    let defaults = channels::defaults(&mut reader.conn()).await?;
    drop(reader);
    show_editor(&visit, Edited::of(None, Draft::new(defaults))).await
}

/// `GET /escalation/{id}`.
pub async fn edit_page(visit: Visit, id: web::Path<i64>) -> Page {
    let draft = stored(&visit, *id).await?;
    show_editor(&visit, Edited::of(Some(*id), draft)).await
}

async fn find(visit: &Visit, id: i64) -> Result<EscalationPolicy, PageError> {
    let mut reader = visit.state.db.read().await?;
    let found = escalation_policies::get(&mut reader.conn(), id).await?;
    found.ok_or_else(|| PageError::no_such("escalation policy"))
}

/// A policy as it is stored.
pub(super) async fn stored(visit: &Visit, id: i64) -> Result<Draft, PageError> {
    let policy = find(visit, id).await?;
    let mut reader = visit.state.db.read().await?;
    Ok(Draft::of(&policy, &channels::all_ids(&mut reader.conn()).await?))
}

/// `POST /escalation/new`.
pub async fn create(visit: Visit, input: Input) -> Page {
    save(&visit, None, &input).await
}

/// `POST /escalation/{id}`.
pub async fn update(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    save(&visit, Some(*id), &input).await
}

/// Saves what was posted; a button of the editor only changes what is shown.
async fn save(visit: &Visit, id: Option<i64>, input: &Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut draft = Draft::posted(input);
    let button = input.get("press");
    let when = button.strip_prefix("when:").unwrap_or(input.get("when"));
    let when = when.parse().unwrap_or(When::Night);
    if !button.is_empty() {
        draft.press(button);
        return show_editor(visit, Edited { when, ..Edited::of(id, draft) }).await;
    }
    let map = draft.to_json();
    let engine = &visit.state.engine;
    let saved = match id {
        Some(id) => {
            let edit = |current: &EscalationPolicy| {
                EscalationPolicy::read(&map, Some(current)).map_err(EngineError::Invalid)
            };
            engine.update_policy(id, edit).await
        }
        None => match EscalationPolicy::read(&map, None) {
            Ok(policy) => engine.create_policy(policy).await,
            Err(errors) => Err(EngineError::Invalid(errors)),
        },
    };
    match saved {
        Ok(policy) => Ok(see_other(&format!("/escalation/{}", policy.id))),
        Err(EngineError::Invalid(errors)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show_editor(visit, Edited { status, errors, when, ..Edited::of(id, draft) }).await
        }
        Err(error) => Err(PageError::of_engine(error, "escalation policy")),
    }
}

/// `POST /escalation/{id}/test`: a message marked as a test to each channel of each step, at once and for real.
pub async fn test(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let policy = find(&visit, *id).await?;
    let mut wanted: Vec<i64> = Vec::new();
    for id in policy.steps.iter().flat_map(|step| &step.channel_ids) {
        if !wanted.contains(id) {
            wanted.push(*id);
        }
    }
    let channels = all_channels(&visit).await?;
    let chosen = wanted.iter().filter_map(|id| channels.iter().find(|channel| channel.id == *id));
    let sent = chosen.map(|channel| test_line(&visit, channel));
    let run = TestRun { lines: try_join_all(sent).await? };
    if visit.wants_part {
        return show(&run);
    }
    let draft = stored(&visit, *id).await?;
    show_editor(&visit, Edited { run: Some(run), ..Edited::of(Some(*id), draft) }).await
}

async fn test_line(visit: &Visit, channel: &Channel) -> Result<TestLine, PageError> {
    let name = one_line(&channel.settings.name);
    if !channel.settings.enabled {
        let words = "switched off".to_owned();
        return Ok(TestLine { name, state: Shown::Paused, words });
    }
    let outcome = visit.state.outbox.send_test(channel).await?;
    let status = outcome.status.map(|code| code.to_string()).unwrap_or_default();
    Ok(if outcome.ok {
        let words = format!("delivered, {}", millis(outcome.latency_ms));
        TestLine { name, state: Shown::Up, words }
    } else {
        let words = one_line(&format!("{status} {}", outcome.response));
        TestLine { name, state: Shown::Down, words }
    })
}

/// `GET /escalation/{id}/delete`.
pub async fn delete_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let policy = find(&visit, *id).await?;
    let words = (
        format!("Delete {}?", one_line(&policy.name)),
        "Incidents that are open go on with it as it was when they opened. A policy that a monitor uses cannot be deleted.".to_owned(),
        "Delete policy",
    );
    let (action, back) = (format!("/escalation/{id}/delete"), format!("/escalation/{id}"));
    confirm(&visit, "escalation", words, action, back).await
}

/// `POST /escalation/{id}/delete`.
pub async fn delete(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let deleted = visit.state.engine.delete_policy(*id).await;
    deleted.map_err(|error| PageError::of_engine(error, "escalation policy"))?;
    Ok(see_other("/escalation"))
}
