//! JSONPath (RFC 9535), with limits that keep its cost in proportion to the body that it is asked of. Pure.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::path_pattern::{self, outside_quotes};

/// The longest path, in characters.
const LONGEST: usize = 500;
/// The deepest nesting of brackets and parentheses: the parser's time grows with a power of it.
const DEEPEST: usize = 6;
/// The most selectors beside the first in one pair of brackets.
const COMMAS_MAX: usize = 10;

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(JsonPath);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// Why it cannot be used, as what follows on "path": `is not a JSONPath: …`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('$') {
            return Err(format!("must start with $, as $.{}", text.trim_start_matches(['.', '/'])));
        }
        Outline::of(text).check(text)?;
        let parsed = JsonPath::parse(text).map_err(|error| {
            format!(
                "is not a JSONPath: {} at character {}",
                error.message(),
                // The parser counts from 0, and people from 1.
                error.position() + 1
            )
        })?;
        path_pattern::check(text)?;
        Ok(Self(parsed))
    }

    /// What it finds in `value`, in the order of the document.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.0.query(value).all()
    }
}

/// One step of a path that names a single node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The key or the index.
    pub name: String,
    /// Where it begins in the path, in bytes.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

/// The steps of a path of plain names and indices, as `$.checks.database` or `$['my cdn'][0]`; `None` of any other.
pub fn steps(path: &str) -> Option<Vec<Step>> {
    let mut found = Vec::new();
    let mut from = 1;
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let (name, length) = if let Some(inner) = rest.strip_prefix('.') {
            let length = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
            (inner.get(..length)?, length + 1)
        } else {
            let length = rest.strip_prefix('[')?.find(']')? + 2;
            let inner = rest.get(1..length - 1)?;
            let quoted = |mark: char| inner.strip_prefix(mark)?.strip_suffix(mark);
            let name = quoted('\'')
                .or_else(|| quoted('"'))
                .or_else(|| inner.chars().all(|c| c.is_ascii_digit()).then_some(inner))?;
            (name, length)
        };
        if name.is_empty() || name.contains(['\\', '\'', '"']) {
            return None;
        }
        found.push(Step { name: name.to_owned(), from, to: from + length });
        rest = rest.get(length..)?;
        from += length;
    }
    (!found.is_empty()).then_some(found)
}

/// What the cost of a path depends on, counted outside of quoted names.
#[derive(Debug, Default)]
struct Outline {
    deepest: usize,
    descents: usize,
    filters: usize,
    /// Pairs of brackets that list several selectors.
    unions: usize,
    commas: usize,
    /// Whether a list of selectors has `*` or a slice in it: each of them would find all of it again.
    list_is_wide: bool,
    /// Whether a filter goes over many nodes, and whether it starts at the root.
    filter_is_wide: bool,
    filter_has_root: bool,
}

/// One pair of brackets that is open.
#[derive(Debug, Default)]
struct Bracket {
    /// Of selectors, not of a function's arguments.
    of_selectors: bool,
    /// It has a comma.
    listed: bool,
    /// It has a `*` or a slice.
    is_wide: bool,
}

impl Outline {
    fn of(text: &str) -> Self {
        let mut outline = Self::default();
        let mut open: Vec<Bracket> = Vec::new();
        let mut before = ' ';
        for (_, c) in outside_quotes(text) {
            match c {
                '[' | '(' => open.push(Bracket { of_selectors: c == '[', ..Bracket::default() }),
                ']' | ')' => drop(open.pop()),
                '?' => outline.filters += 1,
                '.' if before == '.' => outline.descents += 1,
                ',' => outline.comma(open.last_mut()),
                '*' | ':' => open.last_mut().into_iter().for_each(|bracket| bracket.is_wide = true),
                _ => {}
            }
            if let Some(Bracket { of_selectors: true, listed: true, is_wide: true }) = open.last() {
                outline.list_is_wide = true;
            }
            if outline.filters > 0 {
                outline.filter_is_wide |= matches!(c, '*' | ':') || (c == '.' && before == '.');
                outline.filter_has_root |= c == '$';
            }
            outline.deepest = outline.deepest.max(open.len());
            before = c;
        }
        outline
    }

    fn comma(&mut self, bracket: Option<&mut Bracket>) {
        if let Some(Bracket { of_selectors: true, listed, .. }) = bracket {
            self.commas += 1;
            self.unions += usize::from(!std::mem::replace(listed, true));
        }
    }

    fn check(&self, text: &str) -> Result<(), String> {
        let refuse = |reason: &str| Err(reason.to_owned());
        if text.chars().count() > LONGEST {
            return Err(format!("must be at most {LONGEST} characters long"));
        }
        if self.deepest > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST}; write it flatter"));
        }
        if self.descents > 1 {
            return refuse("has more than one `..`; name the steps between");
        }
        if self.filters > 1 {
            return refuse("has more than one filter `?`; join the conditions with &&");
        }
        if self.unions > 1 || self.commas > COMMAS_MAX {
            return refuse("lists too many selectors; one pair of brackets may have up to 11");
        }
        if self.list_is_wide {
            return refuse("lists `*` or a slice beside other selectors; use it alone");
        }
        if self.filter_is_wide && self.filter_has_root {
            return refuse("has a filter with `$` beside `*`, `:` or `..`; name the steps");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str, value: &Value) -> Value {
        Path::parse(path).unwrap().find(value).into_iter().cloned().collect()
    }

    #[test]
    fn paths_find_what_the_rfc_says() {
        let shop = json!({"status": "ok", "a b": 1, "null": null, "checks": [
            {"name": "db", "status": "ok", "ms": 4}, {"name": "redis", "status": "down"},
            {"name": "mail", "status": "ok", "ms": 40, "tags": ["x", "y"]}]});
        for (path, expected) in [
            ("$.status", json!(["ok"])),
            ("$['a b']", json!([1])),
            ("$.null", json!([null])),
            ("$.missing", json!([])),
            ("$.status.deeper", json!([])),
            ("$.checks[0].name", json!(["db"])),
            ("$.checks[-1].name", json!(["mail"])),
            ("$.checks[*].status", json!(["ok", "down", "ok"])),
            ("$.checks[0,2].name", json!(["db", "mail"])),
            ("$.checks[:2].name", json!(["db", "redis"])),
            ("$..status", json!(["ok", "ok", "down", "ok"])),
            ("$.checks[?@.name == 'redis'].status", json!(["down"])),
            ("$.checks[?@.ms > 10 || @.status == 'down'].name", json!(["redis", "mail"])),
            ("$.checks[?length(@.tags) == 2].name", json!(["mail"])),
            ("$.checks[?count(@.*) == 2].name", json!(["redis"])),
            ("$.checks[?match(@.name, 'd.')].name", json!(["db"])),
            ("$.checks[?match(@.name, 'd')].name", json!([])),
            ("$.checks[?search(@.name, '[dm]')].name", json!(["db", "redis", "mail"])),
            ("$.checks[?search(@.name, 'ai|db')].name", json!(["db", "mail"])),
            ("$.checks[?match(@.name, 'd|db')].name", json!(["db"])),
            ("$.checks[?match(@['name'], \"\\u0064b\")].name", json!(["db"])),
            ("$.checks[?!search(@.name, 'd[,)\\']?b')].name", json!(["redis", "mail"])),
            ("$.checks[?@.status == $.status].name", json!(["db", "mail"])),
        ] {
            assert_eq!(found(path, &shop), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_fix() {
        for (path, reason) in [
            ("status", "must start with $, as $.status"),
            (".status", "must start with $, as $.status"),
            ("", "must start with $, as $."),
            ("$.a[?@.b[?@.c]]", "has more than one filter `?`; join the conditions with &&"),
            ("$..a..b", "has more than one `..`; name the steps between"),
            ("$[0,1][0,1]", "lists too many selectors; one pair of brackets may have up to 11"),
            ("$[0,*]", "lists `*` or a slice beside other selectors; use it alone"),
            ("$..[*,*]", "lists `*` or a slice beside other selectors; use it alone"),
            ("$[1:,'a']", "lists `*` or a slice beside other selectors; use it alone"),
            (
                "$[?search(@.a, @.b)]",
                "has a search() without a pattern in quotes; write it as search(@.name, 'db.*')",
            ),
            (
                "$[?match(@.a, $.b)]",
                "has a match() without a pattern in quotes; write it as match(@.name, 'db.*')",
            ),
            (
                "$[?search(@.name, '(')]",
                "has a pattern '(' that is not a regular expression: unclosed group",
            ),
            (
                "$[?match(@.name, 'a)|(?:b')]",
                "has a pattern 'a)|(?:b' that is not a regular expression: unopened group",
            ),
            ("$.a[?$.b[*] == 1]", "has a filter with `$` beside `*`, `:` or `..`; name the steps"),
        ] {
            assert_eq!(Path::parse(path), Err(reason.to_owned()), "{path}");
        }
        for path in ["$.", "$.a[", "$[?(@.a]", "$.a b", "$[?@.a = 1]", "$[01]", "$.é[", "$['a"] {
            let reason = Path::parse(path).unwrap_err();
            assert!(reason.starts_with("is not a JSONPath: "), "{path}: {reason}");
            assert!(reason.contains(" at character "), "{path}: {reason}");
        }
        assert!(Path::parse("$['?..,..?[[[[[[[[[[[,']").is_ok(), "quoted names do not count");
    }

    #[test]
    fn costly_paths_are_refused_and_the_rest_is_quick() {
        // Each of these takes a parser or a search without limits minutes.
        let nested = |open: &str, n: usize, close: &str| {
            format!("$[?{}@.a{} == 1]", open.repeat(n), close.repeat(n))
        };
        let costly = [
            nested("length(", 60, ")"),
            nested("(", 150, ")"),
            nested("!(", 100, ")"),
            format!("${}", "[?@".repeat(150)),
            format!("${}", "[*,*]".repeat(90)),
            format!("$[{}*]", "*,".repeat(200)),
            "$".to_owned() + &"..*".repeat(100),
            "[".repeat(500),
            "$".repeat(501),
        ];
        for path in costly {
            assert!(Path::parse(&path).is_err(), "{path}");
        }
        let large = Value::Array((0..50_000).map(|i| json!({"a": i})).collect());
        for path in [
            nested("length(", DEEPEST - 1, ")"),
            nested("!(", DEEPEST - 1, ")"),
            "$..[?search(@.a, '\\w{50}x')]".to_owned(),
            "$[?search(@.a, @.a)]".to_owned(),
            "$..[*,*,*,*,*]".to_owned(),
        ] {
            if let Ok(path) = Path::parse(&path) {
                path.find(&large);
            }
        }
    }
}
