//! A year of ten thousand monitors: how soon it is checked again after a start, and how long pages and reads take.
//!
//! The year is made of roll-ups: 365 days, and the hours of the last nine. Of each monitor one day in twenty had an outage.

use std::time::{Duration, Instant};

use watchbell::clock::Timestamp;
use watchbell::report::rollup::settled_until;

use super::program::{EMAIL, PASSWORD, Program, connect, make_monitors, token};
use super::target::Target;
use super::{at, row};

const MONITORS: usize = 10_000;
const READS: usize = 15;

pub async fn measure() {
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start());
    make_monitors(folder.path(), &target.port, MONITORS).await;
    let rows = make_a_year(folder.path()).await;
    row("a year of 10,000: roll-ups", rows, "");
    let client = reqwest::Client::builder().no_proxy().cookie_store(true).build().unwrap();
    let begun = Instant::now();
    let program = Program::start(folder.path());
    while program.metric(&client, "watchbell_checks_total{").await < 1.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    row(
        "a year of 10,000: start to first check, s",
        format!("{:.2}", begun.elapsed().as_secs_f64()),
        "3",
    );
    let token = token(folder.path());
    let form = [("email", EMAIL), ("password", PASSWORD), ("next", "/monitors")];
    let signed_in = client
        .post(format!("{}/login", program.base))
        .header("origin", &program.base)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert!(signed_in.url().path().ends_with("/monitors"), "signed in: {}", signed_in.url());
    // What a start has to catch up with is not what a page costs.
    tokio::time::sleep(Duration::from_secs(20)).await;
    for path in [
        "/monitors",
        // The longest page there is.
        "/monitors?show=1000",
        "/monitors?status=down",
        "/monitors/77",
        "/monitors/77?range=7d",
        "/incidents",
        "/api/v1/monitors?per_page=200",
        "/api/v1/monitors/77",
        "/api/v1/monitors/77/results",
        "/api/v1/status",
    ] {
        let mut times = Vec::new();
        for _ in 0..READS {
            let begun = Instant::now();
            let request = client.get(format!("{}{path}", program.base));
            let request =
                if path.starts_with("/api") { request.bearer_auth(&token) } else { request };
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            answer.bytes().await.unwrap();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let shown = format!("{:.0} / {:.0}", at(&mut times, 0.5), at(&mut times, 1.0));
        row(&format!("{path}, ms p50 / max"), shown, "100");
    }
    row("a year of 10,000: memory, MB", format!("{:.0}", program.rss_mb()), "100");
    program.stop();
}

/// Fills the history by SQL, as a year is too long to wait for; gives how many rows there are.
async fn make_a_year(folder: &std::path::Path) -> i64 {
    let mut connection = connect(folder).await;
    let now = Timestamp(chrono::Utc::now().timestamp_millis());
    let settled = settled_until(now).0;
    let (day, hour) = (settled / 86_400_000, settled / 3_600_000);
    let year_ago = (day - 365) * 86_400_000;
    // 150 ms in one bucket and 300 ms in another, as `Histogram` writes them.
    let latency = "x'42b40110c801'";
    let outage = "CASE WHEN (m.id + s.slot) % 20 = 0 THEN 120000 ELSE 0 END";
    let hourly_outage =
        "CASE WHEN s.slot % 24 = 7 AND (m.id + s.slot / 24) % 20 = 0 THEN 120000 ELSE 0 END";
    for sql in [
        "PRAGMA synchronous = OFF".to_owned(),
        format!("UPDATE monitors SET created_at = {year_ago}"),
        format!("UPDATE status_changes SET at = {year_ago}, status = 'up'"),
        format!(
            "WITH RECURSIVE s(slot) AS (SELECT {day} - 365 UNION ALL SELECT slot + 1 FROM s WHERE slot < {day} - 1)
             INSERT INTO daily_rollups SELECT m.id, s.slot, 86400000 - {outage}, 0, {outage}, 0, ({outage}) / 120000, 4320, 6, {latency}
             FROM monitors m CROSS JOIN s"
        ),
        format!(
            "WITH RECURSIVE s(slot) AS (SELECT ({day} - 9) * 24 UNION ALL SELECT slot + 1 FROM s WHERE slot < {hour} - 1)
             INSERT INTO hourly_rollups SELECT m.id, s.slot, 3600000 - {hourly_outage}, 0, {hourly_outage}, 0, ({hourly_outage}) / 120000, 180, 6, {latency}
             FROM monitors m CROSS JOIN s"
        ),
        // The hours of the outages before, which the days refer to.
        format!(
            "INSERT INTO hourly_rollups SELECT monitor_id, slot * 24 + 7, 3480000, 0, 120000, 0, 1, 180, 6, {latency}
             FROM daily_rollups WHERE up_ms < 86400000 AND slot < {day} - 9"
        ),
        format!("INSERT INTO settings (key, value) VALUES ('rolled_up_until', '{settled}')"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    let count =
        "SELECT (SELECT COUNT(*) FROM daily_rollups) + (SELECT COUNT(*) FROM hourly_rollups)";
    sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
}
