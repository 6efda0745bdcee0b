//! A monitor's settings in plain words: what is done, when somebody hears of an outage, and who. Pure.

use super::text::{Html, plural, span};
use crate::incident::message::short_url;
use crate::monitor::expect::Expected;
use crate::monitor::{HeartbeatSpec, NotifyOn, Pace, Settings, Target};

/// A sentence or more; what matters is bold.
#[derive(Default)]
struct Words(String);

impl Words {
    fn say(mut self, text: impl AsRef<str>) -> Self {
        self.0.push_str(&Html::escaped(text.as_ref()).0);
        self
    }

    fn bold(mut self, text: impl AsRef<str>) -> Self {
        self.0.push_str(&format!("<b>{}</b>", Html::escaped(text.as_ref())));
        self
    }
}

/// What the settings mean; `region` is where checks are made from, `told` who is told at once, by name, unless there is a `policy`.
pub fn words(settings: &Settings, region: &str, told: &[String], policy: Option<&str>) -> Html {
    let words = match &settings.target {
        Target::Heartbeat(spec) => heartbeat(Words::default(), spec),
        target => checked(Words::default(), target, region),
    };
    let words = who(words, settings, told, policy);
    let words = match settings.target.pace() {
        Some(pace) => when(words, pace, policy.is_some()),
        None => words,
    };
    Html(words.0)
}

fn seconds(n: u32) -> String {
    span(i64::from(n) * 1000)
}

fn checked(words: Words, target: &Target, region: &str) -> Words {
    let words = match target {
        Target::Http(spec) => {
            words.say("We request ").bold(format!("{} {}", spec.method, spec.url.path()))
        }
        Target::Tcp(spec) => words.say("We connect to ").bold(short_url(&spec.url)),
        Target::Dns(spec) => {
            words.say("We look up ").bold(format!("{} {}", spec.record_kind(), spec.name()))
        }
        Target::Tls(spec) => words.say("We look at the certificate of ").bold(short_url(&spec.url)),
        Target::Icmp(spec) => words.say("We ping ").bold(short_url(&spec.url)),
        Target::Heartbeat(_) => words,
    };
    let Some(pace) = target.pace() else { return words };
    let every = seconds(pace.check_interval_seconds);
    let from = if pace.regions.is_empty() { region.to_owned() } else { pace.regions.join(", ") };
    let words = words.say(" every ").bold(every).say(" from ").bold(from).say(". When it fails ");
    match pace.retries {
        0 => words.bold("once"),
        n => {
            let times = if n == 1 { "twice".to_owned() } else { format!("{} times", n + 1) };
            let apart = seconds(pace.retry_interval_seconds);
            words.bold(format!("{times} in a row")).say(format!(", {apart} apart"))
        }
    }
    .say(", we open an incident and ")
}

fn heartbeat(words: Words, spec: &HeartbeatSpec) -> Words {
    let words = words.say("We expect a ping ");
    let words = match &spec.expected {
        Expected::Every { period_seconds } => {
            words.bold(format!("every {}", seconds(*period_seconds)))
        }
        Expected::At(schedule) => words
            .bold(schedule.describe().trim().trim_end_matches('.').to_lowercase())
            .say(format!(" ({})", schedule.timezone().name())),
    };
    let words = words
        .say(". When none has come ")
        .bold(seconds(spec.grace_seconds))
        .say(" after that, or the job reports a failure");
    let words = match spec.max_runtime_seconds {
        Some(limit) => words.say(format!(", or a run takes over {}", seconds(limit))),
        None => words,
    };
    words.say(", we open an incident and ")
}

fn who(words: Words, settings: &Settings, told: &[String], policy: Option<&str>) -> Words {
    if !settings.notify_on.contains(&NotifyOn::Down) {
        return words.bold("tell nobody").say(", as “goes down” is not ticked.");
    }
    if let Some(name) = policy {
        return words.say("run the escalation policy ").bold(name).say(".");
    }
    match told {
        [] => words.bold("tell nobody").say(": no channel is ticked."),
        [one] => words.say("tell ").bold(one).say(" at once."),
        [first, rest @ ..] if rest.len() < 4 => rest
            .iter()
            .enumerate()
            .fold(words.say("tell ").bold(first), |words, (n, name)| {
                let join = if n + 1 == rest.len() { " and " } else { ", " };
                words.say(join).bold(name)
            })
            .say(" at once."),
        many => words.say("tell ").bold(plural(many.len(), "channel")).say(" at once."),
    }
}

/// From the moment of the outage to the alert: at best a check comes right after it, at worst right before.
fn when(words: Words, pace: &Pace, is_policy: bool) -> Words {
    let confirming = pace.retries.saturating_mul(pace.retry_interval_seconds);
    let latest = confirming.saturating_add(pace.check_interval_seconds);
    let spans = match confirming {
        0 => format!("within {}", seconds(latest)),
        soonest => format!("{} to {}", seconds(soonest), seconds(latest)),
    };
    words
        .say(if is_policy { " Its clock starts " } else { " You hear of an outage " })
        .bold(spans)
        .say(if is_policy { " after an outage does" } else { " after it starts" })
        .say("; when the target hangs, each failing check adds its timeout of ")
        .say(format!("{}.", seconds(pace.timeout_seconds)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::monitor::Kind;

    fn said(kind: Kind, fields: Value, told: &[&str]) -> String {
        let settings = Settings::read(fields.as_object().unwrap(), kind, None).unwrap();
        let told: Vec<String> = told.iter().map(|name| (*name).to_owned()).collect();
        words(&settings, "local", &told, None).0
    }

    #[test]
    fn a_policy_is_named_in_the_place_of_channels() {
        let fields = json!({"url": "tcp://db:5432", "escalation_policy_id": 1});
        let settings = Settings::read(fields.as_object().unwrap(), Kind::Tcp, None).unwrap();
        let said = words(&settings, "local", &[], Some("Primary on-call")).0;
        let run = "run the escalation policy <b>Primary on-call</b>. Its clock starts <b>5 s to 1 min 5 s</b> after";
        assert!(said.contains(run), "{said}");
    }

    #[test]
    fn the_words_name_what_when_and_who() {
        assert_eq!(
            said(Kind::Http, json!({"url": "https://a.example/health?x=1"}), &["Ops", "<b>"]),
            "We request <b>GET /health</b> every <b>1 min</b> from <b>local</b>. When it fails <b>twice in a row</b>, \
             5 s apart, we open an incident and tell <b>Ops</b> and <b>&#60;b&#62;</b> at once. You hear of an outage \
             <b>5 s to 1 min 5 s</b> after it starts; when the target hangs, each failing check adds its timeout of 10 s."
        );
        let alone = said(Kind::Tcp, json!({"url": "tcp://db:5432", "retries": 0}), &[]);
        assert!(
            alone.contains("We connect to <b>db:5432</b>") && alone.contains("fails <b>once</b>"),
            "{alone}"
        );
        assert!(
            alone.contains("<b>tell nobody</b>: no channel")
                && alone.contains("<b>within 1 min</b>"),
            "{alone}"
        );
        let silent = json!({"url": "icmp://a", "notify_on": ["up"]});
        assert!(said(Kind::Icmp, silent, &["Ops"]).contains("“goes down” is not ticked"));
        let job = json!({"name": "Backup", "period_seconds": 3600, "grace_seconds": 300});
        assert_eq!(
            said(Kind::Heartbeat, job, &["a", "b", "c"]),
            "We expect a ping <b>every 1 h</b>. When none has come <b>5 min</b> after that, or the job reports a failure, \
             we open an incident and tell <b>a</b>, <b>b</b> and <b>c</b> at once."
        );
    }
}
