//! Who is at the other end: the peer, or whom a trusted proxy says it speaks for.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// The address of the client of `req`. `X-Forwarded-For` is believed as far as the chain from us goes through `trusted` proxies.
pub fn address(req: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    Some(forwarded_for(req.headers(), req.peer_addr()?.ip(), trusted))
}

/// Whether a trusted proxy says that the client came by `https`; without one, no.
pub fn is_https(req: &HttpRequest, trusted: &[IpNet]) -> bool {
    is_by_proxy(req, trusted)
        && first_of(req, "x-forwarded-proto")
            .is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

/// The origin by which the client of `req` reached us: by a trusted proxy's word, else by what it asked for itself.
pub fn origin(req: &HttpRequest, trusted: &[IpNet]) -> String {
    let scheme = if is_https(req, trusted) { "https" } else { "http" };
    format!("{scheme}://{}", host(req, trusted))
}

/// The host, with its port, that the client of `req` asked for; `localhost` if it named none, as HTTP/1.0 allows.
pub fn host(req: &HttpRequest, trusted: &[IpNet]) -> String {
    let forwarded = first_of(req, "x-forwarded-host").filter(|_| is_by_proxy(req, trusted));
    forwarded.or_else(|| first_of(req, "host")).unwrap_or("localhost").to_owned()
}

fn is_by_proxy(req: &HttpRequest, trusted: &[IpNet]) -> bool {
    req.peer_addr().is_some_and(|peer| is_trusted(peer.ip(), trusted))
}

/// The first value in the list of a header: of several proxies the first one heard the client.
fn first_of<'a>(req: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let value = req.headers().get(name)?.to_str().ok()?;
    let first = value.split(',').next().unwrap_or_default().trim();
    (!first.is_empty()).then_some(first)
}

fn forwarded_for(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    // What a client wrote before, in whatever encoding, must not hide what a proxy appends.
    let values = headers.get_all("x-forwarded-for").map(|v| String::from_utf8_lossy(v.as_bytes()));
    let values: Vec<_> = values.collect();
    let named: Vec<&str> = values.iter().flat_map(|value| value.split(',')).collect();
    let mut client = peer;
    // Each proxy appends whom it heard; from the right, the first that is not one of ours is the client.
    for name in named.into_iter().rev() {
        let Some(before) = parse_address(name.trim()) else { break };
        if !is_trusted(client, trusted) {
            break;
        }
        client = before;
    }
    client
}

/// `192.0.2.1` or `2001:db8::1`; some proxies write the port too: `192.0.2.1:5555`, `[2001:db8::1]:443`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(in_brackets)
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, header, client) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
            ("10.0.0.1", "rubbish", "10.0.0.1"),
            ("10.0.0.1", "é, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7:5555", "198.51.100.7"),
            ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ] {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static("x-forwarded-for");
            headers.insert(name, HeaderValue::from_bytes(header.as_bytes()).unwrap());
            let found = forwarded_for(&headers, peer.parse().unwrap(), &trusted);
            assert_eq!(found.to_string(), client, "{peer} says {header}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_by_which_address_it_was_reached() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, expected) in
            [("192.0.2.1:1", "http://app:8080"), ("10.0.0.1:1", "https://watch.example.com")]
        {
            let req = actix_web::test::TestRequest::default()
                .peer_addr(peer.parse().unwrap())
                .insert_header(("host", "app:8080"))
                .insert_header(("x-forwarded-host", "watch.example.com, inner"))
                .insert_header(("x-forwarded-proto", "HTTPS, http"))
                .to_http_request();
            assert_eq!(origin(&req, &trusted), expected, "{peer}");
        }
    }
}
