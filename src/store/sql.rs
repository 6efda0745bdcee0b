//! Pieces of statements: how one takes many values, and how it gives many rows.

use super::Conn;

/// `$first, $first+1, …`: `count` placeholders for a statement with a list. The text holds numbers only.
pub(super) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// That `column` is among the numbers of the bind `$bind`, which [`listed`] wrote: one bind and one text, which stays prepared, for any
/// number of them. SQLite looks up the name of each bind in a list of all, so that hundreds of them take longer than many a statement.
/// `column` is text of ours, and nothing but the bind comes from elsewhere.
///
/// PostgreSQL reads a list that is cast from a text again for each row that it compares, 5 s for 10,000 of 10,000, and plans such a statement anew each
/// time; what a query within the query gives is read once. `IN` such a query would be a join, which took longer still.
pub(super) fn among(conn: &Conn<'_>, column: &str, bind: usize) -> String {
    match conn {
        Conn::Sqlite(_) => format!("{column} IN (SELECT value FROM json_each(${bind}))"),
        Conn::Postgres(_) => {
            format!("{column} = ANY(ARRAY(SELECT unnest(CAST(CAST(${bind} AS TEXT) AS BIGINT[]))))")
        }
    }
}

/// Numbers as [`among`] reads them.
pub(super) fn listed(conn: &Conn<'_>, numbers: &[i64]) -> String {
    let list = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    match conn {
        Conn::Sqlite(_) => format!("[{list}]"),
        Conn::Postgres(_) => format!("{{{list}}}"),
    }
}

/// Where the rows of a multi-row `INSERT` come from: `columns` binds for each of `rows` rows, of which the first is never NULL. The
/// text holds placeholders only.
///
/// On SQLite they have no numbers: it looks up the name of each in a list of all, which for hundreds of them takes longer than
/// the rest of the statement. And the rows are filled up to a power of two by some without binds, which are NULL and left out, so
/// that a few texts, which stay prepared, do for any number of rows.
pub(super) fn rows_of(conn: &Conn<'_>, rows: usize, columns: usize) -> String {
    match conn {
        Conn::Sqlite(_) => {
            let row = format!("({})", vec!["?"; columns].join(", "));
            let rows = vec![row; rows + filled_up(rows)].join(", ");
            format!("SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL")
        }
        Conn::Postgres(_) => {
            let row = |row: usize| format!("({})", placeholders(row * columns + 1, columns));
            format!("VALUES {}", (0..rows).map(row).collect::<Vec<_>>().join(", "))
        }
    }
}

/// All rows of a query as one value, a JSON array of arrays that [`sqlx::types::Json`] reads; NULL or empty when there are none.
///
/// For thousands of short rows, each of which would be copied and handed over to the thread that asked.
pub(super) fn as_one(conn: &Conn<'_>, columns: &str, order: &str) -> String {
    match conn {
        Conn::Sqlite(_) => format!("json_group_array(json_array({columns}) ORDER BY {order})"),
        Conn::Postgres(_) => format!("json_agg(json_build_array({columns}) ORDER BY {order})"),
    }
}

/// How many rows without binds [`rows_of`] adds on SQLite.
pub(super) fn filled_up(rows: usize) -> usize {
    rows.next_power_of_two() - rows
}

/// Cuts rows into multi-row statements: for SQLite each as long as [`rows_of`] can fill up, for PostgreSQL of a few fixed lengths,
/// so that each statement's text comes again and stays prepared. The longest keeps far below the 32,766 binds that SQLite takes.
pub(super) fn batches<'r, T>(
    conn: &Conn<'_>,
    mut rows: &'r [T],
) -> impl Iterator<Item = &'r [T]> + use<'r, T> {
    const LONGEST: usize = 256;
    let is_filled_up = matches!(conn, Conn::Sqlite(_));
    std::iter::from_fn(move || {
        let most = rows.len().min(LONGEST);
        let length = match most {
            0 => return None,
            _ if is_filled_up => most,
            _ => 1 << most.ilog2(),
        };
        let (batch, rest) = rows.split_at(length);
        rows = rest;
        Some(batch)
    })
}
