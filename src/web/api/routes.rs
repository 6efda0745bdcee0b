//! The route table of the API, on one screen.

use super::{
    channels, deliveries, escalation_policies, history, incidents, maintenance_windows, monitors,
    openapi, overview, probes, tokens, users,
};
use crate::account::Permission;
use crate::web::table::{Answer, Line, Table, Who, doc};

const ANYBODY: Who = None;
const READ: Who = Some(Permission::Read);
const EDIT: Who = Some(Permission::Edit);
const ADMIN: Who = Some(Permission::Administer);

/// Every address of `/api/v1`: who may, what answers, and what the OpenAPI document says of it.
#[rustfmt::skip]
pub fn table() -> Table {
    use Answer::{Created, Json, List, Nothing, One};
    let mut t = Table::default();
    t.at("/monitors", |l| l
        .get(READ, monitors::list, doc("List monitors", List("Monitor")).query(&["type", "status", "tag", "region", "q"]))
        .post(EDIT, monitors::create, doc("Make a monitor", Created("Monitor")).body("MonitorFields")));
    t.at("/heartbeats", |l| l
        .get(READ, monitors::list, doc("List heartbeats", List("Heartbeat")).query(&["status", "tag", "q"]))
        .post(EDIT, monitors::create, doc("Make a heartbeat", Created("Heartbeat")).body("HeartbeatFields")));
    t.at("/monitors/{id}", |l| one_monitor(l, "Monitor", "MonitorFields"));
    t.at("/heartbeats/{id}", |l| one_monitor(l, "Heartbeat", "HeartbeatFields"));
    for (pause, resume, check, kind) in [
        ("/monitors/{id}/pause", "/monitors/{id}/resume", "/monitors/{id}/check", "Monitor"),
        ("/heartbeats/{id}/pause", "/heartbeats/{id}/resume", "/heartbeats/{id}/check", "Heartbeat"),
    ] {
        t.at(pause, |l| l.post(EDIT, monitors::pause, doc("Stop watching", One(kind))));
        t.at(resume, |l| l.post(EDIT, monitors::resume, doc("Watch again", One(kind))));
        t.at(check, |l| l.post(EDIT, monitors::check, doc("Check now", One("Result"))));
    }
    t.at("/heartbeats/{id}/rotate", |l| l
        .post(EDIT, monitors::rotate, doc("Make another ping URL; the old one is unknown from then on", One("Heartbeat"))));
    for (results, pings, body, outages) in [
        ("/monitors/{id}/results", "/monitors/{id}/pings", "/monitors/{id}/pings/{n}/body", "/monitors/{id}/incidents"),
        ("/heartbeats/{id}/results", "/heartbeats/{id}/pings", "/heartbeats/{id}/pings/{n}/body", "/heartbeats/{id}/incidents"),
    ] {
        t.at(results, |l| l.get(READ, history::results, doc("List results of checks", List("Result"))));
        t.at(pings, |l| l.get(READ, history::pings, doc("List pings", List("Ping"))));
        t.at(body, |l| l.get(READ, history::ping_body, doc("Read the body of a ping", Answer::Bytes)));
        t.at(outages, |l| l.get(READ, history::monitor_incidents, doc("List its incidents", List("Incident"))));
    }
    t.at("/incidents", |l| l
        .get(READ, incidents::list, doc("List incidents", List("Incident")).query(&["state", "monitor_id"])));
    t.at("/incidents/{id}", |l| l
        .get(READ, incidents::get, doc("Read an incident with its timeline", One("IncidentDetail"))));
    t.at("/incidents/{id}/acknowledge", |l| l
        .post(EDIT, incidents::acknowledge, doc("Take an incident", One("IncidentDetail"))));
    t.at("/incidents/{id}/comments", |l| l
        .post(EDIT, incidents::comment, doc("Note something on an incident", One("IncidentDetail")).body("CommentFields")));
    t.at("/channels", |l| l
        .get(READ, channels::list, doc("List channels", List("Channel")))
        .post(EDIT, channels::create, doc("Make a channel", Created("Channel")).body("ChannelFields")));
    t.at("/channels/{id}", |l| l
        .get(READ, channels::get, doc("Read a channel", One("Channel")))
        .patch(EDIT, channels::update, doc("Change a channel", One("Channel")).body("ChannelFields"))
        .delete(EDIT, channels::remove, doc("Remove a channel", Nothing)));
    t.at("/channels/{id}/test", |l| l
        .post(EDIT, channels::test, doc("Send a test for real", One("TestOutcome"))));
    t.at("/deliveries", |l| l
        .get(READ, deliveries::list, doc("List deliveries", List("Delivery")).query(&["incident_id", "channel_id", "state"])));
    t.at("/deliveries/{id}/retry", |l| l
        .post(EDIT, deliveries::retry, doc("Send a failed delivery again", One("Delivery"))));
    t.at("/escalation-policies", |l| l
        .get(READ, escalation_policies::list, doc("List escalation policies", List("EscalationPolicy")))
        .post(EDIT, escalation_policies::create, doc("Make an escalation policy", Created("EscalationPolicy")).body("EscalationPolicyFields")));
    t.at("/escalation-policies/{id}", |l| l
        .get(READ, escalation_policies::get, doc("Read an escalation policy", One("EscalationPolicy")))
        .patch(EDIT, escalation_policies::update, doc("Change an escalation policy", One("EscalationPolicy")).body("EscalationPolicyFields"))
        .delete(EDIT, escalation_policies::remove, doc("Remove an escalation policy that no monitor uses", Nothing)));
    t.at("/maintenance-windows", |l| l
        .get(READ, maintenance_windows::list, doc("List maintenance windows", List("MaintenanceWindow")))
        .post(EDIT, maintenance_windows::create, doc("Make a maintenance window", Created("MaintenanceWindow")).body("MaintenanceWindowFields")));
    t.at("/maintenance-windows/{id}", |l| l
        .get(READ, maintenance_windows::get, doc("Read a maintenance window", One("MaintenanceWindow")))
        .patch(EDIT, maintenance_windows::update, doc("Change a maintenance window", One("MaintenanceWindow")).body("MaintenanceWindowFields"))
        .delete(EDIT, maintenance_windows::remove, doc("Remove a maintenance window", Nothing)));
    t.at("/maintenance-windows/{id}/end", |l| l
        .post(EDIT, maintenance_windows::end, doc("End a maintenance window now", One("MaintenanceWindow"))));
    t.at("/probes", |l| l
        .get(READ, probes::list, doc("List probes", List("Probe")))
        .post(ADMIN, probes::create, doc("Make a probe; its token is shown this once", Created("NewProbe")).body("ProbeFields")));
    t.at("/probes/{id}", |l| l
        .get(READ, probes::get, doc("Read a probe", One("Probe")))
        .patch(ADMIN, probes::update, doc("Rename, disable or enable a probe", One("Probe")).body("ProbeChanges"))
        .delete(ADMIN, probes::remove, doc("Delete a probe whose region no monitor uses", Nothing)));
    t.at("/probes/{id}/rotate", |l| l
        .post(ADMIN, probes::rotate, doc("Give a probe another token; the old one is refused from then on", One("NewProbe"))));
    t.at("/tokens", |l| l
        .get(ADMIN, tokens::list, doc("List API tokens", List("Token")))
        .post(ADMIN, tokens::create, doc("Make an API token; its secret is shown this once", Created("NewToken")).body("TokenFields")));
    t.at("/tokens/{id}", |l| l
        .get(ADMIN, tokens::get, doc("Read an API token", One("Token")))
        .patch(ADMIN, tokens::update, doc("Change an API token", One("Token")).body("TokenFields"))
        .delete(ADMIN, tokens::remove, doc("Revoke an API token", Nothing)));
    t.at("/users", |l| l
        .get(ADMIN, users::list, doc("List users", List("User")))
        .post(ADMIN, users::create, doc("Make a user", Created("User")).body("UserFields")));
    t.at("/users/{id}", |l| l
        .get(ADMIN, users::get, doc("Read a user", One("User")))
        .patch(ADMIN, users::update, doc("Change a user's role or password", One("User")).body("UserChanges"))
        .delete(ADMIN, users::remove, doc("Remove a user", Nothing)));
    t.at("/status", |l| l.get(READ, overview::status, doc("Count monitors by status", One("Status"))));
    t.at("/regions", |l| l.get(READ, overview::regions, doc("List regions", List("Region"))));
    t.at("/openapi.json", |l| l.get(ANYBODY, openapi::json, doc("Read this document", Json)));
    t
}

fn one_monitor(line: Line, schema: &'static str, fields: &'static str) -> Line {
    line.get(READ, monitors::get, doc("Read one, with its uptime", Answer::One(schema)))
        .patch(EDIT, monitors::update, doc("Change it", Answer::One(schema)).body(fields))
        .delete(EDIT, monitors::remove, doc("Delete it with its history", Answer::Nothing))
}
