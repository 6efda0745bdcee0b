//! `/status` and `/regions`: the whole at a glance.

use serde_json::{Map, json};

use super::{Answer, State};
use crate::checker::meter::Reason;
use crate::monitor::Status;
use crate::store::{incidents, monitors, probes};
use crate::web::body::data;
use crate::web::list::Query;

/// `GET /status`: how many monitors are in each status, and how many incidents are unresolved,
/// and whether the checker keeps up.
pub async fn status(state: State, query: Query) -> Answer {
    query.finish()?;
    let mut reader = state.db.read().await?;
    let counts = monitors::count_by_status(&mut reader.conn()).await?;
    let unresolved = incidents::Filter { unresolved: Some(true), ..Default::default() };
    let open_incidents = incidents::count(&mut reader.conn(), unresolved).await?;
    let count_of = |status: Status| counts.iter().find(|(s, _)| *s == status).map_or(0, |c| c.1);
    let mut shown: Map<_, _> = Status::ALL
        .iter()
        .map(|status| (status.as_str().to_owned(), json!(count_of(*status))))
        .collect();
    shown.insert("total".to_owned(), json!(counts.iter().map(|c| c.1).sum::<i64>()));
    let (meter, load) = (&state.meter, state.meter.load());
    let checker = json!({
        "in_flight": load.in_flight,
        "waiting": load.waiting,
        "lateness_p99_ms": meter.lateness.quantile_ms(0.99),
        "skipped": Reason::ALL.iter().map(|reason| meter.skipped_for(*reason)).sum::<u64>(),
        "is_overloaded": meter.overload(state.clock.now()).is_some(),
    });
    shown.insert("checker".to_owned(), checker);
    shown.insert("open_incidents".to_owned(), json!(open_incidents));
    Ok(data(shown))
}

/// `GET /regions`: where checks are made from.
pub async fn regions(state: State, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    let probes = probes::list(&mut state.db.read().await?.conn(), i64::MAX, 0).await?;
    let own = json!({"name": state.region, "is_own": true, "probe_id": null, "status": "online"});
    let mut all = vec![own];
    for mut probe in probes {
        super::probes::freshen(&state, &mut probe);
        all.push(json!({
            "name": probe.region,
            "is_own": false,
            "probe_id": probe.id,
            "status": super::probes::status(&probe),
        }));
    }
    let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let skipped = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let rows: Vec<_> = all.iter().skip(skipped).take(limit).collect();
    Ok(page.answer(rows, total))
}
