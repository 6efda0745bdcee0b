//! Probes that nobody runs, for pictures.

use watchbell::clock::Timestamp;
use watchbell::region::Seen;
use watchbell::store::{Db, probes};

use super::past::{DAY, MINUTE};

/// Probes as pictures show them: while the demonstration runs nobody speaks for them, and they would be lost.
///
/// # Errors
/// When the database fails.
pub async fn add(db: &Db, now: Timestamp) -> anyhow::Result<()> {
    let told = [
        ("fra-1", "eu-west", Some((1_000, 14)), true),
        ("nyc-1", "us-east", Some((2_000, 92)), true),
        ("sin-1", "ap-southeast", Some((4 * MINUTE, 178)), true),
        ("gru-1", "sa-east", None, false),
    ];
    let mut tx = db.begin().await?;
    for (name, region, heard, enabled) in told {
        let born = now.plus_ms(-80 * DAY);
        let hash = watchbell::seal::hash_token(name);
        let id = probes::insert(&mut tx.conn(), name, region, &hash, born).await?;
        probes::update(&mut tx.conn(), id, name, enabled).await?;
        let Some((silent_ms, latency)) = heard else { continue };
        let at = now.plus_ms(-silent_ms);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let seen = Seen { version, latency_ms: Some(latency), ..Seen::default() };
        probes::set_seen(&mut tx.conn(), id, at, &seen).await?;
        if silent_ms > MINUTE {
            probes::set_lost(&mut tx.conn(), id, Some((at.plus_ms(90_000), &[]))).await?;
        }
    }
    Ok(tx.commit().await?)
}
