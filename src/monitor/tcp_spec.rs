//! What is set of a monitor that connects to a port. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::Pace;
use super::endpoint::{Endpoint, parse_host_and_port, read_url};
use crate::fields::Fields;

const EXAMPLE: &str = "tcp://db.internal:5432";

/// How a port is checked: it is up when it takes a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSpec {
    /// `tcp://host:port`.
    pub url: Url,
    /// How often, how long, how sure.
    #[serde(flatten)]
    pub pace: Pace,
}

impl TcpSpec {
    /// Reads it from a request; `current` is what a PATCH edits. `None` when the URL is wrong, which is then noted.
    pub(super) fn read(fields: &mut Fields<'_>, current: Option<&Self>) -> Option<Self> {
        let url = read_url(fields, current.map(|c| &c.url), EXAMPLE, parse);
        let pace = Pace::read(fields, current.map(|c| &c.pace));
        Some(Self { url: url?, pace })
    }

    /// What is connected to.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.url)
    }
}

fn parse(value: &Value) -> Result<Url, String> {
    let url = parse_host_and_port(value, "tcp", EXAMPLE)?;
    match url.port() {
        Some(_) => Ok(url),
        None => Err(format!("has no port: write it as {EXAMPLE}")),
    }
}
