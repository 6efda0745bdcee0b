//! What is done with several monitors at once: `POST /monitors/bulk`. What can be undone is, by the bar that says what was done.

use std::collections::BTreeSet;
use std::future::Future;

use askama::Template;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};

use super::error::{Page, PageError};
use super::form::Input;
use super::list_query::ListQuery;
use super::monitors::{entries, filter, open_windows};
use super::text::{count, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::checker::EngineError;
use crate::monitor::{MonitorId, Status};
use crate::store::monitors::{self, Watched};
use crate::store::{Conn, channels};
use crate::web::error::ApiError;
use crate::web::undo::Inverse;

/// Changes that wait for the writer at once, which takes them in groups.
const AT_ONCE: usize = 64;
/// Why a monitor is given no channel.
const HAS_POLICY: &str = "its escalation policy says who is told";
/// Names that the question before deleting spells out.
const NAMED: usize = 10;

crate::words! {
    /// What can be done with several monitors.
    pub enum Act {
        /// Stop watching.
        Pause = "pause",
        /// Watch again.
        Resume = "resume",
        /// Add a tag.
        Tag = "tag",
        /// Take a tag away.
        Untag = "untag",
        /// Let a channel be told too.
        Channel = "channel",
        /// Let a channel be told no more.
        Unchannel = "unchannel",
        /// Delete, after a question.
        Delete = "delete",
        /// Take back what was done.
        Undo = "undo",
    }
}

#[derive(Template)]
#[template(path = "pages/confirm_bulk.html")]
struct ConfirmPage {
    shell: Shell,
    names: Vec<String>,
    others: usize,
    ids: String,
    question: String,
    query: String,
    back: String,
}

/// What came of it: how many were changed, and why others were not.
#[derive(Default)]
struct Outcome {
    done: Vec<MonitorId>,
    refused: Vec<String>,
}

/// `POST /monitors/bulk`.
pub async fn bulk(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let act: Act =
        input.get("action").parse().map_err(|reason| ApiError::field("action", reason))?;
    if act == Act::Undo {
        return undo(&visit, &input).await;
    }
    let chosen = chosen(&visit, &input).await?;
    let query = ListQuery::parse(input.get("query"));
    if act == Act::Delete && input.get("confirmed").is_empty() {
        return confirm(&visit, &chosen, &query).await;
    }
    let (outcome, inverse) = perform(&visit, act, &input, &chosen).await?;
    let words = words(act, &input, &outcome, chosen.len());
    back(&visit, &query, words, inverse)
}

fn back(visit: &Visit, query: &ListQuery, words: String, inverse: Inverse) -> Page {
    let token = visit.state.undo.note(&visit.who.name, visit.viewer.now, words, inverse);
    Ok(see_other(&query.with(|q| q.undo = token)))
}

/// The monitors that were ticked, or all that the list's query finds. Those that are gone are left out.
async fn chosen(visit: &Visit, input: &Input) -> Result<Vec<Watched>, PageError> {
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let ids = if input.get("all").is_empty() {
        let listed = input.get("ids").split(',');
        listed.chain(input.all("id")).filter_map(|id| id.trim().parse().ok()).collect()
    } else {
        all_that_match(conn, visit, &ListQuery::parse(input.get("query"))).await?
    };
    let ids: Vec<MonitorId> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let mut chosen = monitors::by_ids(conn, &ids).await?;
    chosen.sort_by_key(|watched| watched.monitor.id);
    if chosen.is_empty() {
        return Err(ApiError::field("id", "names no monitor: tick at least one").into());
    }
    Ok(chosen)
}

async fn all_that_match(
    conn: &mut Conn<'_>,
    visit: &Visit,
    query: &ListQuery,
) -> Result<Vec<MonitorId>, PageError> {
    let windows = open_windows(conn, visit.viewer).await?;
    let entries =
        entries(conn, &filter(query, &visit.state.region), &windows, visit.viewer).await?;
    let state = query.state();
    let fits = entries.iter().filter(|entry| state.is_none_or(|state| entry.state == state));
    Ok(fits.map(|entry| entry.id).collect())
}

async fn confirm(visit: &Visit, chosen: &[Watched], query: &ListQuery) -> Page {
    let named = chosen.iter().take(NAMED).map(|w| w.monitor.settings.name.clone()).collect();
    let ids: Vec<String> = chosen.iter().map(|w| w.monitor.id.to_string()).collect();
    let whose = if chosen.len() == 1 { "its" } else { "their" };
    let question = format!("Delete {} and {whose} history?", plural(chosen.len(), "monitor"));
    let link = query.with(|_| {});
    let page = ConfirmPage {
        shell: visit.shell("monitors", &question).await?,
        names: named,
        others: chosen.len().saturating_sub(NAMED),
        ids: ids.join(","),
        question,
        query: link.split_once('?').map_or_else(String::new, |(_, query)| query.to_owned()),
        back: link,
    };
    super::error::show(&page)
}

async fn perform(
    visit: &Visit,
    act: Act,
    input: &Input,
    chosen: &[Watched],
) -> Result<(Outcome, Inverse), PageError> {
    let engine = &visit.state.engine;
    let with_status = |is_paused: bool| {
        let fits = chosen.iter().filter(move |w| (w.state.status == Status::Paused) == is_paused);
        fits.map(|w| w.monitor.id).collect::<Vec<_>>()
    };
    let done = match act {
        Act::Pause => each(with_status(false), |id| engine.pause(id)).await?,
        Act::Resume => each(with_status(true), |id| engine.resume(id)).await?,
        Act::Delete => each(all_ids(chosen), |id| engine.delete_monitor(id)).await?,
        Act::Undo => Outcome::default(),
        Act::Tag | Act::Untag | Act::Channel | Act::Unchannel => {
            let edits = edits(visit, act, input, chosen).await?;
            let (fresh, old): (Vec<_>, Vec<_>) =
                edits.into_iter().map(|(id, new, old)| ((id, new), (id, old))).unzip();
            let mut outcome = write(visit, fresh).await?;
            if matches!(act, Act::Channel | Act::Unchannel) {
                let bound = chosen.iter().filter(|watched| has_policy(watched));
                outcome.refused.extend(bound.map(|_| HAS_POLICY.to_owned()));
            }
            let old = old.into_iter().filter(|(id, _)| outcome.done.contains(id)).collect();
            return Ok((outcome, Inverse::Write(old)));
        }
    };
    let inverse = match act {
        _ if done.done.is_empty() => Inverse::None,
        Act::Pause => Inverse::Resume(done.done.clone()),
        Act::Resume => Inverse::Pause(done.done.clone()),
        _ => Inverse::None,
    };
    Ok((done, inverse))
}

fn all_ids(chosen: &[Watched]) -> Vec<MonitorId> {
    chosen.iter().map(|watched| watched.monitor.id).collect()
}

type Edit = (MonitorId, Map<String, Value>, Map<String, Value>);

/// What to write of each monitor that the act changes, and what stood there.
async fn edits(
    visit: &Visit,
    act: Act,
    input: &Input,
    chosen: &[Watched],
) -> Result<Vec<Edit>, PageError> {
    let one = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
    if matches!(act, Act::Tag | Act::Untag) {
        let tag = input.get("tag");
        if tag.is_empty() {
            return Err(ApiError::field("tag", "is missing: write the tag").into());
        }
        let edit = |watched: &Watched| {
            let old = &watched.monitor.settings.tags;
            let new = changed(old, &tag.to_owned(), act == Act::Tag)?;
            Some((watched.monitor.id, one("tags", json!(new)), one("tags", json!(old))))
        };
        return Ok(chosen.iter().filter_map(edit).collect());
    }
    let mut reader = visit.state.db.read().await?;
    let enabled = channels::enabled_names(&mut reader.conn()).await?;
    let usual = channels::defaults(&mut reader.conn()).await?;
    let channel =
        enabled.iter().map(|(id, _)| *id).find(|id| id.to_string() == input.get("channel"));
    let channel =
        channel.ok_or_else(|| ApiError::field("channel", "must be a channel that is enabled"))?;
    let edit = |watched: &Watched| {
        if has_policy(watched) {
            return None;
        }
        let old = &watched.monitor.settings.channel_ids;
        let new = changed(old.as_ref().unwrap_or(&usual), &channel, act == Act::Channel)?;
        Some((watched.monitor.id, one("channel_ids", json!(new)), one("channel_ids", json!(old))))
    };
    Ok(chosen.iter().filter_map(edit).collect())
}

/// Whether an escalation policy says who is told, and not a list of channels.
fn has_policy(watched: &Watched) -> bool {
    watched.monitor.settings.escalation_policy_id.is_some()
}

/// `old` with `item` in it, or without; `None` when that is so already.
fn changed<T: Clone + PartialEq>(old: &[T], item: &T, is_wanted: bool) -> Option<Vec<T>> {
    if old.contains(item) == is_wanted {
        return None;
    }
    let mut new: Vec<T> = old.iter().filter(|each| *each != item).cloned().collect();
    new.extend(is_wanted.then(|| item.clone()));
    Some(new)
}

async fn write(
    visit: &Visit,
    edits: Vec<(MonitorId, Map<String, Value>)>,
) -> Result<Outcome, PageError> {
    let engine = &visit.state.engine;
    let mut fields: std::collections::HashMap<_, _> = edits.into_iter().collect();
    let ids: Vec<MonitorId> = fields.keys().copied().collect();
    each(ids, |id| engine.update_monitor(id, fields.remove(&id).unwrap_or_default())).await
}

/// Does something with each of `ids`. What is refused is told beside what was done; when nothing can be done now, that is the answer.
async fn each<T, F>(
    ids: Vec<MonitorId>,
    mut act: impl FnMut(MonitorId) -> F,
) -> Result<Outcome, PageError>
where
    F: Future<Output = Result<T, EngineError>>,
{
    let mut outcome = Outcome::default();
    let results = stream::iter(ids.into_iter().map(|id| {
        let done = act(id);
        async move { (id, done.await) }
    }));
    let mut results = results.buffer_unordered(AT_ONCE);
    while let Some((id, result)) = results.next().await {
        match result {
            Ok(_) => outcome.done.push(id),
            // It was deleted meanwhile.
            Err(EngineError::NotFound) => {}
            Err(error @ EngineError::Unavailable(_)) if outcome.done.is_empty() => {
                return Err(PageError::of_engine(error, "monitor"));
            }
            Err(error) => outcome.refused.push(ApiError::of_engine(error, "monitor").to_string()),
        }
    }
    Ok(outcome)
}

fn words(act: Act, input: &Input, outcome: &Outcome, chosen: usize) -> String {
    let monitors = plural(outcome.done.len(), "monitor");
    let tag = input.get("tag");
    let mut words = match act {
        _ if outcome.done.is_empty() && !outcome.refused.is_empty() => {
            "Nothing was changed".to_owned()
        }
        _ if outcome.done.is_empty() => {
            let already = match act {
                Act::Pause => "paused already",
                Act::Resume => "watched already",
                _ => "so already",
            };
            match chosen {
                1 => format!("Nothing to do: it is {already}."),
                n => format!("Nothing to do: all {} are {already}.", count(n)),
            }
        }
        Act::Pause => format!("Paused {monitors}"),
        Act::Resume => format!("Resumed {monitors}"),
        Act::Tag => format!("Tagged {monitors} with {tag}"),
        Act::Untag => format!("Took {tag} from {monitors}"),
        Act::Channel => format!("Added the channel to {monitors}"),
        Act::Unchannel => format!("Took the channel from {monitors}"),
        Act::Delete => format!("Deleted {monitors}"),
        Act::Undo => format!("Undone for {monitors}"),
    };
    if let Some(first) = outcome.refused.first() {
        words
            .push_str(&format!("; {} could not be changed: {first}", count(outcome.refused.len())));
    }
    words
}

/// Takes back what a token stands for.
async fn undo(visit: &Visit, input: &Input) -> Page {
    let query = ListQuery::parse(input.get("query"));
    let now = visit.state.clock.now();
    let Some(done) = visit.state.undo.take(input.get("undo"), &visit.who.name, now) else {
        return Err(
            ApiError::Conflict("this was undone already, or is too long ago".to_owned()).into()
        );
    };
    let engine = &visit.state.engine;
    let outcome = match done.inverse {
        Inverse::None => Outcome::default(),
        Inverse::Pause(ids) => each(ids, |id| engine.pause(id)).await?,
        Inverse::Resume(ids) => each(ids, |id| engine.resume(id)).await?,
        Inverse::Write(fields) => write(visit, fields).await?,
    };
    back(visit, &query, words(Act::Undo, input, &outcome, outcome.done.len()), Inverse::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_written() {
        for (old, item, is_wanted, new) in [
            (&[1][..], 2, true, Some(vec![1, 2])),
            (&[1, 2], 1, false, Some(vec![2])),
            (&[1], 1, true, None),
            (&[1], 2, false, None),
        ] {
            assert_eq!(changed(old, &item, is_wanted), new, "{item} in {old:?}: {is_wanted}");
        }
    }

    #[test]
    fn what_was_done_is_told_with_what_was_not() {
        let input = Input(vec![("tag".to_owned(), "tier-1".to_owned())]);
        let told = |act, done: i64, refused: &[&str], chosen| {
            let refused = refused.iter().map(|reason| (*reason).to_owned()).collect();
            words(act, &input, &Outcome { done: (0..done).collect(), refused }, chosen)
        };
        assert_eq!(told(Act::Pause, 1284, &[], 1284), "Paused 1,284 monitors");
        assert_eq!(told(Act::Pause, 0, &[], 3), "Nothing to do: all 3 are paused already.");
        assert_eq!(told(Act::Tag, 1, &[], 2), "Tagged 1 monitor with tier-1");
        assert_eq!(
            told(Act::Tag, 2, &["tags: too many"], 3),
            "Tagged 2 monitors with tier-1; 1 could not be changed: tags: too many"
        );
    }
}
