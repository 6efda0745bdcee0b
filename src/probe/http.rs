//! One check of a URL, from name resolution to the last byte.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response};
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::certs;
use super::egress::EgressRules;
use super::failure::{failure, of_request, timed_out};
use super::icmp::{self, Opener};
use super::phases::{ConnectedLayer, Marks};
use super::plain;
use super::redirect::{Hop, MAX_HOPS, is_redirect};
use super::resolver::GuardedResolver;
use super::tls::Handshaker;
use super::trust;
use crate::clock::Timestamp;
use crate::monitor::assertion::Source;
use crate::monitor::assess::{self, Assessment, BODY_MAX, Observation};
use crate::monitor::body::Body;
use crate::monitor::{CheckError, CheckResult, ErrorKind, Header, HttpSpec, Target};

/// What checks say they are.
const USER_AGENT: &str = concat!("Watchbell/", env!("CARGO_PKG_VERSION"));

/// What a server may send over HTTP/2 before it has been read, in bytes.
const HTTP_2_WINDOW: u32 = 1 << 18;
/// The bytes of a byte order mark: of a body that is cut within it nothing can be said yet.
const BOM: usize = 3;

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
}

/// The final answer of a check.
#[derive(Debug)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its headers; of a routine check only those that assertions ask for.
    pub headers: Vec<Header>,
    /// The decoded body, up to [`BODY_MAX`].
    pub body: Vec<u8>,
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
    /// `timeout_seconds`, keeps at most [`BODY_MAX`] of the body, and leaves no connection behind.
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
        let outcome = tokio::time::timeout(limit, fetching)
            .await
            .unwrap_or_else(|_| Err(timed_out(marks.resolving(), spec.pace.timeout_seconds)));
        let phases = marks.phases();
        let assessed = match &outcome {
            Ok(answer) => assess::assess(
                spec,
                &Observation {
                    status: answer.status,
                    headers: &answer.headers,
                    body: &answer.body,
                    total_ms: phases.total.unwrap_or_default(),
                },
            ),
            Err(error) => Assessment::failed(spec, marks.status(), error.clone()),
        };
        let result = CheckResult {
            region: region.to_owned(),
            started_at,
            phases,
            status_code: marks.status(),
            error: assessed.error,
            failed_checks: assessed.failed_checks,
            certificate: certs::first_to_end(&marks.take_certificates()),
            verdict: assessed.verdict,
        };
        Look { result, answer: outcome.ok() }
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
        for _ in 0..=MAX_HOPS {
            marks.hop_begins();
            let response = self.send(client, &hop).await?;
            let status = response.status().as_u16();
            marks.head_came();
            match location(&response).filter(|_| spec.follow_redirects && is_redirect(status)) {
                Some(location) => hop = hop.next(status, &location)?,
                None => {
                    marks.answered(status);
                    let headers = kept_headers(spec, &response, keep);
                    let asked = keep == Keep::All || spec.asks_of_body();
                    let body = read_body(response, asked, host(&hop.url)).await?;
                    return Ok(Answer { status, headers, body });
                }
            }
        }
        Err(failure(ErrorKind::TooManyRedirects, "too many redirects"))
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
    let copied = |(name, value): (&HeaderName, &HeaderValue)| Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    let kept = |name: &HeaderName| keep == Keep::All || asserted(name);
    response.headers().iter().filter(|(name, _)| kept(name)).map(copied).collect()
}

fn location(response: &Response) -> Option<String> {
    let value = response.headers().get(LOCATION)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Reads the decoded body up to [`BODY_MAX`]; what is beyond that is never asked for. Gives it if `is_asked_of` says that it is
/// looked at, or if it may be a health body; others are read and dropped, so that many at once take no memory.
async fn read_body(
    mut response: Response,
    is_asked_of: bool,
    host: &str,
) -> Result<Vec<u8>, CheckError> {
    let (mut body, mut length, mut is_kept) = (Vec::new(), 0, true);
    while let Some(chunk) = response.chunk().await.map_err(|error| of_request(&error, host))? {
        let chunk = chunk.get(..BODY_MAX - length).unwrap_or(&chunk);
        length += chunk.len();
        if is_kept {
            body.extend_from_slice(chunk);
            is_kept = is_asked_of || may_be_health_body(&body);
        }
        if !is_kept {
            body = Vec::new();
        }
        if length == BODY_MAX {
            break;
        }
    }
    Ok(body)
}

/// Whether what has come so far may be the beginning of a JSON object.
fn may_be_health_body(begun: &[u8]) -> bool {
    begun.trim_ascii_start().len() <= BOM || Body::new(begun).may_be_object()
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}
