//! Several monitors at once: an address a line, all or nothing, each wrong line named.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use askama::Template;
use serde_json::{Map, Value, json};

use super::error::{Page, PageError, sentence, show_as};
use super::form::{Form, Input, Shape};
use super::kinds::{kind_of_pasted, with_scheme};
use super::monitor_form::INTERVALS;
use super::text::plural;
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::checker::EngineError;
use crate::monitor::{Kind, Settings};
use crate::store::monitors;

/// The most lines at once.
const LINES_MAX: usize = 500;

/// A monitor to be made: its kind, and its fields as the API would be sent them.
type Wanted = (Kind, Map<String, Value>);

/// A line that makes no monitor.
struct WrongLine {
    /// Its number, from 1.
    number: usize,
    /// What stands there.
    text: String,
    /// Why not, and the fix.
    reason: String,
}

#[derive(Template)]
#[template(path = "pages/monitors_many.html")]
struct ManyPage {
    shell: Shell,
    form: Form,
    wrong: Vec<WrongLine>,
    known_tags: Vec<String>,
    intervals: &'static [(u32, &'static str)],
}

impl ManyPage {
    fn count(&self) -> String {
        format!("{} cannot be read, so that nothing was made", plural(self.wrong.len(), "line"))
    }

    fn interval_is(&self, seconds: &u32) -> bool {
        self.form.is("interval_choice", "", seconds)
    }
}

async fn view(visit: &Visit, status: StatusCode, form: Form, wrong: Vec<WrongLine>) -> Page {
    let known_tags = monitors::tags(&mut visit.state.db.read().await?.conn()).await?;
    let shell = visit.shell("monitors", "Several monitors").await?;
    show_as(status, &ManyPage { shell, form, wrong, known_tags, intervals: &INTERVALS })
}

/// `GET /monitors/many`.
pub async fn page(visit: Visit) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let form = Form::of([("interval_choice", "60".to_owned())]);
    view(&visit, StatusCode::OK, form, Vec::new()).await
}

/// `POST /monitors/many`.
pub async fn create(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let form = Form::refused(&input, &Default::default(), &[]);
    // What was pasted elsewhere is shown first: nothing is made by a paste.
    if !input.get("preview").is_empty() {
        let form = form.with("interval_choice", "60");
        return view(&visit, StatusCode::OK, form, Vec::new()).await;
    }
    let common = common(&input);
    let wanted = match read(input.get("urls"), &common) {
        Ok(wanted) if wanted.is_empty() => {
            let form = form.with_error("urls", "The list is empty: give an address a line.");
            return view(&visit, StatusCode::UNPROCESSABLE_ENTITY, form, Vec::new()).await;
        }
        Ok(wanted) => wanted,
        Err(wrong) => return view(&visit, StatusCode::UNPROCESSABLE_ENTITY, form, wrong).await,
    };
    match visit.state.engine.create_monitors(wanted).await {
        Ok(()) => Ok(see_other("/monitors")),
        Err(EngineError::Invalid(errors)) => {
            let form = Form::refused(&input, &errors, &[]);
            view(&visit, StatusCode::UNPROCESSABLE_ENTITY, form, Vec::new()).await
        }
        Err(error) => Err(PageError::of_engine(error, "monitor")),
    }
}

/// What all of them share.
fn common(input: &Input) -> Map<String, Value> {
    let mut map = input.to_json(&[("tags", Shape::Words)]);
    if let Ok(seconds) = input.get("interval_choice").parse::<u32>() {
        map.insert("check_interval_seconds".to_owned(), json!(seconds));
    }
    map
}

/// A monitor for each line that is not empty: an address, and after a space its name if it has one.
fn read(text: &str, common: &Map<String, Value>) -> Result<Vec<Wanted>, Vec<WrongLine>> {
    let mut wanted = Vec::new();
    let mut wrong = Vec::new();
    let mut seen = HashMap::new();
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let mut refuse = |reason: String| {
            let text = line.chars().take(120).collect();
            wrong.push(WrongLine { number, text, reason: sentence(&reason) });
        };
        if wanted.len() >= LINES_MAX {
            refuse(format!("there are more than {LINES_MAX} lines: paste them in parts"));
            break;
        }
        let (address, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let kind = kind_of_pasted(address);
        let mut map = common.clone();
        map.insert("url".to_owned(), json!(with_scheme(kind, address)));
        if !name.trim().is_empty() {
            map.insert("name".to_owned(), json!(name.trim()));
        }
        if let Some(first) = seen.insert(address.to_owned(), number) {
            refuse(format!("it is the same as line {first}"));
        } else if let Err(errors) = Settings::read(&map, kind, None) {
            let reason = |(field, reason): (&String, &String)| match field.as_str() {
                "url" => format!("the address {reason}"),
                field => format!("{field} {reason}"),
            };
            refuse(errors.0.iter().map(reason).collect::<Vec<_>>().join("; "));
        }
        wanted.push((kind, map));
    }
    if wrong.is_empty() { Ok(wanted) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_monitor_and_each_wrong_one_is_named() {
        let common = common(&Input(vec![
            ("tags".to_owned(), "a, b".to_owned()),
            ("interval_choice".to_owned(), "30".to_owned()),
        ]));
        let made = read("https://a.example/health  Shop front\n\n db:5432 \r\nb.example", &common);
        let made = made.unwrap_or_default();
        let kinds: Vec<Kind> = made.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [Kind::Http, Kind::Tcp, Kind::Http]);
        assert_eq!(made[0].1["name"], "Shop front");
        assert_eq!(made[1].1["url"], "tcp://db:5432");
        assert_eq!(made[2].1["url"], "https://b.example");
        assert_eq!(made[2].1["tags"], json!(["a", "b"]));
        assert_eq!(made[2].1["check_interval_seconds"], 30);
        let wrong = read("a.example\nftp://b.example\nc.example\na.example again\n", &common);
        let wrong: Vec<_> = wrong
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|line| (line.number, line.reason))
            .collect();
        assert_eq!(
            wrong,
            [
                (
                    2,
                    "The address starts with ftp:, but must start with http:// or https://."
                        .to_owned()
                ),
                (4, "It is the same as line 1.".to_owned()),
            ]
        );
        let many: String = (0..=LINES_MAX).map(|n| format!("{n}.example\n")).collect();
        assert_eq!(read(&many, &common).err().map(|wrong| wrong.len()), Some(1));
    }
}
