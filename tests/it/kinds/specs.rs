//! What the settings take and refuse.

use serde_json::{Value, json};
use watchbell::monitor::{Kind, Settings, Target};

fn read(kind: Kind, fields: Value, current: Option<&Settings>) -> Result<Settings, Value> {
    let read = Settings::read(fields.as_object().unwrap(), kind, current);
    read.map_err(|errors| json!(errors.0))
}

fn url_of(settings: &Settings) -> String {
    settings.target.url().expect("a URL").to_string()
}

#[test]
fn addresses_are_read_and_written_in_one_way() {
    for (given, kept, name) in [
        ("tcp://db.internal:5432", "tcp://db.internal:5432", "db.internal"),
        (" TCP://DB.Internal.:5432/ ", "tcp://db.internal:5432", "db.internal"),
        ("tcp://[::1]:6379", "tcp://[::1]:6379", "[::1]"),
        ("tcp://0x7f.1:80", "tcp://127.0.0.1:80", "127.0.0.1"),
        ("tcp://bücher.example:25", "tcp://xn--bcher-kva.example:25", "xn--bcher-kva.example"),
        ("icmp://router", "icmp://router", "router"),
        ("icmp://192.0.2.1/", "icmp://192.0.2.1", "192.0.2.1"),
        ("icmp://[2001:DB8::1]", "icmp://[2001:db8::1]", "[2001:db8::1]"),
        ("dns://example.com", "dns://example.com?type=A", "example.com"),
        ("dns://Example.com./?type=mx", "dns://example.com?type=MX", "example.com"),
        (
            "dns://_sip._tcp.a.example?type=SRV",
            "dns://_sip._tcp.a.example?type=SRV",
            "_sip._tcp.a.example",
        ),
    ] {
        let kind = Kind::of_url(given);
        let settings = read(kind, json!({"url": given}), None).unwrap();
        assert_eq!((url_of(&settings).as_str(), settings.name.as_str()), (kept, name), "{given}");
        assert_eq!(settings.target.kind(), kind);
        let stored: Settings = serde_json::from_value(json!(settings)).unwrap();
        assert_eq!(stored, settings, "what is stored is read back");
        let again = read(kind, json!({"url": kept}), Some(&settings)).unwrap();
        assert_eq!(again, settings, "{given}");
    }
}

#[test]
fn a_wrong_address_is_named_with_the_way_to_write_it() {
    for (kind, url, says) in [
        (Kind::Tcp, "", "is missing: give an address such as tcp://db.internal:5432"),
        (Kind::Tcp, "db:5432", "has no scheme: write tcp://db:5432"),
        (Kind::Tcp, "http://db:5432", "starts with http:, but must start with tcp://"),
        (Kind::Tcp, "tcp://db", "has no port"),
        (Kind::Tcp, "tcp://db:0", "has the port 0"),
        (Kind::Tcp, "tcp://db:99999", "is not an address: invalid port number"),
        (Kind::Tcp, "tcp://:80", "has no host"),
        (Kind::Tcp, "tcp://a:b@db:5432", "has a user or password"),
        (Kind::Tcp, "tcp://db:5432/x", "has more than a host"),
        (Kind::Tcp, "tcp://db:5432?x", "has more than a host and a port"),
        (Kind::Tcp, "tcp://db:5432#x", "has more than a host"),
        (Kind::Tcp, "tcp://a..b:1", "has a host name that DNS does not allow"),
        (Kind::Tcp, "tcp://1.2.3.999:1", "is not an address: invalid IPv4 address"),
        (Kind::Icmp, "icmp://router:7", "has a port, and a ping has none"),
        (Kind::Icmp, "icmp://router?x", "has more than a host"),
        (Kind::Icmp, "icmp://", "has no host"),
        (Kind::Dns, "dns://9.9.9.9/example.com", "has more than a host"),
        (Kind::Dns, "dns://example.com:53", "the server to ask goes into the field resolver"),
        (Kind::Dns, "dns://192.0.2.1", "has an address where a name must be"),
        (Kind::Dns, "dns://[::1]", "has an address where a name must be"),
        (Kind::Dns, "dns://a.example?type=PTR", "has a type that must be one of A, AAAA, CNAME"),
        (Kind::Dns, "dns://a.example?type=A&type=MX", "has two types"),
        (Kind::Dns, "dns://a.example?class=CH", "has class after the question mark"),
    ] {
        let errors = read(kind, json!({"url": url}), None).unwrap_err();
        let said = errors["url"].as_str().unwrap_or_else(|| panic!("{url}: {errors}"));
        assert!(said.contains(says), "{url}: {said}");
        assert_eq!(errors.as_object().unwrap().len(), 1, "{url}: {errors}");
    }
    let http = read(Kind::Http, json!({"url": "tcp://db:5432"}), None).unwrap_err();
    assert_eq!(http["url"], "starts with tcp:, which is of the type tcp, not http");
}

#[test]
fn every_wrong_field_is_named_and_those_of_other_types_are_refused() {
    let fields = json!({"url": "tcp://db", "method": "GET", "keyword": "ok", "resolver": "9.9.9.9",
        "timeout_seconds": 0, "retries": "many", "period_seconds": 60});
    let errors = read(Kind::Tcp, fields, None).unwrap_err();
    let named: Vec<_> = errors.as_object().unwrap().keys().collect();
    let expected =
        ["keyword", "method", "period_seconds", "resolver", "retries", "timeout_seconds", "url"];
    assert_eq!(named, expected);
    for kind in [Kind::Icmp, Kind::Tcp] {
        let errors = read(kind, json!({"expected_value": "x"}), None).unwrap_err();
        assert!(errors["expected_value"].as_str().unwrap().contains("is not a field here"));
        assert!(errors["url"].as_str().unwrap().contains("is missing"));
    }
}

#[test]
fn an_expected_value_must_be_one_that_the_record_can_have() {
    let dns = |query: &str, extra: Value| {
        let mut fields = json!({"url": format!("dns://a.example?type={query}")});
        fields.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        read(Kind::Dns, fields, None)
    };
    assert!(dns("A", json!({"expected_value": "192.0.2.1"})).is_ok());
    assert!(dns("MX", json!({"expected_value": "10 mail.example"})).is_ok());
    for (query, value) in [("A", "::1"), ("A", "web"), ("AAAA", "192.0.2.1")] {
        let errors = dns(query, json!({"expected_value": value})).unwrap_err();
        assert!(errors["expected_value"].as_str().unwrap().contains("address"), "{errors}");
    }
    // A PATCH of the type must not leave a value behind that can never come.
    let kept = dns("MX", json!({"expected_value": "mail.example"})).unwrap();
    let patch = json!({"url": "dns://a.example?type=A"});
    assert!(read(Kind::Dns, patch, Some(&kept)).unwrap_err().get("expected_value").is_some());
    let patch = json!({"url": "dns://a.example?type=A", "expected_value": null});
    assert!(read(Kind::Dns, patch, Some(&kept)).is_ok());
}

#[test]
fn a_resolver_is_a_host_and_perhaps_a_port() {
    for (given, kept) in [
        ("9.9.9.9", json!("9.9.9.9:53")),
        ("dns.internal:5353", json!("dns.internal:5353")),
        ("2620:fe::fe", json!("[2620:fe::fe]:53")),
        ("", Value::Null),
    ] {
        let fields = json!({"url": "dns://a.example", "resolver": given});
        let Target::Dns(spec) = read(Kind::Dns, fields, None).unwrap().target else {
            panic!("not DNS")
        };
        assert_eq!(json!(spec.resolver), kept);
        assert_eq!(spec.server().is_some(), !kept.is_null());
    }
    for wrong in ["https://dns.google/x", "a b", "9.9.9.9:0", "9.9.9.9:port"] {
        let errors = read(Kind::Dns, json!({"url": "dns://a", "resolver": wrong}), None);
        assert!(errors.unwrap_err().get("resolver").is_some(), "{wrong}");
    }
}
