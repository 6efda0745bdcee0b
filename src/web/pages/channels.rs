//! Channels.

use crate::store::{Conn, Result, channels};

/// Whether no channel is there that would be told of anything.
///
/// # Errors
/// When the database fails.
pub async fn nobody_is_told(conn: &mut Conn<'_>) -> Result<bool> {
    Ok(channels::enabled_names(conn).await?.is_empty())
}
