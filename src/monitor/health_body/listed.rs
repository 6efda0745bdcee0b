//! Forms that have a list of named parts: MicroProfile Health, Laravel Health. Pure.

use serde_json::{Map, Value};

use super::words::{explained, failure, is_one_of, why};
use super::{Parts, object, path, text};

pub(super) fn read(body: &Map<String, Value>, parts: &mut Parts) {
    // MicroProfile Health; before 2.0 it was `state`.
    for check in list(body, "checks") {
        let status = ["status", "state"].iter().find_map(|key| check.get(*key));
        let (Some(name), Some(status)) = (text(check, "name"), status.and_then(failure)) else {
            continue;
        };
        let data = object(check, "data");
        let pairs = data.map(pairs).filter(|pairs| !pairs.is_empty());
        let why = data.and_then(why).or(pairs.as_deref()).or_else(|| why(check));
        parts.add(&path("checks", name), &explained(&status, why));
    }
    // Laravel Health. What has crashed or warns makes the whole fail too.
    for check in list(body, "checkResults") {
        let (Some(name), Some(status)) = (text(check, "name"), text(check, "status")) else {
            continue;
        };
        if is_one_of(status, &["failed", "crashed", "warning"]) {
            let why = ["notificationMessage", "shortSummary"].iter().find_map(|k| text(check, k));
            parts.add(&path("checkResults", name), &explained(status, why));
        }
    }
}

/// The objects of a list; PHP writes a list from which something was left out as an object.
fn list<'a>(
    body: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    let list = body.get(key);
    let items = list.and_then(Value::as_array).into_iter().flatten();
    let numbered = list.and_then(Value::as_object).filter(|list| {
        key == "checkResults" && list.keys().all(|key| key.bytes().all(|b| b.is_ascii_digit()))
    });
    items.chain(numbered.into_iter().flat_map(Map::values)).filter_map(Value::as_object)
}

/// The first texts of a check's data: which of them tells the cause is up to the check.
fn pairs(data: &Map<String, Value>) -> String {
    let texts = data.keys().filter_map(|key| Some(format!("{key}: {}", text(data, key)?)));
    texts.take(3).collect::<Vec<_>>().join(", ")
}
