//! The headers that a monitor sends: sealed, as they hold secrets.

use crate::monitor::{Header, Kind, MonitorId, Settings, Target};
use crate::seal::Sealer;
use crate::store::{Conn, Error, Result, on};

/// The headers of a monitor as they are stored; `None` when there are none.
pub(super) fn seal_headers(sealer: &Sealer, settings: &Settings) -> Result<Option<Vec<u8>>> {
    match &settings.target {
        Target::Http(spec) if !spec.headers.is_empty() => {
            let json = serde_json::to_vec(&spec.headers).map_err(|e| Error::Seal(e.to_string()))?;
            sealer.seal(&json).map(Some).map_err(|e| Error::Seal(e.to_string()))
        }
        _ => Ok(None),
    }
}

/// The headers of monitor `id`, which were stored as `sealed`.
pub(super) fn open_headers(
    sealer: &Sealer,
    id: MonitorId,
    sealed: Option<&[u8]>,
) -> Result<Vec<Header>> {
    let Some(sealed) = sealed else { return Ok(Vec::new()) };
    let failed = |reason: String| Error::Seal(format!("headers of monitor {id}: {reason}"));
    let json = sealer.open(sealed).map_err(|e| failed(e.to_string()))?;
    serde_json::from_slice(&json).map_err(|e| failed(e.to_string()))
}

/// The numbers of all monitors that are checked by us and not paused, each with its headers. One that is being deleted has no state
/// any more, and is none of them.
pub async fn checked(
    conn: &mut Conn<'_>,
    sealer: &Sealer,
) -> Result<Vec<(MonitorId, Vec<Header>)>> {
    let rows: Vec<(MonitorId, Option<Vec<u8>>)> = on!(conn, c => sqlx::query_as(
        "SELECT m.id, m.sealed_headers FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id
         WHERE NOT m.paused AND m.type <> $1 ORDER BY m.id")
        .bind(Kind::Heartbeat).fetch_all(c).await)?;
    rows.into_iter()
        .map(|(id, sealed)| Ok((id, open_headers(sealer, id, sealed.as_deref())?)))
        .collect()
}
