//! What is set of a monitor that pings a host by ICMP. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::Pace;
use super::endpoint::{Endpoint, parse_url, read_url};
use crate::fields::Fields;

const EXAMPLE: &str = "icmp://router.internal";

/// How a host is pinged: it is up when it answers an echo request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpSpec {
    /// `icmp://host`.
    pub url: Url,
    /// How often, how long, how sure.
    #[serde(flatten)]
    pub pace: Pace,
}

impl IcmpSpec {
    /// Reads it from a request; `current` is what a PATCH edits. `None` when the URL is wrong, which is then noted.
    pub(super) fn read(fields: &mut Fields<'_>, current: Option<&Self>) -> Option<Self> {
        let url = read_url(fields, current.map(|c| &c.url), EXAMPLE, parse);
        let pace = Pace::read(fields, current.map(|c| &c.pace));
        Some(Self { url: url?, pace })
    }

    /// What is pinged.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.url)
    }
}

fn parse(value: &Value) -> Result<Url, String> {
    let url = parse_url(value, "icmp", EXAMPLE)?;
    if url.port().is_some() {
        return Err(format!("has a port, and a ping has none: write it as {EXAMPLE}"));
    }
    if url.query().is_some() {
        return Err(format!("has more than a host: write it as {EXAMPLE}"));
    }
    Ok(url)
}
