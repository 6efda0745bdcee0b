//! One check of a URL, from name resolution to the last byte.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::certs;
use super::egress::EgressRules;
use super::failure::{failure, of_request, timed_out};
use super::icmp::{self, Opener};
use super::long_body::{Answer, LongBodies};
use super::phases::{ConnectedLayer, Marks};
use super::plain;
use super::redirect::{Hop, is_redirect};
use super::resolver::GuardedResolver;
use super::tls::Handshaker;
use super::trust;
use crate::clock::Timestamp;
use crate::monitor::assertion::Source;
use crate::monitor::assess::Assessment;
use crate::monitor::confidence::Secrets;
use crate::monitor::pace::TIMEOUT_SECONDS_MAX;
use crate::monitor::raw_answer::{Came, RawAnswer};
use crate::monitor::{CheckError, CheckResult, ErrorKind, Header, HttpSpec, Target, Verdict};

/// What checks say they are.
const USER_AGENT: &str = concat!("Watchbell/", env!("CARGO_PKG_VERSION"));

/// What a server may send over HTTP/2 before it has been read, in bytes.
const HTTP_2_WINDOW: u32 = 1 << 18;

/// How long the system waits for a peer that takes nothing of what it was sent: reqwest's own choice, named because we count on it.
const TAKES_NOTHING: Duration = Duration::from_secs(30);

/// When a connection over HTTP/2 has to show that its peer still listens: no check takes longer, so only one whose check has
/// ended is ever asked.
const HTTP_2_OVERDUE: Duration = Duration::from_secs(TIMEOUT_SECONDS_MAX as u64);

/// And how long it may take to.
const HTTP_2_PATIENCE: Duration = Duration::from_secs(20);

/// Makes checks. Cheap to clone; it keeps no connection and no state between checks.
#[derive(Debug, Clone)]
pub struct Prober {
    pub(super) resolver: GuardedResolver,
    pub(super) icmp: Opener,
    /// For monitors whose certificate must be valid.
    strict: Client,
    /// For monitors with `verify_tls` false.
    lax: Client,
    /// For monitors of TLS alone.
    pub(super) handshaker: Handshaker,
    long_bodies: LongBodies,
}

/// A check with the answer that it judged.
#[derive(Debug)]
pub struct Look {
    /// What the check found.
    pub result: CheckResult,
    /// The answer, when one came whole and it was asked for by HTTP.
    pub answer: Option<Answer>,
}

/// Which headers of an answer are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Asserted,
    All,
}

impl Prober {
    /// A prober that obeys `rules` and trusts the authorities of the system, or Mozilla's when the system has none.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(rules: EgressRules) -> anyhow::Result<Self> {
        Self::with_roots(rules, trust::system_roots())
    }

    /// A prober that trusts `roots` and no other authority.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn with_roots(rules: EgressRules, roots: RootCertStore) -> anyhow::Result<Self> {
        Self::with_resolver(GuardedResolver::new(Arc::new(rules)), roots)
    }

    /// A prober that looks names up by `resolver`, obeys its rules, and trusts `roots`.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn with_resolver(resolver: GuardedResolver, roots: RootCertStore) -> anyhow::Result<Self> {
        let strict = trust::client_config(Some(roots))?;
        let lax = trust::client_config(None)?;
        Ok(Self {
            strict: client(&resolver, strict.clone())?,
            lax: client(&resolver, lax.clone())?,
            handshaker: Handshaker::new(strict, lax),
            icmp: icmp::open_socket,
            long_bodies: LongBodies::new(),
            resolver,
        })
    }

    /// The same, with pings by way of the sockets that `opener` opens.
    pub fn with_icmp(self, opener: Opener) -> Self {
        Self { icmp: opener, ..self }
    }

    /// Checks `target` once, from `region`; `started_at` is the time that the result bears. `None` of a heartbeat, which is
    /// not checked.
    pub async fn check(
        &self,
        target: &Target,
        region: &str,
        started_at: Timestamp,
    ) -> Option<CheckResult> {
        Some(match target {
            Target::Http(spec) => self.check_http(spec, region, started_at).await,
            Target::Tcp(spec) => plain::run(&spec.pace, region, started_at, self.tcp(spec)).await,
            Target::Dns(spec) => plain::run(&spec.pace, region, started_at, self.dns(spec)).await,
            Target::Tls(spec) => plain::run(&spec.pace, region, started_at, self.tls(spec)).await,
            Target::Icmp(spec) => plain::run(&spec.pace, region, started_at, self.icmp(spec)).await,
            Target::Heartbeat(_) => return None,
        })
    }

    /// The same check, with the answer kept: for somebody who looks on while a monitor is being made.
    pub async fn look(&self, target: &Target, region: &str, started_at: Timestamp) -> Option<Look> {
        if let Target::Http(spec) = target {
            return Some(self.look_http(spec, region, started_at, Keep::All).await);
        }
        let result = self.check(target, region, started_at).await?;
        Some(Look { result, answer: None })
    }

    /// Checks a URL once, from `region`; `started_at` is the time that the result bears. Ends within
    /// `timeout_seconds`, keeps at most a mebibyte of the body, and leaves no connection behind, but one over HTTP/2 for as
    /// long as its peer asks and does not take the answers: some minutes, unless it forges signs that it listens.
    pub async fn check_http(
        &self,
        spec: &HttpSpec,
        region: &str,
        started_at: Timestamp,
    ) -> CheckResult {
        self.look_http(spec, region, started_at, Keep::Asserted).await.result
    }

    async fn look_http(
        &self,
        spec: &HttpSpec,
        region: &str,
        started_at: Timestamp,
        keep: Keep,
    ) -> Look {
        let marks = Marks::start();
        let limit = Duration::from_secs(spec.pace.timeout_seconds.into());
        let fetching = Arc::clone(&marks).watch(self.fetch(spec, &marks, keep));
        let outcome = marks
            .within(limit, fetching)
            .await
            .unwrap_or_else(|| Err(timed_out(marks.resolving(), spec.pace.timeout_seconds)));
        let phases = marks.phases();
        let (mut assessed, answer) = match outcome {
            Ok(Answer { broken: Some(ref error), .. }) => {
                let assessed = Assessment::failed(spec, marks.status(), error.clone());
                (assessed, outcome.ok())
            }
            Ok(answer) => {
                let total_ms = phases.total.unwrap_or_default();
                self.long_bodies.assess(spec, answer, total_ms).await
            }
            Err(error) => (Assessment::failed(spec, marks.status(), error), None),
        };
        let mut kept = None;
        if assessed.verdict != Verdict::Up || !assessed.failed_checks.is_empty() {
            let secrets = Secrets::of(&Hop::first(spec).headers);
            assessed.mask(&secrets);
            let kept_of = |answer: &Answer| Arc::new(raw(answer, &secrets));
            kept = answer.as_ref().filter(|_| assessed.verdict != Verdict::Up).map(kept_of);
        }
        let result = CheckResult {
            region: region.to_owned(),
            started_at,
            phases,
            status_code: marks.status(),
            error: assessed.error,
            failed_checks: assessed.failed_checks,
            certificate: certs::first_to_end(&marks.take_certificates()),
            answer: kept,
            verdict: assessed.verdict,
        };
        Look { result, answer: answer.filter(|answer| answer.broken.is_none()) }
    }

    /// Follows the hops to the final answer and reads it.
    async fn fetch(
        &self,
        spec: &HttpSpec,
        marks: &Marks,
        keep: Keep,
    ) -> Result<Answer, CheckError> {
        let client = if spec.verify_tls { &self.strict } else { &self.lax };
        let mut hop = Hop::first(spec);
        let mut hops = 0;
        loop {
            marks.hop_begins();
            let mut response = self.send(client, &hop).await?;
            let status = response.status().as_u16();
            marks.head_came();
            match location(&response).filter(|_| spec.follow_redirects && is_redirect(status)) {
                Some(location) => {
                    let headers = kept_headers(spec, &response, keep);
                    match hop.onwards(hops, status, &location) {
                        Ok(next) => hop = next,
                        Err(error) => {
                            let mut answer = Answer::begin(&mut response, headers);
                            answer.broken = Some(error);
                            return Ok(answer);
                        }
                    }
                    hops += 1;
                }
                None => {
                    marks.answered(status);
                    let headers = kept_headers(spec, &response, keep);
                    let asked = keep == Keep::All || spec.asks_of_body();
                    let at = (host(&hop.url), marks);
                    return self.long_bodies.read(response, headers, asked, at).await;
                }
            }
        }
    }

    async fn send(&self, client: &Client, hop: &Hop) -> Result<Response, CheckError> {
        self.resolver.check_literal(&hop.url)?;
        let method = Method::from_bytes(hop.method.as_bytes())
            .map_err(|_| failure(ErrorKind::Internal, "the method cannot be sent"))?;
        let mut request = client.request(method, hop.url.clone()).headers(headers(hop)?);
        if let Some(body) = &hop.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| of_request(&error, host(&hop.url)))
    }
}

fn client(resolver: &GuardedResolver, mut tls: ClientConfig) -> anyhow::Result<Client> {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Client::builder()
        .user_agent(USER_AGENT)
        .tls_backend_preconfigured(tls)
        .dns_resolver(resolver.clone())
        .connector_layer(ConnectedLayer)
        // Every check sees a new connection: an old one that still works hides a broken listener.
        .pool_max_idle_per_host(0)
        // A check reads a mebibyte: what an HTTP/2 server may send unasked is a part of that.
        .http2_initial_stream_window_size(HTTP_2_WINDOW)
        .http2_initial_connection_window_size(HTTP_2_WINDOW)
        // A connection over HTTP/2 ends when its peer has taken all that was sent. One that asks without end and reads slowly
        // would keep it, and each check would leave another.
        .tcp_user_timeout(TAKES_NOTHING)
        .http2_keep_alive_interval(HTTP_2_OVERDUE)
        .http2_keep_alive_timeout(HTTP_2_PATIENCE)
        .http2_keep_alive_while_idle(true)
        // Redirects are followed above, where each hop passes the egress rules.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // A check is one look; re-checks are the monitor's affair.
        .retry(reqwest::retry::never())
        // RFC 9112, section 5.2: whoever asks reads a field over two lines as if it stood on one.
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .no_proxy()
        .build()?)
}

/// A client for a probe's own server, which is no target: by the system's resolver and authorities, to any address.
///
/// # Errors
/// The TLS library cannot be set up.
pub fn server_client() -> anyhow::Result<Client> {
    Ok(Client::builder()
        .user_agent(USER_AGENT)
        .tls_backend_preconfigured(trust::client_config(Some(trust::system_roots()))?)
        .redirect(reqwest::redirect::Policy::none())
        .build()?)
}

fn headers(hop: &Hop) -> Result<HeaderMap, CheckError> {
    let mut map = HeaderMap::new();
    for header in &hop.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(header.value.as_bytes());
        let (Ok(name), Ok(value)) = (name, value) else {
            let text = format!("the header {} cannot be sent", header.name);
            return Err(failure(ErrorKind::Internal, text));
        };
        map.append(name, value);
    }
    Ok(map)
}

/// The headers that assertions ask for, unless all are to be kept; the others are not copied.
fn kept_headers(spec: &HttpSpec, response: &Response, keep: Keep) -> Vec<Header> {
    let asserted = |name: &HeaderName| {
        let mut names = spec.assertions.iter().filter(|a| a.source() == Source::Header);
        names.any(|a| a.path().is_some_and(|path| path.eq_ignore_ascii_case(name.as_str())))
    };
    let kept = |name: &HeaderName| keep == Keep::All || asserted(name);
    response.headers().iter().filter(|(name, _)| kept(name)).map(copied).collect()
}

fn copied((name, value): (&HeaderName, &HeaderValue)) -> Header {
    Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    }
}

/// What is kept of an answer that is not well.
fn raw(answer: &Answer, secrets: &Secrets) -> RawAnswer {
    let status = StatusCode::from_u16(answer.status).ok();
    let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
    let status_line = format!("{:?} {} {reason}", answer.version, answer.status);
    let headers: Vec<Header> = answer.came_with.iter().map(copied).collect();
    let came = Came {
        status_line: status_line.trim_end(),
        headers: &headers,
        body: answer.start(),
        is_broken: answer.broken.is_some(),
    };
    RawAnswer::of(came, secrets)
}

fn location(response: &Response) -> Option<String> {
    let value = response.headers().get(LOCATION)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}
