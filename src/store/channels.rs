//! stub
use super::{Conn, Result};
/// a
pub async fn enabled(_: &mut Conn<'_>) -> Result<Vec<(i64, bool)>> {
    Ok(vec![])
}
/// a
pub async fn existing(_: &mut Conn<'_>, ids: &[i64]) -> Result<Vec<i64>> {
    Ok(ids.to_vec())
}
