//! Several addresses of one target: each is tried, the next when one fails or is slow, and the first success counts.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::failure::failure;
use crate::monitor::{CheckError, ErrorKind};

/// How long an address has before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Runs `attempt` for each address until one succeeds.
///
/// # Errors
/// That of the last attempt to fail; one that may be our own trouble only if no other attempt failed otherwise.
pub(super) async fn first_success<A, T, F>(
    addresses: Vec<A>,
    attempt: impl Fn(A) -> F,
) -> Result<T, CheckError>
where
    F: Future<Output = Result<T, CheckError>>,
{
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut error = failure(ErrorKind::Internal, "there is no address to try");
    loop {
        if let Some(address) = waiting.next() {
            running.push(attempt(address));
        }
        tokio::select! {
            ended = running.next() => match ended {
                Some(Ok(success)) => return Ok(success),
                Some(Err(new)) if says(&new) >= says(&error) => error = new,
                Some(Err(_)) => {}
                None => return Err(error),
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

/// How much an error says of the target: nothing, perhaps something, something.
fn says(error: &CheckError) -> u8 {
    match error {
        CheckError { kind: ErrorKind::Internal, .. } => 0,
        CheckError { doubtful: true, .. } => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::failure::doubtful;

    async fn try_all(outcomes: Vec<Option<Result<u8, ErrorKind>>>) -> Result<u8, ErrorKind> {
        let attempt = |outcome: Option<Result<u8, ErrorKind>>| async move {
            match outcome {
                Some(outcome) => outcome.map_err(|kind| failure(kind, "")),
                None => std::future::pending().await,
            }
        };
        first_success(outcomes, attempt).await.map_err(|error| error.kind)
    }

    #[tokio::test]
    async fn the_first_success_counts_and_a_hang_holds_up_nobody() {
        use ErrorKind::{Internal, Refused, Reset};
        assert_eq!(try_all(vec![Some(Err(Refused)), None, Some(Ok(3))]).await, Ok(3));
        assert_eq!(try_all(vec![None, None, Some(Ok(3))]).await, Ok(3));
        assert_eq!(try_all(vec![Some(Err(Refused)), Some(Err(Reset))]).await, Err(Reset));
        assert_eq!(try_all(vec![Some(Err(Refused)), Some(Err(Internal))]).await, Err(Refused));
        assert_eq!(try_all(vec![Some(Err(Internal)), Some(Err(Refused))]).await, Err(Refused));
        assert_eq!(try_all(vec![]).await, Err(Internal));
    }

    #[tokio::test]
    async fn what_may_be_our_own_trouble_hides_nothing() {
        let attempts = vec![failure(ErrorKind::Reset, ""), doubtful(ErrorKind::Refused, "")];
        let last = first_success(attempts, |error| async { Err::<(), _>(error) }).await;
        assert_eq!(last.unwrap_err().kind, ErrorKind::Reset);
    }
}
