//! Small authorities of our own, and servers that show certificates of theirs.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use watchbell::clock::Timestamp;
use watchbell::probe::{EgressRules, Prober};

/// Who signs certificates.
pub struct Authority {
    /// Its own certificate.
    pub certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// What a server sends with a certificate that it has issued: itself, unless it is a root.
    chain: Vec<CertificateDer<'static>>,
}

/// A root with the name that is usual in these tests.
pub fn authority() -> Authority {
    root("Test Root")
}

/// A root called `name`.
pub fn root(name: &str) -> Authority {
    let key = KeyPair::generate().expect("a key");
    let params = ca(name, (1980, 2090));
    let certificate = params.self_signed(&key).expect("signed").der().clone();
    Authority { certificate, issuer: Issuer::new(params, key), chain: Vec::new() }
}

fn ca(name: &str, years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}

impl Authority {
    /// A prober that trusts this authority.
    pub fn prober(&self) -> Prober {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a root");
        Prober::with_roots(EgressRules::default(), roots).expect("set up")
    }

    /// An authority below this one, valid in the years given.
    pub fn intermediate(&self, name: &str, years: (i32, i32)) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = ca(name, years);
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let certificate = signed.der().clone();
        let mut chain = vec![certificate.clone()];
        chain.extend(self.chain.iter().cloned());
        Self { certificate, issuer: Issuer::new(params, key), chain }
    }

    /// A certificate for `name`, valid in the years given.
    pub fn issue(&self, name: &str, years: (i32, i32)) -> Identity {
        let mut params = params(&[name]);
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        self.sign(params)
    }

    /// A certificate for `names`, valid from 2020 up to `end`, whole seconds.
    pub fn issue_until(&self, names: &[&str], end: Timestamp) -> Identity {
        let mut params = params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_millis(end.0.unsigned_abs());
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed").der().clone();
        let mut chain = vec![certificate];
        chain.extend(self.chain.iter().cloned());
        Identity { chain, key }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).expect("names");
    params.distinguished_name.push(DnType::CommonName, names.concat());
    params
}

/// What a server shows, and the key to it.
pub struct Identity {
    /// Its own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first.
    pub key: KeyPair,
}

impl Identity {
    /// The SHA-256 of its own certificate.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.chain[0]).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same, but what is sent along is this.
    pub fn sending(mut self, others: &[&CertificateDer<'static>]) -> Self {
        self.chain.truncate(1);
        self.chain.extend(others.iter().map(|other| (*other).clone()));
        self
    }
}

/// A certificate that signs itself; `ca` as `openssl req -x509` makes it.
pub fn self_signed(ca: bool) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(&["localhost"]);
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).expect("signed").der().clone();
    Identity { chain: vec![certificate], key }
}

/// What makes the server's side of handshakes, in any version that we know.
pub fn acceptor(identity: Identity, alpn: &[&str]) -> TlsAcceptor {
    acceptor_of(identity, alpn, rustls::ALL_VERSIONS)
}

/// What makes the server's side of handshakes in these versions.
pub fn acceptor_of(
    identity: Identity,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(identity.key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(identity.chain, key)
        .expect("a certificate");
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
