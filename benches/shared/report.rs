//! The table that all benchmarks print: what was measured, beside its floor and its aim.
//!
//! Its lines are printed as they come. When `WATCHBELL_BENCH_TABLE` names a file they are added to that instead, with tabs between the
//! columns: `scripts/bench` makes one table of all parts.

use std::io::Write;

/// The columns and their widths where the lines are printed as they come.
const COLUMNS: [(&str, usize); 6] =
    [("", 66), ("median", 12), ("floor", 12), ("ratio", 8), ("aim", 16), ("met", 4)];

/// A line of the table.
#[must_use]
pub struct Row {
    what: String,
    value: f64,
    floor: Option<f64>,
    aim: Option<&'static str>,
}

/// Begins a part of the table: what is measured, how often, and what the floor is.
pub fn part(what: &str) {
    write(&[what]);
    if !is_collected() {
        write(&COLUMNS.map(|(name, _)| name));
    }
}

/// A line of the table: what, with its unit, and the median.
pub fn row(what: impl Into<String>, value: f64) -> Row {
    Row { what: what.into(), value, floor: None, aim: None }
}

impl Row {
    /// What the same costs when nothing of Watchbell takes part; adds the ratio to it.
    pub fn beside(self, floor: f64) -> Self {
        Self { floor: Some(floor), ..self }
    }

    /// What should be: `< 50`, `<= 50`, `>= 50` or `= 50`; after `ratio ` of the ratio and not of the value.
    pub fn aim(self, aim: &'static str) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// Writes the line.
    pub fn write(self) {
        let ratio = self.floor.map(|floor| self.value / floor);
        let met = self.aim.map(|aim| match aim.strip_prefix("ratio ") {
            Some(aim) => is_met(ratio.unwrap(), aim),
            None => is_met(self.value, aim),
        });
        let [floor, ratio] =
            [self.floor, ratio].map(|number| number.map(shown).unwrap_or_default());
        let met = met.map_or("", |is_met| if is_met { "yes" } else { "no" });
        write(&[&self.what, &shown(self.value), &floor, &ratio, self.aim.unwrap_or_default(), met]);
    }
}

fn is_met(value: f64, aim: &str) -> bool {
    let (order, number) = aim.split_once(' ').unwrap();
    let number: f64 = number.replace(',', "").parse().unwrap();
    match order {
        "<" => value < number,
        "<=" => value <= number,
        ">=" => value >= number,
        "=" => value == number,
        _ => unreachable!("no aim begins with {order}"),
    }
}

/// A number as a reader wants it: three digits or more, and a comma between thousands.
fn shown(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let plain = format!("{number:.decimals$}");
    let whole = plain.split('.').next().unwrap().len();
    let mut text = String::new();
    for (at, digit) in plain.char_indices() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const TABLE: &str = "WATCHBELL_BENCH_TABLE";

fn is_collected() -> bool {
    std::env::var_os(TABLE).is_some()
}

fn write(fields: &[&str]) {
    let Some(path) = std::env::var_os(TABLE) else {
        let padded = fields.iter().zip(COLUMNS).map(|(field, (name, width))| {
            if name.is_empty() { format!("{field:<width$}") } else { format!(" {field:>width$}") }
        });
        return println!("{}", padded.collect::<String>().trim_end());
    };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{}", fields.join("\t")).unwrap();
}

/// The value that `share` of the `values` do not pass.
pub fn at(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

/// The middle one of the values.
pub fn median(values: &[f64]) -> f64 {
    at(values, 0.5)
}
