//! What the server finds when it looks at itself, beside the set-up form. Nothing leaves it for that but what its canaries are
//! asked anyway.

use super::status::Shown;
use crate::monitor::cutoff::CanaryReport;
use crate::web::state::AppState;

/// One thing that was looked at.
pub struct SelfCheck {
    /// How it stands.
    pub state: Shown,
    /// What it is.
    pub what: &'static str,
    /// What was found.
    pub found: String,
}

fn found(state: Shown, what: &'static str, found: impl Into<String>) -> SelfCheck {
    SelfCheck { state, what, found: found.into() }
}

/// Looks at all of it.
pub async fn all(state: &AppState) -> Vec<SelfCheck> {
    let (database, network) = futures_util::future::join(database(state), network(state)).await;
    vec![database, network, ping(state), mail(state), checks(state)]
}

async fn database(state: &AppState) -> SelfCheck {
    let name = state.db.kind_name();
    // What the set-up is about to do: write.
    let written = async { state.db.begin().await?.commit().await };
    match written.await {
        Ok(()) => found(Shown::Up, "Database", format!("{name}, schema up to date")),
        Err(error) => found(Shown::Down, "Database", format!("{name} cannot be written: {error}")),
    }
}

async fn network(state: &AppState) -> SelfCheck {
    let Some(canaries) = state.settings.canaries() else {
        return found(Shown::Waiting, "Network", "Nobody to ask.");
    };
    match canaries.ask().await {
        CanaryReport::Answering => {
            found(Shown::Up, "Network", "The resolver or the gateway answers.")
        }
        CanaryReport::Silent(names) => found(
            Shown::Degraded,
            "Network",
            format!("No answer from {}. Sites outside may not be reached.", names.join(", ")),
        ),
    }
}

fn ping(state: &AppState) -> SelfCheck {
    match state.trials.icmp_refusal() {
        None => found(Shown::Up, "Ping", "The system allows ICMP."),
        Some(advice) => found(Shown::Degraded, "Ping", format!("Not allowed: {advice}.")),
    }
}

fn mail(state: &AppState) -> SelfCheck {
    match state.has_mail() {
        true => found(Shown::Up, "Email", "A mail server is set."),
        false => found(Shown::Waiting, "Email", "Not set up. Add a mail server later in Settings."),
    }
}

fn checks(state: &AppState) -> SelfCheck {
    found(Shown::Up, "Local checks", format!("Ready, region “{}”", state.region))
}
