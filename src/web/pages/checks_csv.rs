//! All checks of a monitor as CSV (RFC 4180).

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::stream;

use super::error::{Page, PageError};
use super::visit::Visit;
use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::store::results::StoredResult;
use crate::store::{Db, monitors, results};

/// Checks that are read at once.
const CSV_ROWS: i64 = 1_000;

/// `GET /monitors/{id}/checks.csv`: all checks that are kept, newest first.
pub async fn csv(visit: Visit, id: web::Path<i64>) -> Page {
    let id = *id;
    let mut reader = visit.state.db.read().await?;
    if monitors::existing(&mut reader.conn(), &[id]).await?.is_empty() {
        return Err(PageError::no_such("monitor"));
    }
    drop(reader);
    let begin = Csv { db: visit.state.db.clone(), id, before: None, stage: Stage::Head };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"monitor-{id}-checks.csv\""),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(stream::try_unfold(begin, Csv::next)))
}

/// A CSV that is read as it is sent, a few rows at a time, so that no list of all is held.
struct Csv {
    db: Db,
    id: MonitorId,
    before: Option<i64>,
    stage: Stage,
}

enum Stage {
    Head,
    Rows,
    Done,
}

const CSV_HEAD: &str = "started_at,region,verdict,status_code,dns_ms,connect_ms,tls_ms,first_byte_ms,total_ms,error_kind,error,failed_checks,in_maintenance\r\n";

impl Csv {
    async fn next(mut self) -> Result<Option<(web::Bytes, Self)>, PageError> {
        match self.stage {
            Stage::Head => {
                self.stage = Stage::Rows;
                Ok(Some((web::Bytes::from_static(CSV_HEAD.as_bytes()), self)))
            }
            Stage::Done => Ok(None),
            Stage::Rows => {
                let mut reader = self.db.read().await?;
                let conn = &mut reader.conn();
                let rows = results::before(conn, self.id, self.before, false, CSV_ROWS).await?;
                drop(reader);
                if (rows.len() as i64) < CSV_ROWS {
                    self.stage = Stage::Done;
                }
                self.before = rows.last().map(|row| row.id);
                let text: String = rows.iter().map(csv_row).collect();
                Ok(Some((web::Bytes::from(text), self)))
            }
        }
    }
}

fn csv_row(stored: &StoredResult) -> String {
    let result = &stored.result;
    let ms = |value: Option<u32>| value.map_or_else(String::new, |ms| ms.to_string());
    let failed: Vec<String> =
        result.failed_checks.iter().map(|(path, text)| format!("{path}: {text}")).collect();
    let phases = &result.phases;
    let cells = [
        Timestamp(stored.id).to_rfc3339(),
        csv_text(&result.region),
        result.verdict.to_string(),
        result.status_code.map_or_else(String::new, |code| code.to_string()),
        ms(phases.dns),
        ms(phases.connect),
        ms(phases.tls),
        ms(phases.first_byte),
        ms(phases.total),
        result.error.as_ref().map_or_else(String::new, |error| error.kind.to_string()),
        csv_text(result.error.as_ref().map_or("", |error| &error.text)),
        csv_text(&failed.join("; ")),
        stored.in_maintenance.to_string(),
    ];
    format!("{}\r\n", cells.join(","))
}

/// A text as a cell: quoted (RFC 4180), and never one that a spreadsheet would take for a formula.
fn csv_text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{CheckError, CheckResult, ErrorKind, FailedChecks, Phases, Verdict};

    fn failed() -> StoredResult {
        let result = CheckResult {
            region: "local".to_owned(),
            started_at: Timestamp(0),
            phases: Phases { connect: Some(6), total: Some(12), ..Phases::default() },
            status_code: None,
            error: Some(CheckError::new(ErrorKind::Reset, "reset")),
            failed_checks: FailedChecks::new(),
            certificate: None,
            answer: None,
            verdict: Verdict::Down,
        };
        StoredResult { id: 0, in_maintenance: false, result }
    }

    #[test]
    fn a_cell_cannot_break_out_of_its_row_or_become_a_formula() {
        for (text, cell) in [
            ("", ""),
            ("plain", "\"plain\""),
            ("a,\"b\"\nc", "\"a,\"\"b\"\"\nc\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
        ] {
            assert_eq!(csv_text(text), cell);
        }
        let row = csv_row(&failed());
        assert_eq!(row.trim_end().matches(',').count(), CSV_HEAD.matches(',').count());
        assert!(
            row.starts_with(
                "1970-01-01T00:00:00.000+00:00,\"local\",down,,,6,,,12,reset,\"reset\",,false"
            ),
            "{row}"
        );
    }
}
