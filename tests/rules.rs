//! The walls of the house (see `ARCHITECTURE.md`): who may import what, and that both databases have the same shape.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What pure code may import beside this crate: what only computes.
const PURE_CRATES: [&str; 16] = [
    "std",
    "serde",
    "serde_json",
    "chrono",
    "chrono_tz",
    "croner",
    "uuid",
    "url",
    "form_urlencoded",
    "ipnet",
    "base64",
    "encoding_rs",
    "percent_encoding",
    "regex",
    "serde_json_path",
    "strsim",
];

/// What pure code must not even name: the world, its clock, and the rooms that touch them.
const IMPURE: [&str; 26] = [
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "std::env",
    "SystemTime",
    "Instant",
    "Utc::now",
    "Local::now",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "tokio::",
    "sqlx::",
    "reqwest::",
    "actix_web::",
    "lettre::",
    "rand::",
    ".await",
    "crate::store",
    "crate::app",
    "crate::cli",
    "crate::config",
    "crate::supervise",
    "Arc<dyn Clock",
];

/// Rooms and files that must say that they are pure, so that nobody gets around the wall by not saying it.
const PURE: [&str; 15] = [
    "src/notify/channel/",
    "src/monitor/",
    "src/incident/",
    "src/checker/queue.rs",
    "src/probe/egress.rs",
    "src/report/latency.rs",
    "src/report/record.rs",
    "src/report/rollup.rs",
    "src/report/uptime.rs",
    "src/notify/classify.rs",
    "src/notify/retry.rs",
    "src/notify/group.rs",
    "src/notify/summary.rs",
    "src/notify/delivery.rs",
    "src/notify/attempt.rs",
];

const LINES_MAX: usize = 400;
/// A source file: its path from the root of the crate, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Its code: without comments, and without the tests at its end.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let line = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        code.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// What its doc comment says.
    fn doc(&self) -> String {
        let lines = self.text.lines().take_while(|line| line.starts_with("//!"));
        lines.map(|line| line.trim_start_matches("//!").trim()).collect::<Vec<_>>().join(" ")
    }

    fn is_pure(&self) -> bool {
        self.doc().split_whitespace().any(|word| word == "Pure.")
    }

    fn is_test(&self) -> bool {
        self.path.contains("tests.rs")
            || self.path.contains("tests/")
            || self.path.ends_with("testing.rs")
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    found.sort();
    let source = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().display().to_string(),
    };
    found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(source)
        .collect()
}

/// Fails with all that is wrong, not with the first of it.
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn pure_code_imports_only_what_computes() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.is_pure() && !source.is_test()) {
        let code = source.code();
        for line in code.lines().map(str::trim) {
            let Some(import) = line.strip_prefix("use ").or_else(|| line.strip_prefix("pub use "))
            else {
                continue;
            };
            let first = import.split(&[':', ';', ' '][..]).next().unwrap();
            let is_own = matches!(first, "crate" | "self" | "super")
                || first.starts_with(char::is_uppercase)
                // A module of this very file's room.
                || code.contains(&format!("mod {first};"));
            if !is_own && !PURE_CRATES.contains(&first) {
                wrong.push(format!("{} is pure but imports {first}", source.path));
            }
        }
        // Reading an address is all that pure code wants of the mailer.
        let code = code.replace("lettre::Address", "");
        for name in IMPURE.iter().filter(|name| code.contains(**name)) {
            wrong.push(format!("{} is pure but names {name}", source.path));
        }
    }
    none(wrong);
}

#[test]
fn what_must_be_pure_says_so() {
    let must = |source: &&Source| source.is_in(&PURE) && !source.is_test();
    let silent =
        sources().iter().filter(must).filter(|s| !s.is_pure()).map(|s| s.path.clone()).collect();
    none(silent);
}

#[test]
fn only_the_store_speaks_sql_and_only_the_web_speaks_actix() {
    let mut wrong = Vec::new();
    for source in sources() {
        let code = source.code();
        for (name, places) in [
            ("sqlx", &["src/store/"][..]),
            ("actix_web", &["src/web/", "src/app.rs"]),
            // A probe's process talks to its server from there.
            ("reqwest", &["src/probe/", "src/notify/", "src/region/agent/link.rs"]),
            ("lettre", &["src/notify/", "src/account/user.rs"]),
        ] {
            let names_it =
                code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
            if names_it && !source.is_in(places) {
                wrong.push(format!("{} names {name}, which belongs to {places:?}", source.path));
            }
        }
    }
    none(wrong);
}

#[test]
fn the_store_knows_none_of_those_that_use_it() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.is_in(&["src/store/"])) {
        let code = source.code();
        for user in ["crate::web", "crate::checker", "crate::app", "crate::cli", "crate::config"] {
            if code.contains(user) {
                wrong.push(format!("{} names {user}", source.path));
            }
        }
    }
    none(wrong);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{} has {lines} lines: split it by subject", source.path));
        }
        if source.doc().is_empty() && !source.is_test() {
            wrong.push(format!("{} does not say what it is in a `//!` comment", source.path));
        }
    }
    none(wrong);
}

/// What the migrations of one database make: each table with its columns, the indexes, and the views.
#[derive(Debug, Default, PartialEq)]
struct Schema {
    tables: BTreeMap<String, BTreeSet<String>>,
    indexes: BTreeSet<String>,
    views: BTreeSet<String>,
}

impl Schema {
    fn read(&mut self, sql: &str) {
        let plain: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap()).collect();
        for statement in plain.join("\n").split(';') {
            let words: Vec<&str> = statement.split_whitespace().collect();
            match words.as_slice() {
                ["CREATE", "TABLE", name, ..] => {
                    let (_, inside) = statement.split_once('(').unwrap();
                    let columns = inside.lines().filter_map(column).map(str::to_owned).collect();
                    self.tables.insert((*name).to_owned(), columns);
                }
                ["CREATE", "VIEW", ..] => {
                    self.views.insert(words.join(" "));
                }
                ["CREATE", "INDEX", name, ..] | ["CREATE", "UNIQUE", "INDEX", name, ..] => {
                    self.indexes.insert((*name).to_owned());
                }
                ["ALTER", "TABLE", name, "ADD", "COLUMN", column, ..] => {
                    self.tables.get_mut(*name).unwrap().insert((*column).to_owned());
                }
                ["ALTER", "TABLE", name, "RENAME", "TO", other] => {
                    let columns = self.tables.remove(*name).unwrap();
                    self.tables.insert((*other).to_owned(), columns);
                }
                ["DROP", "TABLE", name] => {
                    self.tables.remove(*name);
                }
                ["DROP", "VIEW", name] => {
                    self.views.retain(|view| view.split_whitespace().nth(2) != Some(*name));
                }
                ["DROP", "INDEX", name] => {
                    self.indexes.remove(*name);
                }
                [] | ["INSERT" | "UPDATE" | "DELETE" | "PRAGMA", ..] => {}
                other => panic!("teach this rule to read: {}", other.join(" ")),
            }
        }
    }
}

/// The column that a line of a table's body defines.
fn column(line: &str) -> Option<&str> {
    let word = line.split_whitespace().next()?;
    word.starts_with(|c: char| c.is_ascii_lowercase()).then_some(word)
}

#[test]
fn both_databases_have_the_same_migrations_and_shape() {
    let of = |folder: &str| {
        let mut found = Vec::new();
        files(&root().join("migrations").join(folder), &mut found);
        found.sort();
        let mut schema = Schema::default();
        for path in &found {
            schema.read(&std::fs::read_to_string(path).unwrap());
        }
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        (found.iter().map(name).collect::<Vec<_>>(), schema)
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    assert!(sqlite.1.tables.len() > 10, "the rule reads nothing: {:?}", sqlite.1);
    assert!(sqlite.1.tables["deliveries"].contains("idempotency_key"));
    assert_eq!(sqlite, postgres);
}
