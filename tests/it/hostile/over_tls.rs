//! Certificates and handshakes that are not right.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::wire::Step::{Finish, Hear, Reset, Settle, Take, Wait};
use super::wire::{answer, flood, say, trickle};
use super::*;

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SELF_SIGNED: Expected = Down(ErrorKind::Tls, "certificate is not trusted: it is self-signed");
const CLOSED: Expected = Down(ErrorKind::Tls, "connection closed during the TLS handshake");
const NO_TLS: Expected = Down(ErrorKind::Tls, "the server does not speak TLS");
const TOO_OLD: Expected = Down(ErrorKind::Tls, "the server does not support TLS 1.2 or newer");

/// Somebody who signs certificates.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn parameters(name: &str, authority: bool) -> CertificateParams {
    let names = if authority { vec![] } else { vec![name.to_owned()] };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

impl Authority {
    /// One that is its own root.
    pub fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = parameters(name, true);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// One below this.
    fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = parameters(name, true);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A server with a certificate of this for `name`, valid in the years given, and with the chain `above` it.
    fn server(&self, name: &str, years: (i32, i32), above: &[&Self]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = parameters(name, false);
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let own = params.signed_by(&key, &self.issuer).unwrap();
        let above = above.iter().map(|authority| authority.certificate.der().clone());
        acceptor([own.der().clone()].into_iter().chain(above).collect(), &key, &[], None)
    }
}

/// The server's side of TLS; with `clients`, only for those who have a certificate of that authority.
fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    alpn: &[&[u8]],
    clients: Option<&Authority>,
) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).unwrap();
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A server with a certificate that it signed itself, which offers `alpn`.
pub fn self_signed(authority: bool, alpn: &[&[u8]]) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let mut params = parameters("localhost", false);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let own = params.self_signed(&key).unwrap();
    acceptor(vec![own.der().clone()], &key, alpn, None)
}

/// Adds all of this file, and gives the authority that is to be trusted.
pub async fn add_all(cases: &mut Vec<Case>) -> String {
    let root = Authority::root("Root of the tests");
    add_certificates(cases, &root).await;
    add_handshakes(cases).await;
    add_after_the_handshake(cases, &root).await;
    root.certificate.pem()
}

const NOW: (i32, i32) = (2020, 2090);

async fn add_certificates(cases: &mut Vec<Case>, root: &Authority) {
    let between = root.intermediate("Between");
    let stranger = Authority::root("Stranger");
    let client_key = KeyPair::generate().unwrap();
    let own = parameters("localhost", false).signed_by(&client_key, &root.issuer).unwrap();
    let picky = acceptor(vec![own.der().clone()], &client_key, &[], Some(root));
    let of = |text| Down(ErrorKind::Tls, text);
    for (name, acceptor, expected) in [
        ("a good certificate", root.server("localhost", NOW, &[]), Up),
        ("a whole chain", between.server("localhost", NOW, &[&between]), Up),
        (
            "a chain with a stranger in it",
            between.server("localhost", NOW, &[&stranger, &between]),
            Up,
        ),
        (
            "an incomplete chain",
            between.server("localhost", NOW, &[]),
            of(
                "certificate is not trusted: the chain is incomplete, the issuer \"Between\" is neither sent along nor an authority that is trusted",
            ),
        ),
        (
            "an expired certificate",
            root.server("localhost", (2020, 2021), &[]),
            of("certificate has expired"),
        ),
        (
            "a certificate of the future",
            root.server("localhost", (2090, 2091), &[]),
            of("certificate is not valid yet"),
        ),
        (
            "a certificate of another host",
            root.server("other.example", NOW, &[]),
            of("certificate is not valid for host localhost"),
        ),
        (
            "a certificate of an unknown authority",
            stranger.server("localhost", NOW, &[&stranger]),
            of("certificate is not trusted: the authority \"Stranger\" is not a trusted one"),
        ),
        ("a self-signed certificate", self_signed(false, &[]), SELF_SIGNED),
        ("a self-signed authority", self_signed(true, &[]), SELF_SIGNED),
        (
            "a server that asks for a certificate",
            picky,
            of("the server asks for a client certificate"),
        ),
    ] {
        let address = wire::within_tls(acceptor, answer(FINE)).await;
        put(cases, name, format!("https://localhost:{}/", address.port()), json!({}), expected);
    }
    let bad = root.server("other.example", (2020, 2021), &[]);
    let address = wire::within_tls(bad, answer(FINE)).await;
    let lax = json!({"verify_tls": false});
    put(
        cases,
        "a bad certificate that is allowed",
        format!("https://localhost:{}/", address.port()),
        lax,
        Up,
    );
}

async fn add_handshakes(cases: &mut Vec<Case>) {
    // A record of the kind alert: level fatal, and what it is.
    let alert = |what: u8| say([0x15, 3, 1, 0, 2, 2, what]);
    // ServerHello of TLS 1.0: version, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let hello = [&[2, 0, 0, 38, 3, 1][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let record = |content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x16, 3, 1, length[0], length[1]], content].concat()
    };
    // The head of a Certificate message of 16 MB, and more of it.
    let endless = record(&[&[11, 0xff, 0xff, 0xff][..], &[0; 16000]].concat());
    let of = |text| Down(ErrorKind::Tls, text);
    for (name, steps, expected) in [
        (
            "plain HTTP at an https: port",
            vec![Take, say("HTTP/1.1 400 Bad Request\r\n\r\n"), Finish],
            NO_TLS,
        ),
        ("noise at an https: port", vec![Take, flood([0x5a; 4096])], NO_TLS),
        ("closed before the handshake", vec![Finish], CLOSED),
        ("closed during the handshake", vec![Take, Finish], CLOSED),
        (
            "closed in the middle of a record",
            vec![Take, say([0x16, 3, 3, 1, 0, 2]), Finish],
            CLOSED,
        ),
        ("reset during the handshake", vec![Take, Reset], RESET),
        ("only TLS 1.0, by an alert", vec![Take, alert(70), Finish], TOO_OLD),
        ("only TLS 1.0, by its hello", vec![Take, say(record(&hello)), Wait], TOO_OLD),
        (
            "a refusal of our ciphers",
            vec![Take, alert(40), Finish],
            of("TLS handshake failed: the server refuses our versions and ciphers"),
        ),
        (
            "a host that it does not know",
            vec![Take, alert(112), Finish],
            of("the server does not know the host 127.0.0.1"),
        ),
        (
            "an internal error in the handshake",
            vec![Take, alert(80), Finish],
            of("TLS handshake failed: …"),
        ),
        (
            "a handshake message of 16 MB",
            vec![Take, flood(endless)],
            of("the server does not speak TLS"),
        ),
    ] {
        let address = wire::plain(steps).await;
        put(cases, name, format!("https://{address}/"), json!({}), expected);
    }
    for (name, steps) in [
        ("no word in the handshake", vec![Wait]),
        (
            "a handshake byte by byte",
            vec![Take, say([0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0]), trickle([0])],
        ),
    ] {
        let address = wire::plain(steps).await;
        put(cases, name, format!("https://{address}/"), in_a_second(), LATE);
    }
}

async fn add_after_the_handshake(cases: &mut Vec<Case>, root: &Authority) {
    let acceptor = root.server("localhost", NOW, &[]);
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    let unended = "HTTP/1.1 200 OK\r\n\r\nis that all?";
    for (name, steps, fields, expected) in [
        ("TLS: closed after the handshake", vec![Hear, Finish], json!({}), CUT),
        ("TLS: reset after the handshake", vec![Hear, Reset], json!({}), RESET),
        ("TLS: a part of a body", vec![Hear, say(part), Finish], json!({}), CUT),
        ("TLS: an end that is not told", vec![Hear, say(unended), Settle], json!({}), CUT),
        ("TLS: HTTP/0.9", vec![Hear, say("<html>"), Finish], json!({}), NOT_HTTP),
        ("TLS: hangs after the handshake", vec![Hear, Wait], in_a_second(), LATE),
        (
            "TLS: a header without end",
            vec![Hear, say("HTTP/1.1 200 OK\r\nX: "), flood([b'x'; 16384])],
            json!({}),
            TOO_LARGE,
        ),
        ("TLS: open after a whole answer", vec![Hear, say(FINE), Wait], json!({}), Up),
    ] {
        let address = wire::within_tls(acceptor.clone(), steps).await;
        put(cases, name, format!("https://localhost:{}/", address.port()), fields, expected);
    }
}
