//! One check of a name in DNS: it is up when a server has a record of the kind, and with the expected value.

use std::net::SocketAddr;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::dns_wire::{AskError, ask, question};
use super::failure::failure;
use super::http::Prober;
use super::phases;
use super::race::first_success;
use super::resolver::{ResolveError, code_word};
use crate::monitor::endpoint::Endpoint;
use crate::monitor::{CheckError, DnsSpec, ErrorKind, RecordKind};

impl Prober {
    /// Asks for the records and judges them. The phase `dns` is the time that the answer took.
    pub(super) async fn dns(&self, spec: &DnsSpec) -> Result<(), CheckError> {
        let record = record_type(spec.record_kind());
        let Some(question) = question(spec.name(), record) else {
            let text = format!("{} is not a name that DNS allows", spec.name());
            return Err(failure(ErrorKind::Dns, text));
        };
        let answer = match spec.server() {
            Some((server, port)) => self.ask_server(&server, port, &question, spec.name()).await?,
            None => self.ask_own(&question, spec.name()).await?,
        };
        if answer.metadata.response_code == ResponseCode::NXDomain {
            return Err(failure(ErrorKind::Dns, format!("{} does not exist", spec.name())));
        }
        match spec.judge(&values(&answer, &question)) {
            Some((kind, text)) => Err(failure(kind, text)),
            None => Ok(()),
        }
    }

    /// What the servers of the system say. That they say nothing may be our own trouble.
    async fn ask_own(&self, question: &Query, name: &str) -> Result<Message, CheckError> {
        phases::resolving(name);
        let answer = self.resolver.ask_system(question).await;
        let answer = answer.map_err(|error| ResolveError::of(name, error))?;
        phases::resolved();
        Ok(answer)
    }

    /// What `server` says, which is a part of what is watched.
    async fn ask_server(
        &self,
        server: &Endpoint,
        port: u16,
        question: &Query,
        name: &str,
    ) -> Result<Message, CheckError> {
        let addresses = self.resolver.addresses_of(server).await?;
        let at_port = addresses.into_iter().map(|address| SocketAddr::new(address, port));
        let asking = |address| async move {
            ask(address, question).await.map_err(|error| of_server(error, address, name))
        };
        let answer = first_success(at_port.collect(), asking).await?;
        phases::resolved();
        Ok(answer)
    }
}

fn of_server(error: AskError, server: SocketAddr, name: &str) -> CheckError {
    match error {
        AskError::Unreachable(error) if error.kind == ErrorKind::Internal => error,
        AskError::Unreachable(error) => CheckError {
            doubtful: error.doubtful,
            ..failure(error.kind, format!("DNS server {server}: {}", error.text))
        },
        AskError::Failed(code) => {
            let code = code_word(code);
            failure(ErrorKind::Dns, format!("DNS server {server} answered {code} for {name}"))
        }
        AskError::Malformed => failure(
            ErrorKind::InvalidResponse,
            format!("the answer of DNS server {server} is not DNS"),
        ),
        AskError::Silent => failure(ErrorKind::Dns, format!("no answer from DNS server {server}")),
    }
}

fn record_type(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Cname => RecordType::CNAME,
        RecordKind::Mx => RecordType::MX,
        RecordKind::Ns => RecordType::NS,
        RecordKind::Txt => RecordType::TXT,
        RecordKind::Soa => RecordType::SOA,
        RecordKind::Srv => RecordType::SRV,
        RecordKind::Caa => RecordType::CAA,
    }
}

/// The records of the type that was asked for, as a zone file writes them: those of the name, or of the one that it stands for
/// by CNAME. Servers may send others along, which say nothing about it.
fn values(answer: &Message, question: &Query) -> Vec<String> {
    let record = question.query_type();
    let owner = match record {
        RecordType::CNAME => question.name(),
        _ => stands_for(answer, question.name()),
    };
    let wanted =
        answer.answers.iter().filter(|found| found.record_type() == record && found.name == *owner);
    wanted.map(|found| value(&found.data)).collect()
}

/// The name at the end of the CNAMEs that begin at `name`. No more are followed than there are, so that a circle ends too.
fn stands_for<'a>(answer: &'a Message, name: &'a Name) -> &'a Name {
    let mut owner = name;
    for _ in &answer.answers {
        let next = answer.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(canonical) if record.name == *owner => Some(&canonical.0),
            _ => None,
        });
        match next {
            Some(next) => owner = next,
            None => break,
        }
    }
    owner
}

fn value(data: &RData) -> String {
    match data {
        // Long texts come in pieces that belong together.
        RData::TXT(text) => String::from_utf8_lossy(&text.txt_data.concat()).into_owned(),
        other => other.to_string(),
    }
}
