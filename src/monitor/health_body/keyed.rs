//! Forms that have an object with a member for each part: the plain one, IETF health+json, Spring Boot Actuator, ASP.NET Core,
//! Terminus. Pure.

use serde_json::{Map, Value};

use super::words::{explained, failure, is_one_of, why};
use super::{MOST, Parts, object, path, text};

/// How deep Spring's composites are followed.
const DEEPEST: usize = 4;

pub(super) fn read(body: &Map<String, Value>, parts: &mut Parts) {
    // Plain: each part a word, a truth value or an object. IETF: a list of objects, one for each component behind the name.
    for (name, part) in object(body, "checks").into_iter().flatten() {
        if let Some(text) = part_failure(part) {
            parts.add(&path("checks", name), &text);
        }
    }
    if let Some(components) = object(body, "components") {
        spring(components, "components", 1, parts);
    }
    // The names below are common ones: they are only read beside an overall status, of parts that all have one of their own.
    if text(body, "status").is_none() {
        return;
    }
    // ASP.NET Core: `entries` of the HealthChecks UI, `results` of the writer that Microsoft's documentation shows.
    // `details` is Terminus', and Spring's before 2.2. Terminus before 7 has only `error`.
    for key in ["entries", "results", "details"] {
        statuses(body, key, parts);
    }
    if object(body, "details").is_none() {
        statuses(body, "error", parts);
    }
}

/// What is wrong with one part, if anything is.
fn part_failure(part: &Value) -> Option<String> {
    match part {
        Value::Object(part) => Some(explained(&failure(part.get("status")?)?, why(part))),
        Value::Array(items) => {
            let items = items.iter().filter(|item| item.is_object());
            let failed: Vec<String> = items.filter_map(part_failure).take(MOST).collect();
            (!failed.is_empty()).then(|| failed.join(", "))
        }
        plain => failure(plain),
    }
}

/// A component with components of its own is told by those of them that are not well.
fn spring(components: &Map<String, Value>, parent: &str, depth: usize, parts: &mut Parts) {
    for (name, component) in components {
        let Some(component) = component.as_object() else { continue };
        let here = path(parent, name);
        let before = parts.0.len();
        if let Some(inner) = object(component, "components").filter(|_| depth < DEEPEST) {
            spring(inner, &format!("{here}.components"), depth + 1, parts);
        }
        if parts.0.len() == before
            && let Some(text) = spring_failure(component)
        {
            parts.add(&here, &text);
        }
    }
}

fn spring_failure(component: &Map<String, Value>) -> Option<String> {
    let status = component.get("status")?;
    let own = || status.as_str().filter(|status| is_one_of(status, &["out_of_service"]));
    let status = failure(status).or_else(|| own().map(str::to_owned))?;
    let details = object(component, "details").and_then(why);
    Some(explained(&status, details.or_else(|| why(component))))
}

/// The parts of an object whose members all have a status.
fn statuses(body: &Map<String, Value>, key: &str, parts: &mut Parts) {
    let Some(members) = object(body, key) else { return };
    if !members.values().all(|part| part.as_object().is_some_and(|p| text(p, "status").is_some())) {
        return;
    }
    for (name, part) in members {
        if let Some(text) = part.as_object().and_then(spring_failure) {
            parts.add(&path(key, name), &text);
        }
    }
}
