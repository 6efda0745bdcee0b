//! The kinds of monitor as people choose them, and the form's fields of those that are not HTTP but checked. Pure.

use serde_json::{Value, json};

use super::form::{Form, Input, Shape};
use super::monitor_form::INTERVALS;
use crate::incident::message::short_url;
use crate::monitor::endpoint::Endpoint;
use crate::monitor::header::shown_url;
use crate::monitor::{DnsSpec, IcmpSpec, Kind, Pace, RecordKind, Target, TcpSpec, TlsSpec};

/// What people call a kind, and what is done to watch one, for the choice on top of the form.
pub fn words(kind: &Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Http => ("HTTP", "We request a URL on a schedule"),
        Kind::Heartbeat => ("Heartbeat", "Your job pings us when it runs"),
        Kind::Tcp => ("TCP port", "We connect to a port"),
        Kind::Dns => ("DNS record", "We look a name up"),
        Kind::Tls => ("TLS certificate", "We look at a certificate"),
        Kind::Icmp => ("Ping (ICMP)", "We ping a host"),
    }
}

/// The fields that all checked kinds have.
pub const PACE: [(&str, Shape); 6] = [
    ("check_interval_seconds", Shape::Number),
    ("timeout_seconds", Shape::Number),
    ("degraded_after_ms", Shape::Number),
    ("retries", Shape::Number),
    ("retry_interval_seconds", Shape::Number),
    ("recovery_checks", Shape::Number),
];
/// Where it is checked from: fields of all checked kinds, in the form where there is a choice.
pub const REGIONS: [(&str, Shape); 2] =
    [("regions", Shape::Choices), ("region_quorum", Shape::Number)];
/// The fields of the kinds that see a certificate.
pub const CERTIFICATE: [(&str, Shape); 2] =
    [("verify_tls", Shape::Flag), ("tls_expiry_days", Shape::Numbers)];
/// The fields that only a DNS monitor has.
pub const DNS: [(&str, Shape); 2] = [("expected_value", Shape::Text), ("resolver", Shape::Text)];

/// Adds the rhythm of a monitor to its form.
pub fn with_pace(form: Form, pace: &Pace) -> Form {
    let is_usual = INTERVALS.iter().any(|(s, _)| *s == pace.check_interval_seconds);
    let seconds = pace.check_interval_seconds.to_string();
    form.with("interval_choice", if is_usual { seconds.clone() } else { "other".to_owned() })
        .with("check_interval_seconds", seconds)
        .with("timeout_seconds", pace.timeout_seconds.to_string())
        .with(
            "degraded_after_ms",
            pace.degraded_after_ms.map_or_else(String::new, |ms| ms.to_string()),
        )
        .with("retries", pace.retries.to_string())
        .with("retry_interval_seconds", pace.retry_interval_seconds.to_string())
        .with("recovery_checks", pace.recovery_checks.to_string())
        .with("region_quorum", pace.region_quorum.to_string())
}

/// The rhythm of a monitor that is yet to be made.
pub fn with_usual_pace(form: Form) -> Form {
    form.with("interval_choice", "60")
        .with("timeout_seconds", "10")
        .with("retries", "1")
        .with("retry_interval_seconds", "5")
        .with("recovery_checks", "1")
}

/// Adds to a form what is expected of a certificate, and when its end is warned of.
pub fn with_certificate(form: Form, verify_tls: bool, expiry_days: &[u32]) -> Form {
    let days: Vec<String> = expiry_days.iter().map(u32::to_string).collect();
    form.with("verify_tls", flag(verify_tls)).with("tls_expiry_days", days.join(", "))
}

/// A tick as a form has it.
pub fn flag(on: bool) -> String {
    if on { "on".to_owned() } else { String::new() }
}

/// The form of a monitor that connects to a port.
pub fn tcp_form(spec: &TcpSpec) -> Form {
    with_pace(Form::of([("url", short_url(&spec.url))]), &spec.pace)
}

/// The form of a monitor that looks a name up.
pub fn dns_form(spec: &DnsSpec) -> Form {
    let form = Form::of([
        ("url", spec.name().to_owned()),
        ("record_type", spec.record_kind().to_string()),
        ("expected_value", spec.expected_value.clone().unwrap_or_default()),
        ("resolver", spec.resolver.clone().unwrap_or_default()),
    ]);
    with_pace(form, &spec.pace)
}

/// The form of a monitor that looks at a certificate.
pub fn tls_form(spec: &TlsSpec) -> Form {
    let form = Form::of([("url", short_url(&spec.url))]);
    with_pace(with_certificate(form, spec.verify_tls, &spec.tls_expiry_days), &spec.pace)
}

/// The form of a monitor that pings a host.
pub fn icmp_form(spec: &IcmpSpec) -> Form {
    with_pace(Form::of([("url", short_url(&spec.url))]), &spec.pace)
}

/// The URL that the API would be sent: people give a host, and may paste the whole.
pub fn url(kind: Kind, input: &Input) -> Value {
    let text = input.get("url");
    if text.is_empty() {
        return Value::Null;
    }
    match kind {
        Kind::Dns => {
            let scheme = if text.contains("://") { "" } else { "dns://" };
            let record = input.get("record_type");
            let is_whole = text.contains('?') || record.is_empty();
            let query = if is_whole { String::new() } else { format!("?type={record}") };
            json!(format!("{scheme}{text}{query}"))
        }
        kind => json!(with_scheme(kind, text)),
    }
}

/// What is pasted with a scheme, or with the one of its kind: people paste hosts; a browser would try https too.
pub fn with_scheme(kind: Kind, text: &str) -> String {
    match kind {
        _ if text.contains("://") => text.to_owned(),
        Kind::Http | Kind::Heartbeat => format!("https://{text}"),
        kind => format!("{kind}://{text}"),
    }
}

/// The kind that somebody means who pastes `text` and says nothing else: `host:port` is a port, the rest HTTP unless
/// the scheme says so.
pub fn kind_of_pasted(text: &str) -> Kind {
    let text = text.trim();
    if text.contains("://") {
        return Kind::of_url(text);
    }
    match text.parse::<Endpoint>() {
        Ok(Endpoint { port: Some(_), .. }) => Kind::Tcp,
        _ => Kind::Http,
    }
}

/// What is watched and how, for the head of a page: `db.internal:5432` and `TCP`.
pub fn what_and_how(target: &Target) -> (String, String) {
    match target {
        Target::Http(spec) => (shown_url(&spec.url).to_string(), spec.method.clone()),
        Target::Heartbeat(_) => (String::new(), String::new()),
        Target::Tcp(spec) => (short_url(&spec.url), "TCP".to_owned()),
        Target::Tls(spec) => (short_url(&spec.url), "TLS handshake".to_owned()),
        Target::Icmp(spec) => (short_url(&spec.url), "ping".to_owned()),
        Target::Dns(spec) => {
            let mut how = format!("DNS {}", spec.record_kind());
            if let Some(expected) = &spec.expected_value {
                how.push_str(&format!(" is {expected}"));
            }
            if let Some(resolver) = &spec.resolver {
                how.push_str(&format!(" at {resolver}"));
            }
            (spec.name().to_owned(), how)
        }
    }
}

/// The record types that the form offers.
pub fn record_kinds() -> &'static [RecordKind] {
    RecordKind::ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_says_what_it_is() {
        for (text, kind) in [
            ("example.com", Kind::Http),
            ("example.com/health", Kind::Http),
            ("localhost:8080/health", Kind::Http),
            ("https://example.com:8443", Kind::Http),
            ("db.internal:5432", Kind::Tcp),
            (" [::1]:6379 ", Kind::Tcp),
            ("tcp://db:5432", Kind::Tcp),
            ("DNS://example.com?type=MX", Kind::Dns),
            ("icmp://router", Kind::Icmp),
            ("tls://mail.example.com:465", Kind::Tls),
            ("", Kind::Http),
        ] {
            assert_eq!(kind_of_pasted(text), kind, "{text}");
        }
    }

    #[test]
    fn a_host_gets_the_scheme_of_its_kind() {
        let given = |url: &str, record: &str| {
            let pairs = [("url", url), ("record_type", record)];
            Input(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        assert_eq!(url(Kind::Http, &given("example.com/health", "")), "https://example.com/health");
        assert_eq!(url(Kind::Http, &given("http://example.com", "")), "http://example.com");
        assert_eq!(url(Kind::Tcp, &given("db:5432", "")), "tcp://db:5432");
        assert_eq!(url(Kind::Tls, &given("a.example:465", "")), "tls://a.example:465");
        assert_eq!(url(Kind::Icmp, &given("icmp://a", "")), "icmp://a");
        assert_eq!(url(Kind::Dns, &given("a.example", "MX")), "dns://a.example?type=MX");
        assert_eq!(
            url(Kind::Dns, &given("dns://a.example?type=NS", "A")),
            "dns://a.example?type=NS"
        );
        assert_eq!(url(Kind::Tcp, &given("", "")), Value::Null);
    }
}
