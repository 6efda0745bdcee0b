//! What the address of the monitor list asks for, and what is remembered of how somebody likes it. Pure.

use std::collections::BTreeSet;

use form_urlencoded::Serializer;

use super::status::Shown;

/// The cookie that remembers view, density and which groups are open.
pub const LIST_COOKIE: &str = "watchbell_list";
/// Rows that a list or an open group shows at first, and that "Show more" adds.
pub const PAGE: usize = 50;
/// Rows that a page ever shows, all groups together: two megabytes, which the server makes in less than a tenth of a second.
pub const MOST: usize = 1000;
/// Groups whose folding is remembered: a cookie is short.
const REMEMBERED: usize = 24;

crate::words! {
    /// How the list is put together.
    pub enum View {
        /// By first tag.
        Group = "group",
        /// By state.
        Status = "status",
        /// One after the other.
        Flat = "flat",
    }
}

crate::words! {
    /// What the rows are ordered by.
    pub enum Sort {
        /// What is wrong first, then by name.
        Worst = "worst",
        /// By name alone.
        Name = "name",
        /// The newest change of status first.
        Changed = "changed",
    }
}

crate::words! {
    /// How much room a row has.
    pub enum Density {
        /// 36 px.
        Compact = "compact",
        /// 44 px.
        Comfortable = "comfortable",
    }
}

/// The folding of groups, told by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folding {
    /// Those that somebody opened.
    pub open: BTreeSet<String>,
    /// Those that somebody folded.
    pub fold: BTreeSet<String>,
}

impl Folding {
    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.fold.is_empty()
    }

    /// The same with one group opened or folded.
    pub fn with(&self, key: &str, is_open: bool) -> Self {
        let mut next = self.clone();
        let (into, out_of) = if is_open {
            (&mut next.open, &mut next.fold)
        } else {
            (&mut next.fold, &mut next.open)
        };
        out_of.remove(key);
        into.insert(key.to_owned());
        next
    }
}

/// What the address asks for; all of the list's state is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// A state's name, or empty.
    pub status: String,
    /// A tag, or empty.
    pub tag: String,
    /// A kind's name, or empty.
    pub kind: String,
    /// A region, or empty.
    pub region: String,
    /// Words to find.
    pub q: String,
    /// The order.
    pub sort: Option<Sort>,
    /// How it is put together, if the address says.
    pub view: Option<View>,
    /// How much room rows have, if the address says.
    pub density: Option<Density>,
    /// What is open, if the address says.
    pub folding: Folding,
    /// How many rows an open group shows.
    pub show: Option<usize>,
    /// What can be undone, after something was done with several.
    pub undo: String,
}

impl ListQuery {
    /// Reads the part of an address behind `?`. What it does not know it leaves out.
    pub fn parse(query: &str) -> Self {
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // No text of ours holds a NUL, and PostgreSQL takes none.
            let value = value.replace('\0', "").trim().to_owned();
            match &*name {
                "status" => read.status = value,
                "tag" => read.tag = value,
                "type" => read.kind = value,
                "region" => read.region = value,
                "q" => read.q = value,
                "sort" => read.sort = value.parse().ok(),
                "view" => read.view = value.parse().ok(),
                "density" => read.density = value.parse().ok(),
                "open" => drop(read.folding.open.insert(value)),
                "fold" => drop(read.folding.fold.insert(value)),
                "show" => read.show = value.parse().ok().map(|n: usize| n.clamp(PAGE, MOST)),
                "undo" => read.undo = value,
                _ => {}
            }
        }
        read
    }

    /// Whether it asks for a part of the monitors only.
    pub fn is_filtered(&self) -> bool {
        let Self { status, tag, kind, region, q, .. } = self;
        ![status, tag, kind, region, q].iter().all(|value| value.is_empty())
    }

    /// The address of the same list.
    pub fn link(&self) -> String {
        let query = self.encoded(true);
        if query.is_empty() { "/monitors".to_owned() } else { format!("/monitors?{query}") }
    }

    /// The address of the list after `change`. Something to undo is not offered again.
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut next = self.clone();
        next.undo.clear();
        change(&mut next);
        next.link()
    }

    fn encoded(&self, with_filters: bool) -> String {
        let mut query = Serializer::new(String::new());
        let mut pair = |name: &str, value: &str| {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        };
        if with_filters {
            pair("status", &self.status);
            pair("tag", &self.tag);
            pair("type", &self.kind);
            pair("region", &self.region);
            pair("q", &self.q);
            pair("sort", self.sort.map_or("", |sort| sort.as_str()));
            pair("show", &self.show.map_or_else(String::new, |show| show.to_string()));
            pair("undo", &self.undo);
        }
        pair("view", self.view.map_or("", |view| view.as_str()));
        pair("density", self.density.map_or("", |density| density.as_str()));
        self.folding.open.iter().rev().take(REMEMBERED).for_each(|key| pair("open", key));
        self.folding.fold.iter().rev().take(REMEMBERED).for_each(|key| pair("fold", key));
        query.finish()
    }

    /// The state that is asked for.
    pub fn state(&self) -> Option<Shown> {
        Shown::ALL.into_iter().find(|state| state.class() == self.status)
    }

    /// What was asked for in words, for when nothing fits.
    pub fn words(&self) -> String {
        let named = [
            ("", &self.q),
            ("tag:", &self.tag),
            ("type:", &self.kind),
            ("region:", &self.region),
            ("status:", &self.status),
        ];
        let words = named.iter().filter(|(_, value)| !value.is_empty());
        words.map(|(name, value)| format!("{name}{value}")).collect::<Vec<_>>().join(" + ")
    }

    /// What is liked: what the address says, else what `cookie` remembers.
    pub fn liking(&self, cookie: &str) -> Liking {
        let remembered = Self::parse(cookie);
        let folding =
            if self.folding.is_empty() { remembered.folding } else { self.folding.clone() };
        Liking {
            view: self.view.or(remembered.view),
            density: self.density.or(remembered.density).unwrap_or(Density::Compact),
            folding,
            is_new: self.view.is_some() || self.density.is_some() || !self.folding.is_empty(),
        }
    }
}

/// How somebody likes the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liking {
    /// How it is put together, if they ever said.
    pub view: Option<View>,
    /// How much room rows have.
    pub density: Density,
    /// What they opened and folded.
    pub folding: Folding,
    /// Whether the address says any of it, so that it is to be remembered.
    pub is_new: bool,
}

impl Liking {
    /// The value of the cookie.
    pub fn cookie(&self) -> String {
        let query = ListQuery {
            view: self.view,
            density: Some(self.density),
            folding: self.folding.clone(),
            ..ListQuery::default()
        };
        query.encoded(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_back_as_it_was() {
        for address in [
            "/monitors",
            "/monitors?status=down&tag=tier-1&type=http&region=eu-west&q=pay%26x&sort=name&show=100&view=flat&density=comfortable",
            "/monitors?view=group&open=tag%3AEdge+%26+DNS&fold=tag%3A",
        ] {
            let query = address.split_once('?').map_or("", |(_, query)| query);
            assert_eq!(ListQuery::parse(query).link(), address);
        }
        let odd = ListQuery::parse("sort=x&view=&density=huge&show=1&nonsense=1&q=+pay+");
        assert_eq!(
            odd,
            ListQuery { q: "pay".to_owned(), show: Some(PAGE), ..ListQuery::default() }
        );
    }

    #[test]
    fn the_address_goes_before_what_is_remembered() {
        let cookie = "view=status&density=comfortable&open=tag%3Aa";
        let liking = ListQuery::default().liking(cookie);
        assert_eq!((liking.view, liking.density), (Some(View::Status), Density::Comfortable));
        assert!(!liking.is_new && liking.folding.open.contains("tag:a"));
        let asked = ListQuery::parse("view=flat&fold=tag%3Aa").liking(cookie);
        assert_eq!((asked.view, asked.density), (Some(View::Flat), Density::Comfortable));
        assert!(asked.is_new && asked.folding.open.is_empty());
        assert_eq!(ListQuery::default().liking(&asked.cookie()).folding, asked.folding);
    }

    #[test]
    fn a_group_is_open_or_folded_not_both() {
        let folding = Folding::default().with("a", true).with("b", false).with("a", false);
        assert!(folding.open.is_empty());
        assert_eq!(folding.fold.len(), 2);
    }
}
