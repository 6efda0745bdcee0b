//! What the crash harness adds up: what is in the database against what the receivers took.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::Row;
use watchbell::incident::Incident;
use watchbell::monitor::Status;
use watchbell::store::{Conn, Db, incidents, monitors};

use super::receiver::Taken;

/// A delivery as the database has it.
struct Sent {
    id: i64,
    /// What names it to its receiver.
    key: String,
    event: String,
    incident_id: Option<i64>,
    monitor_id: i64,
    channel: String,
    state: String,
}

const SENT: &str =
    "SELECT d.id, d.event, d.incident_id, d.monitor_id, c.name, d.state, d.created_at
    FROM deliveries d JOIN channels c ON c.id = d.channel_id ORDER BY d.id";

fn sent<R: Row>(row: &R) -> Sent
where
    for<'a> &'a str: sqlx::ColumnIndex<R>,
    usize: sqlx::ColumnIndex<R>,
    for<'r> i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let (id, event, incident_id) = (row.get::<i64, _>(0), row.get::<String, _>(1), row.get(2));
    let (channel, created_at) = (row.get::<String, _>(4), row.get::<i64, _>(6));
    let key = match (channel.as_str(), incident_id) {
        ("pagerduty", Some(incident)) => {
            let action = if event == "monitor.down" { "trigger" } else { "resolve" };
            format!("watchbell-incident-{incident}/{action}")
        }
        _ => format!("msg_{created_at}_{id}"),
    };
    let (monitor_id, state) = (row.get(3), row.get(5));
    Sent { id, key, event, incident_id, monitor_id, channel, state }
}

async fn all_sent(db: &Db) -> Vec<Sent> {
    let mut reader = db.read().await.unwrap();
    match &mut reader.conn() {
        Conn::Sqlite(c) => {
            let rows = sqlx::query(SENT).fetch_all(&mut **c).await.unwrap();
            rows.iter().map(sent).collect()
        }
        Conn::Postgres(c) => {
            let rows = sqlx::query(SENT).fetch_all(&mut **c).await.unwrap();
            rows.iter().map(sent).collect()
        }
    }
}

/// Adds up, prints the sums, and fails when one is not what it must be.
pub async fn balance(db: &Db, taken: &[Taken], cut_off: i64, kills: u64) {
    let sent = all_sent(db).await;
    let (incidents, down) = {
        let mut reader = db.read().await.unwrap();
        let conn = &mut reader.conn();
        let all = incidents::Filter::default();
        let found = incidents::list(conn, all, i64::MAX, 0).await.unwrap();
        let ids = monitors::all_ids(conn).await.unwrap();
        let watched = monitors::by_ids(conn, &ids).await.unwrap();
        let down = watched.into_iter().filter(|w| w.state.status == Status::Down);
        (found, down.map(|w| w.monitor.id).collect::<BTreeSet<_>>())
    };
    let wrong = [
        ("lost", lost(&sent, taken, &incidents)),
        ("orphans", orphans(&sent, taken, &incidents, &down)),
        ("doubled for the receiver", doubled(&sent)),
        ("out of order", out_of_order(&sent, taken)),
    ];
    let once: HashSet<_> = taken.iter().map(|t| (&t.channel, &t.key)).collect();
    let repeats = taken.len() - once.len();
    println!(
        "crash: {kills} kills, {} incidents, {} deliveries, {} taken; repeats {repeats} of {cut_off} that were on \
         their way at kills",
        incidents.len(),
        sent.len(),
        taken.len(),
    );
    for (name, found) in &wrong {
        println!("crash: {name}: {}", found.len());
        found.iter().take(20).for_each(|line| println!("    {line}"));
    }
    assert!(wrong.iter().all(|(_, found)| found.is_empty()));
    assert!(repeats as i64 <= cut_off, "more repeats than alerts on their way at kills");
    assert!(incidents.len() as u64 > kills / 10, "too little has happened to show anything");
}

/// Alerts that nobody got: an incident without its alerts, or an alert that no receiver took.
fn lost(sent: &[Sent], taken: &[Taken], incidents: &[Incident]) -> Vec<String> {
    let channels: BTreeSet<&str> = sent.iter().map(|sent| sent.channel.as_str()).collect();
    let told: HashSet<_> = sent
        .iter()
        .filter_map(|s| Some((s.incident_id?, s.event.as_str(), s.channel.as_str())))
        .collect();
    let mut lost = Vec::new();
    for incident in incidents {
        let ended = incident.resolved_at.is_some().then_some("monitor.up");
        for event in ["monitor.down"].into_iter().chain(ended) {
            for channel in &channels {
                if !told.contains(&(incident.id, event, channel)) {
                    lost.push(format!("incident {} has no {event} for {channel}", incident.id));
                }
            }
        }
    }
    let arrived: HashSet<_> = taken.iter().map(|t| (t.channel.as_str(), t.key.as_str())).collect();
    for sent in sent {
        if sent.state != "delivered" || !arrived.contains(&(&sent.channel, &sent.key)) {
            lost.push(format!(
                "delivery {} ({}, {}) did not arrive",
                sent.id, sent.channel, sent.state
            ));
        }
    }
    lost
}

/// What has no cause: an alert that was made up or has no incident, an open incident of a monitor that is not down, or the reverse.
fn orphans(
    sent: &[Sent],
    taken: &[Taken],
    incidents: &[Incident],
    down: &BTreeSet<i64>,
) -> Vec<String> {
    let known: HashSet<_> = sent.iter().map(|s| (s.channel.as_str(), s.key.as_str())).collect();
    let numbers: HashSet<i64> = incidents.iter().map(|incident| incident.id).collect();
    let mut orphans = Vec::new();
    for taken in taken {
        if !known.contains(&(&taken.channel, &taken.key)) {
            orphans.push(format!("{} got what nobody sent: {}", taken.channel, taken.body));
        }
    }
    for sent in sent {
        if !sent.incident_id.is_some_and(|id| numbers.contains(&id)) {
            orphans.push(format!("delivery {} has no incident", sent.id));
        }
    }
    let mut open = BTreeSet::new();
    for incident in incidents.iter().filter(|incident| incident.resolved_at.is_none()) {
        let Some(monitor) = incident.monitor_id else { continue };
        if !open.insert(monitor) {
            orphans.push(format!("monitor {monitor} has two open incidents"));
        }
    }
    for monitor in open.symmetric_difference(down) {
        orphans.push(format!(
            "monitor {monitor}: only one of incident and state says that it is down"
        ));
    }
    orphans
}

/// Alerts that a receiver cannot tell to be the same: one event of one incident under two keys.
fn doubled(sent: &[Sent]) -> Vec<String> {
    let mut keys = HashMap::new();
    let mut doubled = Vec::new();
    for sent in sent {
        let about = (sent.incident_id, &sent.event, &sent.channel);
        if keys.insert(about, &sent.key).is_some() {
            doubled.push(format!("{} twice for incident {:?}", sent.event, sent.incident_id));
        }
    }
    doubled
}

/// What came before what it follows, for each monitor and channel: alerts come in the order of their queueing, repeats
/// included, and down and up take turns.
fn out_of_order(sent: &[Sent], taken: &[Taken]) -> Vec<String> {
    let by_key: HashMap<_, _> =
        sent.iter().map(|s| ((s.channel.as_str(), s.key.as_str()), s)).collect();
    let mut last: BTreeMap<(&str, i64), &Sent> = BTreeMap::new();
    let mut wrong = Vec::new();
    for taken in taken {
        let Some(sent) = by_key.get(&(taken.channel.as_str(), taken.key.as_str())) else {
            continue;
        };
        let before = last.insert((&sent.channel, sent.monitor_id), sent);
        let follows = match before {
            None => sent.event == "monitor.down",
            Some(before) if before.id == sent.id => true,
            Some(before) => {
                before.id < sent.id
                    && before.event != sent.event
                    && (sent.event == "monitor.down" || before.incident_id == sent.incident_id)
            }
        };
        if !follows {
            let before = before.map(|before| (before.id, before.event.as_str()));
            wrong.push(format!(
                "{}: {} {} of monitor {} after {before:?}",
                sent.channel, sent.event, sent.id, sent.monitor_id
            ));
        }
    }
    wrong
}
