//! The chart of response times on a monitor's page, and where the time of its checks goes: which span, and which curves.

use super::charts::{ResponseChart, long_chart, response_chart};
use super::checks::{PhaseRow, phase_rows};
use super::curves;
use super::error::PageError;
use super::text::Viewer;
use crate::monitor::{CheckResult, MonitorId, Pace};
use crate::report::rollup::{Grain, HOUR_MS};
use crate::store::{Conn, results, rollups};

const DAY_MS: i64 = 24 * HOUR_MS;
/// Checks on the chart at most.
const CHART_POINTS: i64 = 9_000;
/// Of several regions so many times more.
const CHART_REGIONS: i64 = 4;

/// The spans that the chart can show: the word in the address, its length, the words on the button.
pub const RANGES: [(&str, i64, &str); 6] = [
    ("1h", HOUR_MS, "1 h"),
    ("3h", 3 * HOUR_MS, "3 h"),
    ("24h", DAY_MS, "24 h"),
    ("7d", 7 * DAY_MS, "7 d"),
    ("30d", 30 * DAY_MS, "30 d"),
    ("90d", 90 * DAY_MS, "90 d"),
];

/// Of what a chart of more than a day is drawn: roll-ups, and how many of them make a point.
fn steps(length: i64) -> (Grain, i64) {
    match length / DAY_MS {
        ..=7 => (Grain::Hour, 2),
        8..=30 => (Grain::Hour, 6),
        _ => (Grain::Day, 1),
    }
}

/// Which curves the chart has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// One for each region, or the total.
    Regions,
    /// One for each phase.
    Phases,
}

/// What is chosen on a monitor's page: every link of the page keeps what it does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    range: (&'static str, i64, &'static str),
    series: Series,
    failed_only: bool,
}

impl Choice {
    /// What the words of an address mean; one that means nothing is as if it were not there.
    pub fn of(range: &str, series: &str, checks: &str) -> Self {
        let range = RANGES.into_iter().find(|known| known.0 == range).unwrap_or(RANGES[1]);
        let series = if series == "phase" { Series::Phases } else { Series::Regions };
        Self { range, series, failed_only: checks == "failed" }
    }

    /// Whether only failed checks are listed.
    pub fn failed_only(self) -> bool {
        self.failed_only
    }

    /// The address of the page as it is chosen, at the part `part`.
    fn address(self, part: &str) -> String {
        // Roll-ups know neither region nor phase.
        let is_phases = self.series == Series::Phases && self.range.1 <= DAY_MS;
        let series = if is_phases { "&series=phase" } else { "" };
        let checks = if self.failed_only { "&checks=failed" } else { "" };
        format!("?range={}{series}{checks}#{part}", self.range.0)
    }
}

/// The chart and how it can be changed.
pub struct Chart {
    /// What is drawn; `None` with too few checks.
    pub drawn: Option<ResponseChart>,
    /// What is chosen.
    pub choice: Choice,
    /// Whether its curves can be changed.
    pub has_choice: bool,
    /// What the curves are of that are not the phases.
    pub other: &'static str,
}

impl Chart {
    /// Whether the chart shows this span.
    pub fn is_range(&self, range: &str) -> bool {
        self.choice.range.0 == range
    }

    /// Whether its curves are the phases.
    pub fn is_phases(&self) -> bool {
        self.choice.series == Series::Phases
    }

    /// The address of the page with this span.
    pub fn range(&self, range: &'static str) -> String {
        let range = RANGES.into_iter().find(|known| known.0 == range);
        Choice { range: range.unwrap_or(self.choice.range), ..self.choice }.address("response")
    }

    /// The address of the page with the curves of phases, or with the others.
    pub fn series(&self, series: Series) -> String {
        Choice { series, ..self.choice }.address("response")
    }

    /// The address of the page with all checks listed, or with those that failed.
    pub fn checks(&self, failed_only: bool) -> String {
        Choice { failed_only, ..self.choice }.address("checks")
    }
}

/// The chart that is chosen of a monitor with this pace (`own` is the server's region), and where the time of its checks goes.
///
/// # Errors
/// When the database fails.
pub async fn chart(
    conn: &mut Conn<'_>,
    id: MonitorId,
    (pace, own): (&Pace, &str),
    choice: Choice,
    viewer: Viewer,
) -> Result<(Chart, Vec<PhaseRow>), PageError> {
    let (_, length, _) = choice.range;
    let since = viewer.now.plus_ms(-length);
    let regions = i64::try_from(pace.regions.len()).unwrap_or(1).clamp(1, CHART_REGIONS);
    let day = viewer.now.plus_ms(-DAY_MS);
    let checks = results::since(conn, id, since.max(day), CHART_POINTS * regions).await?;
    let phases = phase_rows(&checks, own);
    let mut chart = Chart { drawn: None, choice, has_choice: false, other: "Total" };
    if length > DAY_MS {
        let (grain, per) = steps(length);
        let rollups = rollups::until_now(conn, grain, id, (since, viewer.now)).await?;
        chart.drawn = long_chart(&rollups, grain, per, viewer);
        return Ok((chart, phases));
    }
    let checks: Vec<&CheckResult> = checks.iter().map(|stored| &stored.result).collect();
    let by_phase = curves::of_phases(&checks);
    let by_region = curves::of_regions(&checks, own);
    chart.has_choice = !by_phase.is_empty();
    if !by_region.is_empty() {
        chart.other = "Regions";
    }
    let curves = if choice.series == Series::Phases { by_phase } else { by_region };
    chart.drawn = response_chart(&curves::points(&checks), &curves, viewer);
    Ok((chart, phases))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(range: &str, series: &str, checks: &str) -> Chart {
        let choice = Choice::of(range, series, checks);
        Chart { drawn: None, choice, has_choice: true, other: "Total" }
    }

    #[test]
    fn links_keep_what_they_do_not_change() {
        let chart = page("24h", "phase", "failed");
        assert_eq!(chart.range("1h"), "?range=1h&series=phase&checks=failed#response");
        assert_eq!(chart.series(Series::Regions), "?range=24h&checks=failed#response");
        assert_eq!(chart.checks(false), "?range=24h&series=phase#checks");
        assert_eq!(page("x", "y", "z").checks(true), "?range=3h&checks=failed#checks");
    }

    #[test]
    fn curves_are_not_chosen_where_there_is_no_choice() {
        assert_eq!(page("24h", "phase", "").range("7d"), "?range=7d#response");
        let long = page("90d", "phase", "failed");
        assert_eq!(long.checks(true), "?range=90d&checks=failed#checks");
    }
}
