//! django-health-check: a flat object of check to `working` (since 4: `OK`) or what is wrong with it. Pure.

use serde_json::{Map, Value};

use super::words::after;
use super::{Parts, path};

/// What its checks say when all is well.
const WELL: [&str; 2] = ["working", "ok"];
/// What its errors begin with (since 4 with capitals). A warning fails the check too, unless the site says otherwise.
const ILL: [&str; 4] = ["unavailable:", "unexpected result:", "unknown error:", "warning:"];

pub(super) fn read(body: &Map<String, Value>, parts: &mut Parts) {
    let texts: Option<Vec<(&String, &str)>> =
        body.iter().map(|(name, value)| Some((name, value.as_str()?))).collect();
    let Some(checks) = texts else { return };
    // Flat objects are common: each value must be one that the project writes.
    let is_well = |text: &str| WELL.iter().any(|word| text.eq_ignore_ascii_case(word));
    let is_ill = |text: &str| ILL.iter().any(|begin| after(text, begin).is_some());
    if !checks.iter().all(|(_, text)| is_well(text) || is_ill(text)) {
        return;
    }
    for (name, text) in checks.into_iter().filter(|(_, text)| is_ill(text)) {
        parts.add(&path("", name), text);
    }
}
