//! The output: tables, JSON, notes, progress bars, readable sizes and times.
//!
//! Results go to standard output, everything else to standard error, so that output can be piped.
//! Must not know commands or the server.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::failure::Failure;

/// Widest column of a table; longer text ends in `…`.
const COLUMN_MAX: usize = 48;

/// The writers of results and notes, and the form of the output.
pub(super) struct Output<'a> {
    results: &'a mut dyn Write,
    notes: &'a mut dyn Write,
    form: Form,
    now: Timestamp,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Form {
    /// JSON for programs instead of tables.
    pub(super) json: bool,
    /// No progress bars and no notes.
    pub(super) quiet: bool,
}

impl<'a> Output<'a> {
    pub(super) fn new(
        results: &'a mut dyn Write,
        notes: &'a mut dyn Write,
        form: Form,
        now: Timestamp,
    ) -> Self {
        Self { results, notes, form, now }
    }

    /// Returns the time that ages are counted to.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn json(&self) -> bool {
        self.form.json
    }

    /// Writes one line of the result.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.results, "{text}").map_err(|error| Failure::output(&error))
    }

    /// Writes raw bytes of the result.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.results.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.results.flush().map_err(|error| Failure::output(&error))
    }

    /// Writes a note that is not part of the result; none with `--json` or `--quiet`.
    pub(super) fn note(&mut self, text: &str) {
        if !self.form.json && !self.form.quiet {
            // A note that cannot be written is no reason to fail.
            let _ = writeln!(self.notes, "{text}");
        }
    }

    /// Writes the items that `all` passes on as one JSON array, each as soon as it arrives.
    pub(super) fn array<F>(&mut self, all: F) -> Result<(), Failure>
    where
        F: FnOnce(&mut dyn FnMut(&RawValue) -> Result<(), Failure>) -> Result<(), Failure>,
    {
        let mut first = true;
        all(&mut |item| {
            self.bytes(if first { b"[\n" } else { b",\n" })?;
            first = false;
            self.bytes(item.get().as_bytes())
        })?;
        self.bytes(if first { b"[]\n" } else { b"\n]\n" })
    }

    /// Writes rows under a header, aligned, without trailing blanks.
    pub(super) fn table(&mut self, header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
        let rows: Vec<Vec<String>> = std::iter::once(&header)
            .chain(rows)
            .map(|row| row.iter().map(|cell| crop(cell)).collect())
            .collect();
        let mut widths = vec![0; header.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        for row in &rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Writes the fields of one thing, one per line, without the empty ones.
    pub(super) fn fields(&mut self, fields: &[(&str, String)]) -> Result<(), Failure> {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, text) in fields.iter().filter(|(_, text)| !text.is_empty()) {
            self.line(&format!("{name:width$}  {}", plain(text)))?;
        }
        Ok(())
    }

    /// Formats a time as its distance from now, or as a date from 30 days ago on.
    pub(super) fn age(&self, time: &str) -> String {
        match time.parse::<Timestamp>() {
            Ok(time) => age(self.now.duration_since(time), time),
            Err(_) => time.to_owned(),
        }
    }

    /// Formats a time in full, with its distance from now.
    pub(super) fn time(&self, time: &str) -> String {
        match time.parse::<Timestamp>() {
            Ok(parsed) => {
                let text = parsed.strftime("%Y-%m-%d %H:%M:%S UTC");
                format!("{text} ({})", age(self.now.duration_since(parsed), parsed))
            }
            Err(_) => time.to_owned(),
        }
    }

    /// Starts a progress bar on standard error; it is hidden unless standard error is a terminal.
    pub(super) fn bar(&self, what: &str, length: Option<u64>) -> ProgressBar {
        let watched = !self.form.json && !self.form.quiet && io::stderr().is_terminal();
        let target =
            if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(length, target).with_message(what.to_owned());
        let style = ProgressStyle::with_template(
            "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}",
        );
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }
}

/// Formats a number of bytes in the largest binary unit that it fills.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        // From 1023.95 on, the smaller unit would round up to 1024.0.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

fn age(distance: SignedDuration, time: Timestamp) -> String {
    let seconds = distance.as_secs();
    let (number, unit) = match seconds {
        // The server's clock may be a little ahead.
        -60..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400..2_592_000 => (seconds / 86_400, "day"),
        _ => return time.strftime("%Y-%m-%d").to_string(),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

/// Makes text safe for a terminal: replaces control and direction-changing characters by spaces.
pub(super) fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { ' ' } else { c }).collect()
}

fn crop(text: &str) -> String {
    let text = plain(text);
    if text.width() <= COLUMN_MAX {
        return text;
    }
    let mut cropped = String::new();
    let mut width = 0;
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width >= COLUMN_MAX {
            break;
        }
        cropped.push(c);
    }
    cropped.push('…');
    cropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Kind;

    fn written(form: Form, write: impl FnOnce(&mut Output<'_>)) -> (String, String) {
        let (mut results, mut notes) = (Vec::new(), Vec::new());
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        write(&mut Output::new(&mut results, &mut notes, form, now));
        (String::from_utf8(results).unwrap(), String::from_utf8(notes).unwrap())
    }

    #[test]
    fn tables_align_by_display_width_and_have_no_trailing_blanks() {
        let (text, _) = written(Form::default(), |output| {
            let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
            let rows = [row(["层", "1", ""]), row(["long-name", "20", "a\n\u{1b}[31mb"])];
            output.table(&["NAME", "VERSION", "DESCRIPTION"], &rows).unwrap();
        });
        let expected =
            "NAME       VERSION  DESCRIPTION\n层         1\nlong-name  20       a  [31mb\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn long_cells_are_cropped() {
        let cropped = crop(&"层".repeat(40));
        assert!(cropped.ends_with('…') && cropped.width() <= COLUMN_MAX, "{cropped}");
        assert_eq!(crop(&"x".repeat(COLUMN_MAX)), "x".repeat(COLUMN_MAX));
    }

    #[test]
    fn sizes_and_times_are_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (52_428_800, "50.0 MiB"),
            (5 << 40, "5.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        written(Form::default(), |output| {
            for (time, text) in [
                ("2026-11-21T12:00:30Z", "just now"),
                ("2026-11-21T11:59:00Z", "1 minute ago"),
                ("2026-11-21T09:00:00.5Z", "2 hours ago"),
                ("2026-11-19T09:00:00Z", "2 days ago"),
                ("2026-01-02T09:00:00Z", "2026-01-02"),
                ("soon", "soon"),
            ] {
                assert_eq!(output.age(time), text);
            }
            let text = "2026-11-21 11:59:00 UTC (1 minute ago)";
            assert_eq!(output.time("2026-11-21T11:59:00Z"), text);
        });
    }

    #[test]
    fn notes_are_for_people_alone() {
        let note = |form| written(form, |output| output.note("hello")).1;
        assert_eq!(note(Form::default()), "hello\n");
        assert_eq!(note(Form { json: true, quiet: false }), "");
        assert_eq!(note(Form { json: false, quiet: true }), "");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(closed.kind, Kind::Closed);
        let full = Failure::output(&io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.kind, Kind::Failed);
    }
}
