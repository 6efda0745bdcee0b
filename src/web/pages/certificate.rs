//! The certificate on the page of a monitor: how many days it has left, and whose it is.

use super::monitor::Metric;
use super::status::Shown;
use super::text::{Html, Viewer, plural};
use crate::clock::Timestamp;
use crate::monitor::Certificate;
use crate::store::monitors::Watched;

const DAY_MS: i64 = 86_400_000;

/// How many names are written out; of the others their number is.
const NAMES: usize = 3;

/// The card of a certificate.
pub struct CertificateCard {
    /// How it stands.
    pub state: Shown,
    /// What is said of that; empty when there is nothing to do.
    pub pill: &'static str,
    /// The bar: how much of its life is over.
    pub bar: Html,
    /// `Day 78 of 90`.
    pub age: String,
    /// `warns at 14 days left`; empty when there is no further warning.
    pub next_warning: String,
    /// When it ends.
    pub expires: Html,
    /// Who made it.
    pub issuer: String,
    /// Whom it was made out to.
    pub subject: String,
    /// What it is valid for.
    pub names: String,
    /// Its SHA-256.
    pub fingerprint: String,
}

impl CertificateCard {
    /// That of the certificate which was seen last, if one was.
    pub fn of(watched: &Watched, viewer: Viewer) -> Option<Self> {
        let certificate = watched.state.certificate.as_deref()?;
        let thresholds = watched.monitor.settings.target.tls_expiry_days();
        let left = certificate.days_left(viewer.now);
        let passed = |days: &&u32| left <= i64::from(**days);
        let (state, pill) = if certificate.has_ended(viewer.now) {
            (Shown::Down, "Expired")
        } else if thresholds.iter().any(|days| passed(&days)) {
            (Shown::Degraded, "Renew soon")
        } else {
            (Shown::Up, "")
        };
        let next = thresholds.iter().filter(|days| !passed(days)).max();
        let all = days_between(certificate.not_before, certificate.not_after);
        let gone = days_between(certificate.not_before, viewer.now).clamp(0, all);
        Some(Self {
            bar: bar(gone, all, &state),
            age: format!("Day {gone} of {all}"),
            next_warning: next
                .map(|days| format!("warns at {} left", plural(*days as usize, "day")))
                .unwrap_or_default(),
            expires: viewer.fixed_html(certificate.not_after, &viewer.full(certificate.not_after)),
            issuer: certificate.issuer.clone(),
            subject: certificate.title().to_owned(),
            names: names(&certificate.names),
            fingerprint: certificate.fingerprint.clone(),
            state,
            pill,
        })
    }
}

/// The days that the certificate has left, for the strip.
pub fn certificate_metric(watched: &Watched, viewer: Viewer) -> Option<Metric> {
    let certificate = watched.state.certificate.as_deref()?;
    let left = days_left(certificate, viewer.now);
    let verb = if certificate.has_ended(viewer.now) { "expired" } else { "expires" };
    Some(Metric {
        label: "Certificate".to_owned(),
        value: left,
        after: format!("{verb} {}", viewer.date(certificate.not_after)),
    })
}

fn days_left(certificate: &Certificate, now: Timestamp) -> String {
    if certificate.has_ended(now) {
        return "expired".to_owned();
    }
    let days = usize::try_from(certificate.days_left(now)).unwrap_or_default();
    plural(days, "day")
}

/// The days from one moment to another, a day that has begun counted as one.
fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    to.since(from).saturating_add(DAY_MS - 1).div_euclid(DAY_MS)
}

fn bar(gone: i64, all: i64, state: &Shown) -> Html {
    let filled = 1000 * gone / all.max(1);
    let class = match state {
        Shown::Down => "run-bad",
        Shown::Degraded => "run-long",
        _ => "run-ok",
    };
    Html(format!(
        "<svg class=\"life\" viewBox=\"0 0 1000 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"w-rest\" width=\"1000\" height=\"4\"/>\
         <rect class=\"{class}\" width=\"{filled}\" height=\"4\"/></svg>"
    ))
}

fn names(all: &[String]) -> String {
    let shown = all.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} +{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_are_written_out_and_many_are_counted() {
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(names(&all[..1]), "a");
        assert_eq!(names(&all[..3]), "a, b, c");
        assert_eq!(names(&all), "a, b, c +2");
        assert_eq!(names(&[]), "");
    }

    #[test]
    fn a_life_is_counted_in_days_that_have_begun() {
        let at = |days: i64| Timestamp(days * DAY_MS);
        assert_eq!(days_between(at(0), at(90)), 90);
        assert_eq!(days_between(at(0), at(77).plus_ms(1)), 78);
        assert_eq!(days_between(at(0), at(0)), 0);
    }
}
