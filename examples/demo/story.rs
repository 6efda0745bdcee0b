//! The monitors of the story (design guide): who they are and what happened to them, told back from the present moment.

use serde_json::{Map, Value, json};
use watchbell::monitor::{Kind, Status};

use super::past::{DAY, HOUR, MINUTE};

/// Where a monitor stands now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Now {
    Up,
    /// Down since so many ms.
    Down(i64),
    /// Slow since so many ms.
    Degraded(i64),
    /// Being re-checked.
    Confirming,
    /// A heartbeat that was due so many ms ago.
    Late(i64),
    Maintenance,
    /// Paused since so many ms.
    Paused(i64),
}

/// A monitor as the story has it.
pub struct Told {
    pub kind: Kind,
    pub fields: Map<String, Value>,
    pub now: Now,
    /// Its age in days.
    pub age_days: i64,
    /// What went wrong: status, how long ago it began, how long it lasted. `None`: what usually does.
    pub troubles: Option<Vec<(Status, i64, i64)>>,
}

impl Told {
    fn new(kind: Kind, name: &str, tags: &[&str], more: Value) -> Self {
        let mut fields =
            Map::from_iter([("name".to_owned(), json!(name)), ("tags".to_owned(), json!(tags))]);
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        Self { kind, fields, now: Now::Up, age_days: 92, troubles: None }
    }

    fn http(name: &str, at: &str, tags: &[&str]) -> Self {
        let url = format!("https://{at}");
        Self::new(Kind::Http, name, tags, json!({ "url": url, "check_interval_seconds": 30 }))
    }

    fn every(name: &str, minutes: i64, grace: i64, tags: &[&str]) -> Self {
        let seconds = json!({ "period_seconds": minutes * 60, "grace_seconds": grace * 60 });
        Self::new(Kind::Heartbeat, name, tags, seconds)
    }

    fn cron(name: &str, cron: &str, grace: i64, tags: &[&str]) -> Self {
        let fields =
            json!({ "cron": cron, "timezone": "Europe/Berlin", "grace_seconds": grace * 60 });
        Self::new(Kind::Heartbeat, name, tags, fields)
    }

    fn now(mut self, now: Now) -> Self {
        self.now = now;
        self
    }

    fn went_through(mut self, troubles: &[(Status, i64, i64)]) -> Self {
        self.troubles = Some(troubles.to_vec());
        self
    }

    fn well(self) -> Self {
        self.went_through(&[])
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.fields.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}

const DOWN: Status = Status::Down;
const SLOW: Status = Status::Degraded;

/// Those that are named in the pictures.
fn named() -> Vec<Told> {
    let mut checkout =
        Told::http("Checkout API", "checkout.kestrel.example/health", &["Payments", "tier-1"])
            .now(Now::Down(12 * MINUTE + 28_000))
            .went_through(&[(DOWN, 62 * DAY, 9 * MINUTE), (DOWN, 19 * DAY, 33 * MINUTE)]);
    checkout.fields.insert("retries".to_owned(), json!(2));
    let mut cdn = Told::http("Image CDN", "cdn.kestrel.example/pixel.png", &["Storefront", "edge"])
        .now(Now::Confirming)
        .went_through(&[(DOWN, 48 * DAY, 11 * MINUTE)]);
    cdn.fields.extend([
        ("retries".to_owned(), json!(20)),
        ("retry_interval_seconds".to_owned(), json!(8)),
    ]);
    let mut search =
        Told::http("Search", "search.kestrel.example/health", &["Storefront", "tier-1"])
            .now(Now::Degraded(34 * MINUTE))
            .went_through(&[(SLOW, 13 * DAY, 40 * MINUTE), (SLOW, 12 * DAY, 25 * MINUTE)]);
    search.fields.insert("degraded_after_ms".to_owned(), json!(800));
    let mut reindex = Told::every("Search reindex", 360, 45, &["Data pipelines"]).well();
    reindex.age_days = 58;
    vec![
        checkout,
        Told::every("Ledger export", 60, 10, &["Data pipelines", "finance"])
            .now(Now::Down(17 * MINUTE + 10_000))
            .went_through(&[
                (DOWN, 45 * DAY, 3 * HOUR),
                (DOWN, 44 * DAY, HOUR),
                (DOWN, 3 * DAY, 2 * HOUR),
            ]),
        cdn,
        search,
        Told::cron("Nightly backup eu-1", "20 14 * * *", 30, &["Data pipelines", "backups"])
            .now(Now::Late(12 * MINUTE))
            .well(),
        Told::http("Refund service", "refunds.kestrel.example/health", &["Payments"])
            .now(Now::Maintenance)
            .well(),
        Told::http("Payments API", "api.kestrel.example/v2/health", &["Payments", "tier-1"]).well(),
        Told::http("Card vault", "vault.kestrel.example/ready", &["Payments", "tier-1"]).well(),
        Told::http("3-D Secure gateway", "3ds.kestrel.example/ping", &["Payments", "vendor"])
            .went_through(&[
                (DOWN, 76 * DAY, 8 * MINUTE),
                (DOWN, 33 * DAY, 20 * MINUTE),
                (DOWN, 30 * DAY, 35 * MINUTE),
                (DOWN, 27 * DAY, 40 * MINUTE),
            ]),
        Told::every("Payout worker", 15, 5, &["Payments"]).well(),
        Told::http("Payment links", "pay.kestrel.example", &["Payments", "edge"]).well(),
        Told::http("Fraud score", "risk.kestrel.example/payments/score", &["Payments", "vendor"]),
        Told::http("PayPal webhook", "hooks.kestrel.example/paypal", &["Payments", "vendor"]),
        Told::cron("Payroll export", "0 6 1 * *", 120, &["Data pipelines", "finance"]).well(),
        Told::cron("Orders to warehouse", "5 * * * *", 10, &["Data pipelines"]).well(),
        reindex,
        Told::every("Legacy FTP import", 1440, 60, &["Data pipelines"])
            .now(Now::Paused(3 * DAY))
            .went_through(&[
                (DOWN, 72 * DAY, 30 * MINUTE),
                (SLOW, 57 * DAY, 10 * MINUTE),
                (DOWN, 14 * DAY, 50 * MINUTE),
            ]),
    ]
}

/// The groups, each with how many monitors it has among 1,284, in the order of the picture.
const GROUPS: [(&str, usize); 7] = [
    ("Payments", 14),
    ("Data pipelines", 38),
    ("Customer domains", 968),
    ("Edge & DNS", 112),
    ("Internal tools", 54),
    ("Storefront", 46),
    ("Staging", 52),
];

const SHOPS: [&str; 12] = [
    "anchor", "birch", "clover", "dune", "ember", "fjord", "grove", "harbor", "iris", "juniper",
    "kite", "larch",
];
const TOOLS: [&str; 9] =
    ["wiki", "grafana", "git", "ci", "vpn", "mail", "tickets", "payroll", "directory"];

/// The `n`th monitor of a group that no picture names.
fn filler(group: &str, n: usize) -> Told {
    let shop = format!("{}-{}", SHOPS[n % SHOPS.len()], n / SHOPS.len() + 1);
    let tool = format!("{}-{}", TOOLS[n % TOOLS.len()], n / TOOLS.len() + 1);
    match group {
        "Customer domains" => {
            let plan = if n.is_multiple_of(7) { "enterprise" } else { "standard" };
            let told = Told::http(
                &format!("{shop}.shop.example"),
                &format!("{shop}.shop.example/"),
                &[group, plan],
            );
            if n < 5 { told.now(Now::Maintenance) } else { told }
        }
        "Edge & DNS" => match n % 4 {
            0 => Told::new(
                Kind::Dns,
                &format!("{shop} A record"),
                &[group, "dns"],
                json!({ "url": format!("dns://{shop}.kestrel.example?type=A") }),
            ),
            1 => Told::new(
                Kind::Tls,
                &format!("{shop} certificate"),
                &[group, "tls"],
                json!({ "url": format!("tls://{shop}.kestrel.example:443") }),
            ),
            2 => Told::new(
                Kind::Tcp,
                &format!("{shop} edge port"),
                &[group, "edge"],
                json!({ "url": format!("tcp://{shop}.edge.kestrel.example:443") }),
            ),
            _ => Told::http(
                &format!("{shop} edge"),
                &format!("{shop}.edge.kestrel.example/ping"),
                &[group, "edge"],
            ),
        },
        "Data pipelines" if n.is_multiple_of(2) => {
            Told::every(&format!("{} sync", shop.replace('-', " ")), 30, 10, &[group])
        }
        "Data pipelines" => {
            Told::cron(&format!("{} rollup", shop.replace('-', " ")), "10 */2 * * *", 20, &[group])
        }
        "Internal tools" | "Staging" => {
            let place = if group == "Staging" { "staging" } else { "internal" };
            let told = Told::http(
                &format!("{tool} {place}"),
                &format!("{tool}.{place}.kestrel.example/health"),
                &[group],
            );
            let paused = if group == "Staging" { 8 } else { 5 };
            if n < paused { told.now(Now::Paused((2 + n as i64) * DAY)) } else { told }
        }
        _ => {
            let place = group.to_lowercase();
            Told::http(
                &format!("{} {shop}", if group == "Payments" { "Acquirer" } else { "Storefront" }),
                &format!("{shop}.{place}.kestrel.example/health"),
                &[group],
            )
        }
    }
}

/// `count` monitors: the story's, and as many others in each group as its share of the whole asks for.
pub fn monitors(count: usize) -> Vec<Told> {
    let mut told = named();
    told.truncate(count);
    let all: usize = GROUPS.iter().map(|(_, size)| size).sum();
    let in_group = |told: &[Told], group: &str| {
        told.iter()
            .filter(|t| t.fields.get("tags").is_some_and(|tags| tags.get(0) == Some(&json!(group))))
            .count()
    };
    for (group, size) in GROUPS {
        let share = size * count / all;
        let named = in_group(&told, group);
        told.extend((named..share).map(|n| filler(group, n - named)));
    }
    // What rounding left over are customers.
    let customers = in_group(&told, "Customer domains");
    let missing = count.saturating_sub(told.len());
    told.extend((customers..customers + missing).map(|n| filler("Customer domains", n)));
    told
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_counts_are_those_of_the_picture() {
        let told = super::monitors(1284);
        assert_eq!(told.len(), 1284);
        let count = |wanted: fn(super::Now) -> bool| told.iter().filter(|t| wanted(t.now)).count();
        assert_eq!(count(|now| matches!(now, super::Now::Down(_))), 2);
        assert_eq!(count(|now| now == super::Now::Maintenance), 6);
        assert_eq!(count(|now| matches!(now, super::Now::Paused(_))), 14);
        assert_eq!(count(|now| now == super::Now::Up), 1259);
    }
}
