//! Whether the secret key is the one that sealed this database.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Conn, Error, Result, settings};
use crate::seal::{SealError, Sealer};

const KEY: &str = "key_check";
const PLAIN: &[u8] = b"watchbell";

/// Notes the key at the first start and compares it at each later one, so that a wrong key shows at the start and not at the first alert.
///
/// # Errors
/// [`Error::Seal`] when it is another key.
pub async fn verify(conn: &mut Conn<'_>, sealer: &Sealer) -> Result<()> {
    match settings::get(conn, KEY).await? {
        None => settings::set(conn, KEY, &STANDARD.encode(sealer.seal(PLAIN)?)).await,
        Some(coded) => {
            let sealed = STANDARD.decode(coded).map_err(|_| Error::from(SealError::WrongKey))?;
            sealer.open(&sealed)?;
            Ok(())
        }
    }
}
