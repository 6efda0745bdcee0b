//! The editor of an escalation policy as it is shown: its steps as cards, what would follow an outage, who uses it.

use actix_web::http::StatusCode;
use askama::Template;

use super::error::{Page, sentence, show_as};
use super::escalation::{TestRun, all_channels, known, stored};
use super::escalation_form::{Draft, DraftStep, LABELS};
use super::escalation_preview::{Known, Preview, When, in_words, preview};
use super::form::{Form, Input};
use super::status::Shown;
use super::text::{listed, plural};
use super::visit::{Shell, Visit};
use crate::account::Permission;
use crate::fields::FieldErrors;
use crate::incident::escalation::EscalationPolicy;
use crate::incident::message::one_line;
use crate::store::escalation_policies;

/// Monitors that are named as users of a policy.
const USERS: usize = 20;

/// A step as the editor shows it.
struct StepCard {
    /// Its number, from 1.
    number: usize,
    name: String,
    wait: String,
    chosen: Vec<Known>,
    /// The channels that can be added.
    others: Vec<Known>,
}

impl StepCard {
    fn of(place: usize, step: &DraftStep, known: &[Known]) -> Self {
        let find = |id: &i64| known.iter().find(|channel| channel.id == *id).cloned();
        let is_other = |channel: &&Known| !step.channel_ids.contains(&channel.id);
        Self {
            number: place + 1,
            name: step.name.clone(),
            wait: step.wait.clone(),
            chosen: step.channel_ids.iter().filter_map(find).collect(),
            others: known.iter().filter(is_other).cloned().collect(),
        }
    }

    /// Its place, from 0, as the fields are named by.
    fn place(&self) -> usize {
        self.number - 1
    }

    /// What it is called as long as nobody says.
    fn default_name(&self) -> String {
        match (self.number, self.wait.as_str()) {
            (1, "" | "0") => "As soon as it is confirmed".to_owned(),
            (1, wait) => format!("{wait} min after it is confirmed"),
            (number, _) => format!("Step {number}"),
        }
    }

    /// What a channel of it that is failing means for it.
    fn without(&self, failing: &Known) -> String {
        let others = self.chosen.iter().filter(|c| c.id != failing.id && c.is_heard());
        let names: Vec<&str> = others.map(|channel| channel.name.as_str()).collect();
        match names.as_slice() {
            [] => format!("Step {} would reach nobody.", self.number),
            names => format!("Step {} would still reach {}.", self.number, listed(names)),
        }
    }
}

/// A channel of the policy that alerts do not reach.
struct Deaf {
    id: i64,
    name: String,
    /// What that means, step by step.
    words: String,
}

/// The channels in `steps` that are failing, each with what that means.
fn deaf(steps: &[StepCard], known: &[Known]) -> Vec<Deaf> {
    let failing = known.iter().filter(|channel| channel.is_failing && !channel.is_off);
    let words = |channel: &Known| -> Vec<String> {
        let has = |step: &&StepCard| step.chosen.iter().any(|c| c.id == channel.id);
        steps.iter().filter(has).map(|step| step.without(channel)).collect()
    };
    let told = failing.map(|channel| (channel, words(channel))).filter(|(_, w)| !w.is_empty());
    let deaf = |(channel, words): (&Known, Vec<String>)| Deaf {
        id: channel.id,
        name: channel.name.clone(),
        words: words.join(" "),
    };
    told.map(deaf).collect()
}

#[derive(Template)]
#[template(path = "pages/escalation_form.html")]
struct EditorPage {
    shell: Shell,
    id: Option<i64>,
    form: Form,
    steps: Vec<StepCard>,
    is_last_alone: bool,
    failing: Vec<Deaf>,
    /// Who is told when, in a sentence; empty as long as that cannot be said.
    words: String,
    when: When,
    preview: Option<Preview>,
    unsaved: String,
    run: Option<TestRun>,
    users: Vec<(i64, String)>,
    user_count: String,
    more_users: usize,
    has_channels: bool,
    may_edit: bool,
}

impl EditorPage {
    fn action(&self) -> String {
        self.id.map_or_else(|| "/escalation/new".to_owned(), |id| format!("/escalation/{id}"))
    }

    fn title(&self) -> &str {
        match self.id {
            Some(_) if self.form.has("name") => self.form.value("name"),
            Some(_) => "Escalation policy",
            None => "New escalation policy",
        }
    }
}

/// What an editor page is made from.
pub struct Edited {
    /// What is answered.
    pub status: StatusCode,
    /// The policy that is edited; `None` of a new one.
    pub id: Option<i64>,
    /// How it stands.
    pub draft: Draft,
    /// What is wrong with it.
    pub errors: FieldErrors,
    /// When the outage of the preview begins.
    pub when: When,
    /// What came of a test run.
    pub run: Option<TestRun>,
}

impl Edited {
    /// A policy of which nothing else is to be said.
    pub fn of(id: Option<i64>, draft: Draft) -> Self {
        let errors = FieldErrors::default();
        Self { status: StatusCode::OK, id, draft, errors, when: When::Night, run: None }
    }
}

fn form(draft: &Draft, errors: &FieldErrors) -> Form {
    let values = [
        ("name", &draft.name),
        ("repeat_every_minutes", &draft.repeat_every_minutes),
        ("repeat_times", &draft.repeat_times),
        ("ack_timeout_minutes", &draft.ack_timeout_minutes),
    ];
    let posted = values.into_iter().map(|(name, value)| (name.to_owned(), value.clone()));
    Form::refused(&Input(posted.collect()), errors, &LABELS)
}

/// Shows the editor.
pub async fn show_editor(visit: &Visit, edited: Edited) -> Page {
    let Edited { status, id, draft, errors, when, run } = edited;
    let known = known(&all_channels(visit).await?);
    let shell = visit
        .shell("escalation", &one_line(id.map_or("New escalation policy", |_| &draft.name)))
        .await?;
    let (mut users, mut saved) = (Vec::new(), None);
    if let Some(id) = id {
        saved = Some(stored(visit, id).await?);
        let mut reader = visit.state.db.read().await?;
        users = escalation_policies::users(&mut reader.conn(), id).await?;
    }
    let user_count = users.len();
    users.truncate(USERS);
    // What cannot be read yet has no outcome to be shown.
    let named = Draft { name: "-".to_owned(), ..draft.clone() };
    let policy = EscalationPolicy::read(&named.to_json(), None).ok();
    let steps: Vec<StepCard> =
        draft.steps.iter().enumerate().map(|(n, step)| StepCard::of(n, step, &known)).collect();
    let page = EditorPage {
        id,
        form: form(&draft, &errors),
        is_last_alone: steps.len() == 1,
        failing: deaf(&steps, &known),
        steps,
        words: policy.as_ref().map(|p| sentence(&in_words(p, &known))).unwrap_or_default(),
        when,
        preview: policy.as_ref().map(|p| preview(p, &known, when, shell.viewer)),
        unsaved: draft.unsaved(saved.as_ref()),
        run,
        more_users: user_count - users.len(),
        users: users.into_iter().map(|(id, name)| (id, one_line(&name))).collect(),
        user_count: plural(user_count, "monitor"),
        has_channels: !known.is_empty(),
        may_edit: visit.who.role.may(Permission::Edit),
        shell,
    };
    show_as(status, &page)
}
