//! The settings of a monitor and how a request becomes them: validated, with every wrong field named at once. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::assertion::{Assertion, Source, parse_assertions};
use super::certificate::{read_expiry_days, usual_expiry_days};
use super::endpoint::{missing, read_url};
use super::expect::Expected;
use super::header::{read_headers, unmasked_url};
use super::heartbeat_fields::read_heartbeat;
use super::pace::Pace;
use super::status_set::StatusSet;
use super::{DnsSpec, Header, IcmpSpec, Kind, MonitorId, NotifyOn, TcpSpec, TlsSpec, who_is_told};
use crate::fields::{FieldErrors, Fields, parse_integer, parse_text};

/// What people set of a monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What it is called.
    pub name: String,
    /// What is watched, and how.
    pub target: Target,
    /// Words to find and group it by.
    pub tags: Vec<String>,
    /// The channels that are told; `None`: those that are `is_default` at the time of the alert; empty: nobody.
    pub channel_ids: Option<Vec<i64>>,
    /// The escalation policy that says who is told and when; then there are no `channel_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation_policy_id: Option<i64>,
    /// Which changes they are told of.
    pub notify_on: Vec<NotifyOn>,
    /// The monitors that it depends on: while one of them is down, its alerts are held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<MonitorId>,
}

/// What is watched, and how.
#[allow(clippy::large_enum_variant, reason = "most monitors are of the large kind")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Target {
    /// A URL that is fetched.
    Http(HttpSpec),
    /// A job that pings us.
    Heartbeat(HeartbeatSpec),
    /// A port that is connected to.
    Tcp(TcpSpec),
    /// A name that is looked up.
    Dns(DnsSpec),
    /// A TLS handshake and its certificate.
    Tls(TlsSpec),
    /// A host that is pinged.
    Icmp(IcmpSpec),
}

impl Target {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Http(_) => Kind::Http,
            Self::Heartbeat(_) => Kind::Heartbeat,
            Self::Tcp(_) => Kind::Tcp,
            Self::Dns(_) => Kind::Dns,
            Self::Tls(_) => Kind::Tls,
            Self::Icmp(_) => Kind::Icmp,
        }
    }

    /// Reads what `kind` has from a request; `current` is what a PATCH edits. `None` when the URL is wrong, which is then noted.
    fn read(fields: &mut Fields<'_>, kind: Kind, current: Option<&Self>) -> Option<Self> {
        /// What a PATCH edits, if it is of the kind.
        macro_rules! current {
            ($kind:ident) => {
                match current {
                    Some(Self::$kind(spec)) => Some(spec),
                    _ => None,
                }
            };
        }
        match kind {
            Kind::Http => read_http(fields, current!(Http)).map(Self::Http),
            Kind::Heartbeat => Some(Self::Heartbeat(read_heartbeat(fields, current!(Heartbeat)))),
            Kind::Tcp => TcpSpec::read(fields, current!(Tcp)).map(Self::Tcp),
            Kind::Dns => DnsSpec::read(fields, current!(Dns)).map(Self::Dns),
            Kind::Tls => TlsSpec::read(fields, current!(Tls)).map(Self::Tls),
            Kind::Icmp => IcmpSpec::read(fields, current!(Icmp)).map(Self::Icmp),
        }
    }

    /// The rhythm of its checks; `None` of what is not checked but pings us.
    pub fn pace(&self) -> Option<&Pace> {
        match self {
            Self::Http(spec) => Some(&spec.pace),
            Self::Tcp(spec) => Some(&spec.pace),
            Self::Dns(spec) => Some(&spec.pace),
            Self::Tls(spec) => Some(&spec.pace),
            Self::Icmp(spec) => Some(&spec.pace),
            Self::Heartbeat(_) => None,
        }
    }

    /// Its address; `None` of what has none.
    pub fn url(&self) -> Option<&Url> {
        match self {
            Self::Http(spec) => Some(&spec.url),
            Self::Tcp(spec) => Some(&spec.url),
            Self::Dns(spec) => Some(&spec.url),
            Self::Tls(spec) => Some(&spec.url),
            Self::Icmp(spec) => Some(&spec.url),
            Self::Heartbeat(_) => None,
        }
    }

    /// The days before the end of a certificate at which it is warned of; empty of what has none.
    pub fn tls_expiry_days(&self) -> &[u32] {
        match self {
            Self::Http(spec) => &spec.tls_expiry_days,
            Self::Tls(spec) => &spec.tls_expiry_days,
            Self::Heartbeat(_) | Self::Tcp(_) | Self::Dns(_) | Self::Icmp(_) => &[],
        }
    }
}

/// How a URL is checked (contract, section 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpSpec {
    /// `http` or `https`.
    pub url: Url,
    /// Any method.
    pub method: String,
    /// Sent with the request. Sealed in the database, so not part of the stored JSON.
    #[serde(skip)]
    pub headers: Vec<Header>,
    /// Sent with the request.
    pub body: Option<String>,
    /// How often, how long, how sure.
    #[serde(flatten)]
    pub pace: Pace,
    /// The status codes that are right.
    pub expected_status: StatusSet,
    /// Must be in the body.
    pub keyword: Option<String>,
    /// Must not be in the body.
    pub keyword_absent: Option<String>,
    /// What else must be true of the answer, in the order of judging.
    #[serde(default)]
    pub assertions: Vec<Assertion>,
    /// Whether redirects are followed, ten at most.
    pub follow_redirects: bool,
    /// Whether the certificate must be valid.
    pub verify_tls: bool,
    /// The days before the end of the certificate at which it is warned of.
    #[serde(default = "usual_expiry_days")]
    pub tls_expiry_days: Vec<u32>,
}

impl HttpSpec {
    /// Whether something is asked of the body of the answer.
    pub fn asks_of_body(&self) -> bool {
        let of_body = |a: &Assertion| matches!(a.source(), Source::Body | Source::Json);
        self.keyword.is_some()
            || self.keyword_absent.is_some()
            || self.assertions.iter().any(of_body)
    }
}

/// When a job is expected to ping (contract, section 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatSpec {
    /// When a success is expected.
    #[serde(flatten)]
    pub expected: Expected,
    /// Seconds on top before it is down.
    pub grace_seconds: u32,
    /// Seconds that a run may take from its start, apart from the grace.
    pub max_runtime_seconds: Option<u32>,
    /// Seconds within which the first ping must come.
    pub first_ping_within_seconds: Option<u32>,
    /// The methods that count; empty: all that are taken.
    pub allowed_methods: Vec<String>,
}

/// Seconds in a day.
pub(super) const DAY: u32 = 86_400;

impl Settings {
    /// The settings of something that is only checked: without a name, and nobody is told.
    pub fn of_target(target: Target) -> Self {
        let (name, tags, notify_on) = (String::new(), Vec::new(), Vec::new());
        let (channel_ids, depends_on) = (Some(Vec::new()), Vec::new());
        let escalation_policy_id = None;
        Self { name, target, tags, channel_ids, escalation_policy_id, notify_on, depends_on }
    }

    /// Reads the settings of a monitor of `kind` from a request; `current` is what a PATCH edits.
    ///
    /// # Errors
    /// Every field that is wrong or not of this kind.
    pub fn read(
        map: &Map<String, Value>,
        kind: Kind,
        current: Option<&Self>,
    ) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(map);
        if fields.raw("type").is_some_and(|given| given.as_str() != Some(kind.as_str())) {
            fields.wrong("type", format!("must be {kind} here; it cannot be changed later"));
        }
        let target = Target::read(&mut fields, kind, current.map(|c| &c.target));
        let default_name = match &target {
            Some(target) => target.url().and_then(Url::host_str).map(str::to_owned),
            // The URL is wrong and said so; that it gives no name is not one more mistake.
            None => Some("unnamed".to_owned()),
        };
        let name = fields.name("name", default_name, current.map(|c| c.name.clone()));
        let tags = fields.tags("tags", current.map(|c| c.tags.clone()));
        let (channel_ids, escalation_policy_id) = who_is_told::read(&mut fields, current);
        let notify_on = fields.read(
            "notify_on",
            NotifyOn::ALL.to_vec(),
            current.map(|c| c.notify_on.clone()),
            parse_notify_on,
        );
        let depends_on = fields.ids("depends_on", current.map(|c| c.depends_on.clone()));
        fields.finish()?;
        let target = target.ok_or_else(|| FieldErrors::one("url", missing(EXAMPLE)))?;
        Ok(Self { name, target, tags, channel_ids, escalation_policy_id, notify_on, depends_on })
    }
}

const EXAMPLE: &str = "https://example.com/health";

/// All fields of an HTTP monitor; `None` when the URL is wrong, which is then noted as are the others.
fn read_http(fields: &mut Fields<'_>, current: Option<&HttpSpec>) -> Option<HttpSpec> {
    let stored = current.map(|c| &c.url);
    let parse = |value: &Value| unmasked_url(parse_url(value)?, stored);
    let url = read_url(fields, stored, EXAMPLE, parse);
    let expected_status = read_expected_status(fields, current);
    Some(HttpSpec {
        method: fields.read(
            "method",
            "GET".to_owned(),
            current.map(|c| c.method.clone()),
            parse_method,
        ),
        headers: read_headers(fields, current.map(|c| &c.headers[..])),
        body: fields.optional_text("body", 1 << 20, current.map(|c| c.body.clone())),
        pace: Pace::read(fields, current.map(|c| &c.pace)),
        expected_status,
        keyword: fields.optional_text("keyword", 10_000, current.map(|c| c.keyword.clone())),
        keyword_absent: fields.optional_text(
            "keyword_absent",
            10_000,
            current.map(|c| c.keyword_absent.clone()),
        ),
        assertions: fields.read(
            "assertions",
            Vec::new(),
            current.map(|c| c.assertions.clone()),
            parse_assertions,
        ),
        follow_redirects: fields.boolean(
            "follow_redirects",
            true,
            current.map(|c| c.follow_redirects),
        ),
        verify_tls: fields.boolean("verify_tls", true, current.map(|c| c.verify_tls)),
        tls_expiry_days: read_expiry_days(fields, current.map(|c| c.tls_expiry_days.clone())),
        // Last, so that the other fields have been read, and their mistakes noted, when it is missing.
        url: url?,
    })
}

/// An `http` or `https` address with a host.
pub(crate) fn parse_url(value: &Value) -> Result<Url, String> {
    let text = parse_text(value, 10_000)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(missing(EXAMPLE));
    }
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            format!("has no scheme: write https://{}", text.trim_start_matches('/'))
        }
        other => format!("is not an address: {other}"),
    })?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some_and(has_empty_label) => {
            Err("has a host with nothing before or between its dots".to_owned())
        }
        "http" | "https" if url.host_str().is_some_and(|h| !h.is_empty()) => Ok(url),
        "http" | "https" => Err("has no host".to_owned()),
        // `example.com:8080/x` reads as the scheme `example.com`.
        other if other.contains('.') || other == "localhost" => {
            Err(format!("has no scheme: write https://{text}"))
        }
        other => Err(match Kind::of_url(text) {
            Kind::Http => {
                format!("starts with {other}:, but must start with http:// or https://")
            }
            kind => format!("starts with {other}:, which is of the type {kind}, not http"),
        }),
    }
}

/// Whether a dot has nothing before it: signs that are not seen vanish when a host is read.
fn has_empty_label(host: &str) -> bool {
    host.starts_with('.') || host.contains("..")
}

fn parse_method(value: &Value) -> Result<String, String> {
    let method = parse_text(value, 32)?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if method.is_empty() || !method.chars().all(is_token) {
        return Err("must be an HTTP method, such as GET".to_owned());
    }
    Ok(method.to_ascii_uppercase())
}

fn read_expected_status(fields: &mut Fields<'_>, current: Option<&HttpSpec>) -> StatusSet {
    let code_given = fields.given("expected_status_code");
    if code_given && fields.given("expected_status") {
        fields
            .wrong("expected_status_code", "cannot stand beside expected_status; give one of them");
    }
    if code_given {
        return fields.read("expected_status_code", StatusSet::default(), None, |value| {
            let code = parse_integer(value, &(100..=599))?;
            u16::try_from(code).map(StatusSet::exactly).map_err(|error| error.to_string())
        });
    }
    fields.read(
        "expected_status",
        StatusSet::default(),
        current.map(|c| c.expected_status.clone()),
        |value| match (value.as_str(), value.as_u64()) {
            (Some(text), _) => text.parse(),
            (None, Some(code)) => code.to_string().parse(),
            _ => Err("must be text, such as \"200-299,301\"".to_owned()),
        },
    )
}

fn parse_notify_on(value: &Value) -> Result<Vec<NotifyOn>, String> {
    let items = value.as_array().ok_or("must be a list, such as [\"down\", \"up\"]")?;
    let mut chosen = Vec::new();
    for item in items {
        let word = item.as_str().unwrap_or_default().parse::<NotifyOn>()?;
        if !chosen.contains(&word) {
            chosen.push(word);
        }
    }
    Ok(chosen)
}
