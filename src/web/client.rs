//! Who is at the other end: the peer, or whom a trusted proxy says it speaks for.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// The address of the client of `req`. `X-Forwarded-For` is believed as far as the chain from us goes through `trusted` proxies.
pub fn address(req: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    Some(forwarded_for(req.headers(), req.peer_addr()?.ip(), trusted))
}

/// Whether a trusted proxy says that the client came by `https`; without one, no.
pub fn is_https(req: &HttpRequest, trusted: &[IpNet]) -> bool {
    req.peer_addr().is_some_and(|peer| is_trusted(peer.ip(), trusted))
        && req.headers().get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

/// The origin by which the client of `req` reached us: by a trusted proxy's word, else by what it asked for itself.
pub fn origin(req: &HttpRequest, trusted: &[IpNet]) -> String {
    let scheme = if is_https(req, trusted) { "https" } else { "http" };
    format!("{scheme}://{}", host(req, trusted))
}

/// The host, with its port, that the client of `req` asked for; `localhost` if it named none, as HTTP/1.0 allows.
pub fn host(req: &HttpRequest, trusted: &[IpNet]) -> String {
    let by_proxy = req.peer_addr().is_some_and(|peer| is_trusted(peer.ip(), trusted));
    let named = |name: &str| {
        let value = req.headers().get(name)?.to_str().ok()?;
        // Of several proxies the first one heard the client.
        let first = value.split(',').next().unwrap_or_default().trim();
        (!first.is_empty()).then(|| first.to_owned())
    };
    let forwarded = named("x-forwarded-host").filter(|_| by_proxy);
    forwarded.or_else(|| named("host")).unwrap_or_else(|| "localhost".to_owned())
}

fn forwarded_for(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let named: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut client = peer;
    // Each proxy appends whom it heard; from the right, the first that is not one of ours is the client.
    for name in named.into_iter().rev() {
        let Ok(before) = name.trim().parse::<IpAddr>() else { break };
        if !is_trusted(client, trusted) {
            break;
        }
        client = before;
    }
    client
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
            ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ] {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static("x-forwarded-for");
            headers.insert(name, HeaderValue::from_static(header));
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
                .insert_header(("x-forwarded-proto", "https"))
                .to_http_request();
            assert_eq!(origin(&req, &trusted), expected, "{peer}");
        }
    }
}
