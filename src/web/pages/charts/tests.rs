use super::*;

fn viewer(now: i64) -> Viewer {
    Viewer::new(Timestamp(now), None)
}

fn point(at: i64, ms: u32, failed: bool) -> Point {
    Point { at: Timestamp(at), ms: Some(ms), failed, region: 0 }
}

#[test]
fn one_spike_does_not_flatten_the_chart() {
    let mut points: Vec<Point> = (0..999).map(|i| point(i * 1000, 100, false)).collect();
    points.push(point(999_000, 60_000, false));
    let chart = response_chart(&points, &[], viewer(1_000_000)).unwrap();
    assert_eq!(chart.y[0], "120 ms");
    assert!(chart.summary.contains("slowest 1 min"), "{}", chart.summary);
    assert!(chart.over.0.contains(">↑ 1 min</text>"), "{}", chart.over);
}

#[test]
fn failures_are_bands_and_break_the_curve() {
    let points = [
        point(0, 100, false),
        point(1000, 50, true),
        point(2000, 50, true),
        point(3000, 90, false),
        point(4000, 1, true),
    ];
    let chart = response_chart(&points, &[], viewer(5000)).unwrap();
    assert_eq!(chart.svg.0.matches("class=\"band\"").count(), 2);
    assert_eq!(chart.svg.0.matches('M').count(), 5 + 2 + 2, "grid, edges, two strokes");
    assert!(response_chart(&points[..1], &[], viewer(5000)).is_none());
}

#[test]
fn phases_name_what_is_known_and_the_rest() {
    let phases = Phases {
        dns: Some(6),
        connect: Some(22),
        tls: None,
        first_byte: Some(117),
        total: Some(150),
    };
    let svg = phase_bar(&phases, false, 150).0;
    assert!(svg.contains("DNS 6 ms, Connect 22 ms, Waiting 117 ms, Download 5 ms"), "{svg}");
}

#[test]
fn a_long_chart_tells_of_every_check() {
    let day = |slot, ms: u32, failed| {
        let mut rollup = Rollup { slot, checks: 100, failed, ..Rollup::default() };
        rollup.latency.add(ms);
        rollup
    };
    let rollups: Vec<Rollup> = (0..90).map(|n| day(n, 100, if n == 40 { 80 } else { 0 })).collect();
    let now = 90 * 86_400_000;
    let chart = long_chart(&rollups, Grain::Day, 1, viewer(now)).unwrap();
    assert!(chart.summary.starts_with("In 90 days: median"), "{}", chart.summary);
    assert!(chart.summary.ends_with("80 of 9,000 checks failed."), "{}", chart.summary);
    assert_eq!((chart.rows.len(), chart.x[0].as_str()), (90, "1 Jan"));
    assert_eq!(chart.svg.0.matches("class=\"band\"").count(), 1);
    assert!(long_chart(&rollups[..1], Grain::Day, 1, viewer(now)).is_none());
}
