//! The table that a bench prints: measured, limit, ratio, budget.

/// The bound of a ratio, or of a value without a limit.
#[derive(Clone, Copy)]
pub enum Budget {
    /// At least this value.
    AtLeast(f64),
    /// At most this value.
    AtMost(f64),
    /// None; the row is for information.
    None,
}

impl Budget {
    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {bound}"),
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::None => "-".to_owned(),
        }
    }

    fn met(self, value: f64) -> &'static str {
        let met = match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::None => return "-",
        };
        if met { "yes" } else { "NO" }
    }
}

/// Rows in the order of measurement.
pub struct Table {
    title: String,
    rows: Vec<[String; 6]>,
}

impl Table {
    /// Creates an empty table.
    pub fn new(title: impl Into<String>) -> Self {
        let heads = ["what", "measured", "limit", "ratio", "budget", "met"];
        Self { title: title.into(), rows: vec![heads.map(str::to_owned)] }
    }

    /// Adds a comparison with something measured in the same run.
    pub fn ratio(
        &mut self,
        what: &str,
        measured: String,
        limit: String,
        ratio: f64,
        budget: Budget,
    ) {
        eprintln!("  {what}: {measured} against {limit}");
        let met = budget.met(ratio).to_owned();
        self.rows.push([
            what.to_owned(),
            measured,
            limit,
            format!("{ratio:.2}"),
            budget.text(),
            met,
        ]);
    }

    /// Adds a value with an absolute budget; both are in `unit`.
    pub fn value(&mut self, what: &str, value: f64, unit: &str, budget: Budget) {
        eprintln!("  {what}: {value:.1} {unit}");
        let bound = match budget {
            Budget::None => budget.text(),
            bounded => format!("{} {unit}", bounded.text()),
        };
        let (measured, met) = (format!("{value:.1} {unit}"), budget.met(value).to_owned());
        self.rows.push([what.to_owned(), measured, "-".to_owned(), "-".to_owned(), bound, met]);
    }

    /// Prints the table to standard output as Markdown.
    pub fn print(&self) {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..6).map(width).collect();
        println!("\n## {}\n", self.title);
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let rules = widths.iter().map(|width| "-".repeat(*width));
                println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
        println!();
    }
}

/// Formats a rate as requests per second.
pub fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

/// Formats seconds as milliseconds.
pub fn millis(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

/// Formats seconds as microseconds.
pub fn micros(seconds: f64) -> String {
    format!("{:.1} us", seconds * 1e6)
}

/// Formats the rate of `bytes` in `seconds`.
pub fn mebibytes_per_second(bytes: u64, seconds: f64) -> String {
    format!("{:.0} MiB/s", bytes as f64 / f64::from(1 << 20) / seconds)
}
