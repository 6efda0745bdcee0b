//! Bodies of answers that take time and memory: how many may be held at once, and who may look at one.
//!
//! A mebibyte of JSON is thirty of them as values, and a path may visit each value several times. Looked at by all checks at
//! once, on the threads that measure, that would make targets look slow which are not. So it happens beside them, one at a
//! time, and what a check waits for that is not counted as the target's time.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Response, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::failure::{failure, of_request};
use super::phases::Marks;
use crate::monitor::assess::{Assessment, BODY_MAX, Observation, assess};
use crate::monitor::body::Body;
use crate::monitor::raw_answer::BODY_KEPT;
use crate::monitor::{CheckError, ErrorKind, Header, HttpSpec};

/// What of a body is kept without asking for room, in bytes. Almost all that people assert things of is shorter.
const SHORT: usize = 1 << 16;
/// What of any body is kept for the case that the check is not well, in bytes: more than is stored, so that it is seen to go on.
const START: usize = BODY_KEPT + 1;
/// How many longer bodies are held at once, of all checks together.
const HELD_MAX: usize = 16;
/// How long room is waited for: then the check proves nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The bytes of a byte order mark: of a body that is cut within it nothing can be said yet.
const BOM: usize = 3;

/// What the checks of a process share for bodies that are not short. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct LongBodies {
    room: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// The last answer of a check.
#[derive(Debug)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its headers; of a routine check only those that assertions ask for.
    pub headers: Vec<Header>,
    /// The decoded body, up to [`BODY_MAX`]; of a routine check only if something is asked of it.
    pub body: Vec<u8>,
    /// Why the body was not read to its end, if so.
    pub(super) broken: Option<CheckError>,
    /// The start of a body that was not kept.
    start: Vec<u8>,
    /// All headers, as they came.
    pub(super) came_with: HeaderMap,
    /// The version of HTTP that it came by.
    pub(super) version: Version,
    /// The room that the body takes, if it is not short: given back with it.
    room: Option<OwnedSemaphorePermit>,
}

impl Answer {
    /// An answer of which nothing was read yet but its head.
    pub(super) fn begin(response: &mut Response, headers: Vec<Header>) -> Self {
        Self {
            status: response.status().as_u16(),
            headers,
            body: Vec::new(),
            broken: None,
            start: Vec::new(),
            came_with: std::mem::take(response.headers_mut()),
            version: response.version(),
            room: None,
        }
    }

    /// The start of the body, kept or not: at least [`START`] bytes if there are so many.
    pub(super) fn start(&self) -> &[u8] {
        if self.body.is_empty() { &self.start } else { &self.body }
    }

    /// Lets go of the body, but for its start.
    fn let_go(&mut self) {
        let body = std::mem::take(&mut self.body);
        if self.start.is_empty() {
            self.start = body.get(..START).unwrap_or(&body).to_vec();
        }
        self.room = None;
    }

    fn begin_with(&mut self, chunk: &[u8]) {
        let room = START.saturating_sub(self.start.len());
        self.start.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }
}

impl LongBodies {
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(HELD_MAX)), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Reads the decoded body up to [`BODY_MAX`]; what is beyond that is never asked for. Keeps it if `is_asked_of` says that it
    /// is looked at, or if it may be a health body and there is room; others are read and dropped, so that many at once take
    /// no memory. What came of a body that breaks off is there, with the reason in `broken`.
    pub(super) async fn read(
        &self,
        mut response: Response,
        headers: Vec<Header>,
        is_asked_of: bool,
        (host, marks): (&str, &Marks),
    ) -> Result<Answer, CheckError> {
        let mut answer = Answer::begin(&mut response, headers);
        let (mut length, mut is_kept) = (0, true);
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    answer.broken = Some(of_request(&error, host));
                    break;
                }
            };
            let chunk = chunk.get(..BODY_MAX - length).unwrap_or(&chunk);
            length += chunk.len();
            if is_kept && length > SHORT && answer.room.is_none() {
                answer.room = self.room(is_asked_of, marks).await?;
                is_kept = answer.room.is_some();
                // Growing by doubling would touch twice as much.
                answer.body.reserve_exact(BODY_MAX - answer.body.len());
            }
            if is_kept {
                answer.body.extend_from_slice(chunk);
                is_kept = is_asked_of || may_be_health_body(&answer.body);
                if !is_kept {
                    answer.let_go();
                }
            } else {
                answer.let_go();
                answer.begin_with(chunk);
            }
            if length == BODY_MAX {
                break;
            }
        }
        Ok(answer)
    }

    /// Room for one more long body. One that is only glanced at gets none while there is none.
    async fn room(
        &self,
        is_asked_of: bool,
        marks: &Marks,
    ) -> Result<Option<OwnedSemaphorePermit>, CheckError> {
        let room = Arc::clone(&self.room);
        if !is_asked_of {
            return Ok(room.try_acquire_owned().ok());
        }
        let permit = marks.not_counting(timeout(PATIENCE, room.acquire_owned())).await;
        match permit {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(too_busy()),
        }
    }

    /// Judges `answer`, which took `total_ms`.
    pub(super) async fn assess(
        &self,
        spec: &HttpSpec,
        answer: Answer,
        total_ms: u32,
    ) -> (Assessment, Option<Answer>) {
        let judged = move |spec: &HttpSpec, answer: &Answer| {
            let Answer { status, headers, body, .. } = answer;
            assess(spec, &Observation { status: *status, headers, body, total_ms })
        };
        if answer.body.len() * (1 + spec.assertions.len()) <= SHORT {
            return (judged(spec, &answer), Some(answer));
        }
        let _turn = self.turn.acquire().await;
        let own = spec.clone();
        let beside = tokio::task::spawn_blocking(move || (judged(&own, &answer), answer));
        match beside.await {
            Ok((assessment, answer)) => (assessment, Some(answer)),
            Err(_) => (Assessment::failed(spec, None, too_busy()), None),
        }
    }
}

fn too_busy() -> CheckError {
    failure(ErrorKind::Internal, "this machine was too busy to read the answer")
}

/// Whether what has come so far may be the beginning of a JSON object.
fn may_be_health_body(begun: &[u8]) -> bool {
    begun.trim_ascii_start().len() <= BOM || Body::new(begun).may_be_object()
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use serde_json::json;

    use super::*;
    use crate::monitor::{Kind, Settings, Target, Verdict};

    fn spec() -> HttpSpec {
        let fields = json!({
            "url": "http://a.example/",
            "assertions": [{"source": "json", "path": "$[0]", "op": "eq", "value": "ok"}],
        });
        let settings = Settings::read(fields.as_object().unwrap(), Kind::Http, None).unwrap();
        match settings.target {
            Target::Http(spec) => spec,
            _ => unreachable!(),
        }
    }

    fn answer(length: usize) -> Answer {
        let body = format!("[\"ok\",\"{}\"]", "x".repeat(length)).into_bytes();
        Answer {
            status: 200,
            headers: Vec::new(),
            body,
            broken: None,
            start: Vec::new(),
            came_with: HeaderMap::new(),
            version: Version::HTTP_11,
            room: None,
        }
    }

    fn is_ready<F: Future>(future: F) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn long_bodies_are_judged_one_at_a_time_and_short_ones_at_once() {
        let (bodies, spec) = (LongBodies::new(), spec());
        let busy = bodies.turn.acquire().await.unwrap();
        assert!(is_ready(bodies.assess(&spec, answer(100), 7)));
        let mut long = pin!(bodies.assess(&spec, answer(SHORT), 7));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(long.as_mut().poll(&mut context), Poll::Pending));
        drop(busy);
        let (assessment, answer) = long.await;
        assert_eq!((assessment.verdict, assessment.error), (Verdict::Up, None));
        assert!(answer.is_some_and(|answer| answer.body.len() > SHORT));
    }

    #[tokio::test]
    async fn who_is_asked_of_waits_for_room_and_others_do_without() {
        let (bodies, marks) = (LongBodies::new(), Marks::start());
        let all = u32::try_from(HELD_MAX).unwrap();
        let full = Arc::clone(&bodies.room).acquire_many_owned(all).await.unwrap();
        assert!(bodies.room(false, &marks).await.unwrap().is_none());
        assert!(!is_ready(bodies.room(true, &marks)));
        drop(full);
        assert!(bodies.room(true, &marks).await.unwrap().is_some());
        assert!(bodies.room(false, &marks).await.unwrap().is_some());
    }
}
