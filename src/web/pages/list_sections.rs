//! How the monitor list is put together: what is pinned, which groups there are, what each of them shows. Pure.

use std::collections::BTreeMap;

use super::list_query::{Folding, MOST, PAGE, View};
use super::status::Shown;
use crate::monitor::MonitorId;

/// Rows of a group that is open because something in it is wrong, not because somebody opened it.
const GLIMPSE: usize = 5;

/// A monitor that fits, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: MonitorId,
    /// Its state.
    pub state: Shown,
    /// Its first tag.
    pub group: String,
}

/// What a section is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// What somebody should look at.
    Attention,
    /// The monitors with this first tag; empty for those without a tag.
    Tag(String),
    /// The monitors in this state.
    State(Shown),
    /// All of them; such a section has no head.
    All,
}

impl About {
    /// What it is called in the address and in the cookie.
    pub fn key(&self) -> String {
        match self {
            Self::Attention => "attention".to_owned(),
            Self::Tag(tag) => format!("tag:{tag}"),
            Self::State(state) => format!("status:{}", state.class()),
            Self::All => String::new(),
        }
    }
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What it is about.
    pub about: About,
    /// How many monitors are of it, also those that are pinned above.
    pub total: usize,
    /// How many in which state.
    pub tally: Vec<(Shown, usize)>,
    /// Whether its rows show.
    pub is_open: bool,
    /// The rows that show.
    pub ids: Vec<MonitorId>,
    /// How many more there are to show.
    pub hidden: usize,
}

/// How it is to be put together.
pub struct Wish<'a> {
    /// Grouped how.
    pub view: View,
    /// What was opened and folded.
    pub folding: &'a Folding,
    /// How many rows an opened group shows.
    pub show: usize,
    /// Whether only a part was asked for, which then shows whatever is folded.
    pub is_filtered: bool,
    /// Whether what is wrong is pinned above the rest.
    pub is_pinned: bool,
}

/// The sections of the list, from `entries` in their order; together they show at most [`MOST`] rows.
pub fn sections(entries: &[Entry], wish: &Wish<'_>) -> Vec<Section> {
    let mut sections = unlimited(entries, wish);
    let mut room = MOST;
    for section in &mut sections {
        let shown = section.ids.len().min(room);
        section.hidden += section.ids.len() - shown;
        section.ids.truncate(shown);
        room -= shown;
    }
    sections
}

fn unlimited(entries: &[Entry], wish: &Wish<'_>) -> Vec<Section> {
    let every: Vec<&Entry> = entries.iter().collect();
    if wish.view == View::Flat {
        let (mut first, rest): (Vec<&Entry>, Vec<&Entry>) =
            every.iter().partition(|entry| wish.is_pinned && entry.state.needs_attention());
        first.extend(rest);
        return vec![section(About::All, &first, &first, true, wish.show)];
    }
    let mut sections = Vec::new();
    let is_pinned = wish.is_pinned && wish.view == View::Group;
    let attention: Vec<&Entry> =
        every.iter().copied().filter(|entry| is_pinned && entry.state.needs_attention()).collect();
    if !attention.is_empty() {
        let is_open = wish.is_filtered || !wish.folding.fold.contains("attention");
        sections.push(section(About::Attention, &attention, &attention, is_open, wish.show));
    }
    let is_short = entries.len() <= PAGE;
    for (about, of) in grouped(&every, wish.view) {
        let unpinned: Vec<&Entry> = of
            .iter()
            .copied()
            .filter(|entry| !(is_pinned && entry.state.needs_attention()))
            .collect();
        let key = about.key();
        let was_opened = wish.folding.open.contains(&key);
        let is_troubled = of.iter().any(|entry| entry.state.needs_attention());
        let is_open = wish.is_filtered
            || was_opened
            || ((is_troubled || is_short) && !wish.folding.fold.contains(&key));
        let limit = if was_opened || is_short { wish.show } else { GLIMPSE };
        sections.push(section(about, &of, &unpinned, is_open, limit));
    }
    sections
}

fn section(about: About, of: &[&Entry], rows: &[&Entry], is_open: bool, limit: usize) -> Section {
    let shown = if is_open { limit.min(rows.len()) } else { 0 };
    Section {
        about,
        total: of.len(),
        tally: tally(of),
        is_open,
        ids: rows.iter().take(shown).map(|entry| entry.id).collect(),
        hidden: if is_open { rows.len() - shown } else { 0 },
    }
}

/// How many of `entries` are in which state, worst first; states that none is in are left out.
pub fn tally(entries: &[&Entry]) -> Vec<(Shown, usize)> {
    let count = |state: &Shown| entries.iter().filter(|entry| entry.state == *state).count();
    Shown::ALL.into_iter().map(|state| (state, count(&state))).filter(|(_, n)| *n > 0).collect()
}

/// The groups: those with trouble first, then by name, and at the end what has no tag. States keep their order.
fn grouped<'e>(entries: &[&'e Entry], view: View) -> Vec<(About, Vec<&'e Entry>)> {
    if view == View::Status {
        let of = |state: Shown| entries.iter().copied().filter(|e| e.state == state).collect();
        let states = Shown::ALL.into_iter().map(|state| (About::State(state), of(state)));
        return states.filter(|(_, of): &(About, Vec<&Entry>)| !of.is_empty()).collect();
    }
    let mut by_tag: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        by_tag.entry(&entry.group).or_default().push(entry);
    }
    let mut groups: Vec<_> = by_tag.into_iter().collect();
    groups.sort_by_key(|(tag, of)| {
        let is_troubled = of.iter().any(|entry| entry.state.needs_attention());
        (!is_troubled, tag.is_empty(), tag.to_lowercase())
    });
    groups.into_iter().map(|(tag, of)| (About::Tag(tag.to_owned()), of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(of: &[(&str, Shown, usize)]) -> Vec<Entry> {
        let each = of.iter().flat_map(|(group, state, n)| {
            (0..*n).map(move |_| Entry { id: 0, state: *state, group: (*group).to_owned() })
        });
        let numbered = each.zip(1..).map(|(entry, id)| Entry { id, ..entry });
        numbered.collect()
    }

    fn put(entries: &[Entry], view: View, folding: &Folding, is_filtered: bool) -> Vec<Section> {
        let wish = Wish { view, folding, show: PAGE, is_filtered, is_pinned: true };
        sections(entries, &wish)
    }

    fn brief(sections: &[Section]) -> Vec<(String, usize, usize, usize)> {
        sections.iter().map(|s| (s.about.key(), s.total, s.ids.len(), s.hidden)).collect()
    }

    fn case(key: &str, total: usize, rows: usize, hidden: usize) -> (String, usize, usize, usize) {
        (key.to_owned(), total, rows, hidden)
    }

    #[test]
    fn what_is_wrong_is_pinned_and_its_group_gives_a_glimpse() {
        let all = entries(&[
            ("b", Shown::Up, 14),
            ("a", Shown::Up, 900),
            ("", Shown::Up, 3),
            ("b", Shown::Down, 2),
        ]);
        let none = Folding::default();
        assert_eq!(
            brief(&put(&all, View::Group, &none, false)),
            [
                case("attention", 2, 2, 0),
                case("tag:b", 16, 5, 9),
                case("tag:a", 900, 0, 0),
                case("tag:", 3, 0, 0)
            ]
        );
        let sections = put(&all, View::Group, &none, false);
        assert_eq!(sections[1].tally, [(Shown::Down, 2), (Shown::Up, 14)], "with what is pinned");
        let mut ids: Vec<MonitorId> = sections.iter().flat_map(|s| s.ids.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 7, "no row shows twice");
    }

    #[test]
    fn what_somebody_opened_or_folded_stays_so() {
        let all = entries(&[("a", Shown::Up, 120), ("b", Shown::Late, 1), ("b", Shown::Up, 9)]);
        let folding =
            Folding::default().with("tag:a", true).with("tag:b", false).with("attention", false);
        assert_eq!(
            brief(&put(&all, View::Group, &folding, false)),
            [case("attention", 1, 0, 0), case("tag:b", 10, 0, 0), case("tag:a", 120, 50, 70)]
        );
    }

    #[test]
    fn a_filter_shows_its_rows_whatever_is_folded() {
        let all = entries(&[("a", Shown::Up, 4), ("b", Shown::Up, 2)]);
        let folding = Folding::default().with("tag:a", false);
        let rows = |sections: &[Section]| sections.iter().map(|s| s.ids.len()).sum::<usize>();
        assert_eq!(rows(&put(&all, View::Group, &folding, true)), 6);
        assert_eq!(rows(&put(&all, View::Group, &folding, false)), 2);
    }

    #[test]
    fn a_short_list_is_open_and_a_flat_one_has_one_section() {
        let few = entries(&[("a", Shown::Up, 20), ("b", Shown::Up, 20), ("b", Shown::Down, 1)]);
        let none = Folding::default();
        let sections = put(&few, View::Group, &none, false);
        assert!(sections.iter().all(|s| s.is_open && s.hidden == 0));
        let flat = put(&few, View::Flat, &none, false);
        assert_eq!(brief(&flat), [case("", 41, 41, 0)]);
        assert_eq!(flat[0].ids[0], 41, "what is down comes first");
    }

    #[test]
    fn all_groups_together_show_so_many_rows_and_no_more() {
        let all = entries(&[("a", Shown::Up, 900), ("b", Shown::Up, 900), ("c", Shown::Up, 9)]);
        let folding = ["tag:a", "tag:b", "tag:c"]
            .iter()
            .fold(Folding::default(), |folding, key| folding.with(key, true));
        let wish = Wish {
            view: View::Group,
            folding: &folding,
            show: MOST,
            is_filtered: false,
            is_pinned: true,
        };
        assert_eq!(
            brief(&sections(&all, &wish)),
            [case("tag:a", 900, 900, 0), case("tag:b", 900, 100, 800), case("tag:c", 9, 0, 9)]
        );
    }

    #[test]
    fn states_come_in_their_order() {
        let all = entries(&[("a", Shown::Up, 99), ("b", Shown::Down, 1), ("b", Shown::Paused, 9)]);
        let keys: Vec<_> = put(&all, View::Status, &Folding::default(), false)
            .iter()
            .map(|s| (s.about.key(), s.is_open))
            .collect();
        let expected = [("status:down", true), ("status:paused", false), ("status:up", false)];
        assert_eq!(keys, expected.map(|(key, is_open)| (key.to_owned(), is_open)));
    }
}
