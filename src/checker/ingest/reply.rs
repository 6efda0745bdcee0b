//! What the writer answers.

use crate::fields::FieldErrors;
use crate::incident::Incident;
use crate::monitor::state::State;
use crate::store::monitors::Watched;

/// What the producer of a [`Work`](super::Work) gets.
#[derive(Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// There is no such thing.
    NotFound,
    /// Fields are wrong; nothing was done.
    Invalid(FieldErrors),
    /// The monitor as it is now.
    Watched(Box<Watched>),
    /// Monitors as they are now.
    All(Vec<Watched>),
    /// What is known of the monitor now, as the region of the check sees it.
    State(Box<State>),
    /// The result was there already, or a newer one: it changed nothing.
    Repeated,
    /// The ping's number.
    Ping(i64),
    /// The incident as it is now.
    Incident(Box<Incident>),
}
