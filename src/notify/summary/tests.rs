use std::collections::BTreeSet;

use super::*;
use crate::notify::attempt::Outgoing;
use crate::notify::channel::{ChannelConfig, ChannelType, Rendered};
use crate::notify::testing::{down_alert, samples};

fn member(id: i64, monitor: i64, name: &str, event: AlertEvent) -> Member {
    let mut alert = down_alert();
    let (sign, predicate) = match event {
        AlertEvent::MonitorDown => ("🔴", "is DOWN"),
        AlertEvent::MonitorUp => ("🟢", "is back online"),
        _ => ("🟡", "is DEGRADED"),
    };
    alert.event = event;
    alert.message.sign = sign.to_owned();
    alert.message.predicate = predicate.to_owned();
    alert.message.subject = name.to_owned();
    alert.message.lines.truncate(1);
    alert.monitor.as_mut().unwrap().id = monitor;
    Member { id, created_at: Timestamp(id * 60_000), alert }
}

fn down(id: i64) -> Member {
    member(id, id, &format!("shop-{id:04}.example.com/health"), AlertEvent::MonitorDown)
}

#[test]
fn a_few_are_told_with_their_reasons() {
    let mut members: Vec<Member> = (1..=3).map(down).collect();
    members.push(member(4, 2, "shop-0002.example.com/health", AlertEvent::MonitorUp));
    members.push(member(5, 9, "slow", AlertEvent::MonitorDegraded));
    let parts = parts(&members, 4000);
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].ids, [1, 2, 4, 3, 5]);
    let reason = "Status: 503 | checks.database: error: <no> & none";
    assert_eq!(
        parts[0].alert.message.text(),
        format!(
            "🔴 *5 alerts* at once: 2 down, 1 degraded, 1 back online\n\
             🔴 shop-0001.example.com/health is DOWN: {reason}\n\
             🟢 shop-0002.example.com/health is back online: {reason} (2 alerts)\n\
             🔴 shop-0003.example.com/health is DOWN: {reason}\n\
             🟡 slow is DEGRADED: {reason}"
        )
    );
    assert_eq!(parts[0].alert.event, AlertEvent::Summary);
}

#[test]
fn monitors_that_were_paused_or_deleted_are_not_back_online() {
    let stopped = |id| {
        let mut stopped = member(id, id, "shop", AlertEvent::MonitorUp);
        stopped.alert.message.sign = STOPPED.to_owned();
        stopped.alert.message.subject = format!("shop {id}");
        stopped
    };
    let first_line = |members: &[Member]| {
        let text = parts(members, 4000)[0].alert.message.text();
        text.lines().next().unwrap().to_owned()
    };
    let mut members: Vec<Member> = (1..=3).map(stopped).collect();
    assert_eq!(first_line(&members), "⚪ *3 alerts* at once: 3 not watched any more");
    members.push(member(4, 4, "blog", AlertEvent::MonitorUp));
    let words = "🟢 *4 alerts* at once: 1 back online, 3 not watched any more";
    assert_eq!(first_line(&members), words);
}

#[test]
fn a_monitor_that_flaps_says_what_it_is_now() {
    let events = [AlertEvent::MonitorUp, AlertEvent::MonitorDown, AlertEvent::MonitorUp];
    let members: Vec<Member> =
        events.iter().zip(1..).map(|(event, id)| member(id, 7, "shop", *event)).collect();
    let parts = parts(&members, 4000);
    let text = "🟢 *shop* is flapping, now back online\n3 changes in 2m\n\
                Status: 503 | checks.database: error: <no> & none";
    assert_eq!((parts.len(), parts[0].alert.message.text().as_str()), (1, text));
    assert_eq!(parts[0].ids, [1, 2, 3]);
}

/// The text that a channel is given, in whatever form.
fn said(kind: ChannelType, alert: &Alert) -> String {
    let sample = samples("https://far.example").into_iter().find(|s| s["type"] == kind.as_str());
    let config: ChannelConfig = serde_json::from_value(sample.unwrap()).unwrap();
    let outgoing = Outgoing {
        alert,
        key: "msg_1".to_owned(),
        sent_at: Timestamp(0),
        base_url: "https://bell.example",
        acknowledge_url: None,
    };
    match config.render(&outgoing).unwrap() {
        Rendered::Http(request) => {
            let json: Option<serde_json::Value> = serde_json::from_slice(&request.body).ok();
            json.map_or_else(|| String::from_utf8(request.body).unwrap(), |json| json.to_string())
        }
        Rendered::Mail(_) => alert.message.text(),
    }
}

/// What each of them is called must be in the messages, whole, on every channel that people read; a thousand in fewer than sixty.
#[test]
fn a_thousand_are_all_named_within_the_limits_of_every_channel() {
    for kind in ChannelType::ALL.iter().copied() {
        let Some(room) = kind.room() else { continue };
        let members: Vec<Member> = (0..1000).map(down).collect();
        let parts = parts(&members, room);
        assert!(parts.len() <= 46, "{kind}: {} messages", parts.len());
        let ids: Vec<i64> = parts.iter().flat_map(|part| part.ids.clone()).collect();
        assert_eq!(ids, (0..1000).collect::<Vec<i64>>(), "{kind}");
        let said: Vec<String> = parts.iter().map(|part| said(kind, &part.alert)).collect();
        for (part, said) in parts.iter().zip(&said) {
            let last = part.alert.message.lines.last().unwrap();
            let tail: String =
                last.chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect();
            assert!(said.contains(&tail), "{kind}: {said}");
        }
        let named: BTreeSet<&str> = parts
            .iter()
            .flat_map(|part| part.alert.message.lines.iter().map(String::as_str))
            .collect();
        assert_eq!(named.len(), 1000, "{kind}: names are told apart");
    }
}

#[test]
fn hard_names_fit_too() {
    let names =
        ["<b>&\"@\"{{".repeat(100), "🔴".repeat(200), "_*~`|".repeat(60), "日本語".repeat(99)];
    for kind in ChannelType::ALL.iter().copied() {
        let Some(room) = kind.room() else { continue };
        let members: Vec<Member> = (0..200)
            .map(|id| member(id, id, &names[id as usize % names.len()], AlertEvent::MonitorDown))
            .chain([down(999)])
            .collect();
        let parts = parts(&members, room);
        assert!(parts.len() <= 20, "{kind}: {}", parts.len());
        for part in &parts {
            let lines = &part.alert.message.lines;
            assert!(lines.iter().map(|line| weight(line)).sum::<usize>() <= room, "{kind}");
        }
        // The last line is the one that would be cut off.
        assert!(said(kind, &parts.last().unwrap().alert).contains("health"), "{kind}");
    }
}
