//! The monitor list as it is drawn: its template, and what that says of sections, filters and views.

use askama::Template;

use super::list_query::{Density, ListQuery, Sort, View};
use super::list_sections::{About, Section};
use super::open_incidents::OpenIncident;
use super::row::Row;
use super::status::Shown;
use super::text::{Html, count};
use super::visit::Shell;
use crate::monitor::Kind;
use crate::web::undo::{Done, Inverse};

/// A count that filters.
pub struct Chip {
    /// Its state; `None`: all.
    pub state: Option<Shown>,
    /// How many.
    pub count: String,
    /// Where it leads.
    pub link: String,
    /// Whether it is the present filter.
    pub is_current: bool,
}

impl Chip {
    /// The name of its count on the live stream.
    pub fn key(&self) -> &'static str {
        self.state.map_or("all", |state| state.class())
    }
}

/// A section as it is drawn.
pub struct Part {
    /// What it is.
    pub section: Section,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Where its head leads: the same list with it folded or open.
    pub toggle: String,
    /// Where its "Show more" leads, if the page can show more.
    pub more: Option<String>,
}

impl Part {
    /// Its name.
    pub fn title(&self) -> String {
        match &self.section.about {
            About::Attention => "Needs attention".to_owned(),
            About::Tag(tag) if tag.is_empty() => "No tag".to_owned(),
            About::Tag(tag) => tag.clone(),
            About::State(state) => state.word().to_owned(),
            About::All => String::new(),
        }
    }

    /// Its size.
    pub fn total(&self) -> String {
        count(self.section.total)
    }

    /// What "Show more" says.
    pub fn more_words(&self) -> String {
        let n = count(self.section.hidden);
        if self.more.is_none() {
            return format!("{n} more: search or filter to see them");
        }
        match self.section.about {
            About::All => format!("Show more, {n} left"),
            _ => format!("Show {n} more in {}", self.title()),
        }
    }

    /// Whether it has a head that folds it.
    pub fn has_head(&self) -> bool {
        self.section.about != About::All
    }

    /// Whether it is what is pinned.
    pub fn is_attention(&self) -> bool {
        self.section.about == About::Attention
    }

    /// How many are in which state: icon and words.
    pub fn tally(&self) -> Vec<(Html, String)> {
        let words = |(state, n): &(Shown, usize)| {
            let up = if *state == Shown::Up { " up" } else { "" };
            (state.icon(), format!("{}{up}", count(*n)))
        };
        self.section.tally.iter().map(words).collect()
    }

    /// Whether it is a group whose states are counted in its head.
    pub fn has_tally(&self) -> bool {
        matches!(self.section.about, About::Tag(_))
    }
}

/// One of a few ways to show the list.
pub struct Choice {
    /// What it is called.
    pub words: &'static str,
    /// Its icon, if it has one.
    pub icon: &'static str,
    /// Where it leads.
    pub link: String,
    /// Whether it is the present one.
    pub is_current: bool,
}

/// What was done with several monitors, and can be undone.
pub struct UndoBar {
    /// What was done.
    pub words: String,
    /// What stands for it; empty when it cannot be undone.
    pub token: String,
}

#[derive(Template)]
#[template(path = "pages/monitors.html")]
pub(super) struct ListPage {
    pub(super) shell: Shell,
    pub(super) query: ListQuery,
    pub(super) view: View,
    pub(super) density: Density,
    pub(super) open: Vec<OpenIncident>,
    pub(super) chips: Vec<Chip>,
    pub(super) tags: Vec<String>,
    /// Those to choose from; none without a probe.
    pub(super) regions: Vec<String>,
    pub(super) channels: Vec<(i64, String)>,
    pub(super) parts: Vec<Part>,
    pub(super) matching: usize,
    pub(super) took_ms: i64,
    pub(super) undo: Option<UndoBar>,
    pub(super) may_edit: bool,
    pub(super) nobody_told: bool,
}

impl From<Done> for UndoBar {
    fn from(done: Done) -> Self {
        let can = done.inverse != Inverse::None;
        Self { words: done.words, token: if can { done.token } else { String::new() } }
    }
}

impl ListPage {
    fn no_match(&self) -> String {
        format!("No monitor matches {}.", self.query.words())
    }

    /// `10 of 1,284 match, 9 ms`.
    fn matches(&self) -> String {
        let took = if self.took_ms > 0 { format!(", {} ms", self.took_ms) } else { String::new() };
        format!("{} of {} match{took}", count(self.matching), self.shell.monitors)
    }

    /// The ways to put it together.
    fn views(&self) -> Vec<Choice> {
        let named = [(View::Status, "Status"), (View::Group, "Group"), (View::Flat, "Flat")];
        let choice = |(view, words): (View, &'static str)| Choice {
            words,
            icon: "",
            link: self.query.with(|q| (q.view, q.show) = (Some(view), None)),
            is_current: view == self.view,
        };
        named.into_iter().map(choice).collect()
    }

    /// How much room rows may have.
    fn densities(&self) -> Vec<Choice> {
        let named =
            [(Density::Compact, "Compact rows"), (Density::Comfortable, "Comfortable rows")];
        let choice = |(density, words): (Density, &'static str)| Choice {
            words,
            icon: density.as_str(),
            link: self.query.with(|q| q.density = Some(density)),
            is_current: density == self.density,
        };
        named.into_iter().map(choice).collect()
    }

    fn is_by_name(&self) -> bool {
        self.query.sort == Some(Sort::Name)
    }

    fn is_by_change(&self) -> bool {
        self.query.sort == Some(Sort::Changed)
    }

    /// Where the head of the names leads: sorted by them, or as usual again.
    fn by_name(&self) -> String {
        self.query.with(|q| q.sort = (!self.is_by_name()).then_some(Sort::Name))
    }

    /// Where the head of the last checks leads.
    fn by_change(&self) -> String {
        self.query.with(|q| q.sort = (!self.is_by_change()).then_some(Sort::Changed))
    }

    /// What a tick for all of them says.
    fn all_words(&self) -> String {
        let that_match = if self.query.is_filtered() { " that match" } else { "" };
        format!("All {}{that_match}", count(self.matching))
    }

    fn without(&self, name: &str) -> String {
        self.query.with(|q| match name {
            "tag" => q.tag.clear(),
            "type" => q.kind.clear(),
            "region" => q.region.clear(),
            _ => q.status.clear(),
        })
    }

    /// The filters that stand beside the search, each with the address without it.
    fn filters(&self) -> Vec<(String, String)> {
        let query = &self.query;
        let kind = query.kind.parse::<Kind>().map(|kind| super::kinds::words(&kind).0);
        let mut filters = Vec::new();
        if !query.tag.is_empty() {
            filters.push((format!("Tag: {}", query.tag), self.without("tag")));
        }
        if let Ok(kind) = kind {
            filters.push((format!("Type: {kind}"), self.without("type")));
        }
        if !query.region.is_empty() {
            filters.push((format!("Region: {}", query.region), self.without("region")));
        }
        if let Some(state) = query.state() {
            filters.push((state.word().to_owned(), self.without("status")));
        }
        filters
    }

    /// The address of this page.
    fn same(&self) -> String {
        self.query.with(|_| {})
    }

    /// The query of this page, for what is done with all that match.
    fn this_query(&self) -> String {
        self.same().split_once('?').map_or_else(String::new, |(_, query)| query.to_owned())
    }
}
