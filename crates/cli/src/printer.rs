//! The only place that writes to standard output and standard error: results to the first, all else to the second.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::config::Output;
use crate::failure::Failure;

/// Prints results and messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    output: Output,
}

/// A table: a heading and rows of equal length.
#[derive(Debug, Default)]
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading.
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self {
            heading: heading.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The text: columns as wide as their widest cell, three spaces between.
    pub(crate) fn render(&self) -> String {
        let mut widths: Vec<usize> = self.heading.iter().map(|cell| cell.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let heading: Vec<String> = self.heading.iter().map(|&cell| cell.to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(cell);
                let pad = width.saturating_sub(cell.chars().count()) + 3;
                line.push_str(&" ".repeat(pad));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl Printer {
    pub(crate) fn new(output: Output) -> Self {
        Self { output }
    }

    /// Whether a table may be wide.
    pub(crate) fn is_wide(self) -> bool {
        self.output == Output::Wide
    }

    /// How results are printed.
    pub(crate) fn output(self) -> Output {
        self.output
    }

    /// Whether a person watches.
    pub(crate) fn is_terminal(self) -> bool {
        io::stderr().is_terminal()
    }

    /// Prints a result: the table for people, the value for programs.
    pub(crate) fn result(self, value: &impl Serialize, table: impl FnOnce() -> String) {
        let text = match self.output {
            Output::Table | Output::Wide | Output::Dot | Output::Mermaid => table(),
            Output::Json => return written(json(value)),
            Output::Yaml => serde_saphyr::to_string(value)
                .unwrap_or_else(|error| format!("error: \"{error}\"\n")),
        };
        write(&mut io::stdout().lock(), &text);
    }

    /// Prints a raw document to standard output.
    pub(crate) fn document(self, text: &str) {
        write(&mut io::stdout().lock(), text);
    }

    /// A line for people.
    pub(crate) fn note(self, line: &str) {
        write(&mut io::stderr().lock(), &format!("{line}\n"));
    }

    /// Text without a line end, for questions.
    pub(crate) fn ask(self, text: &str) {
        write(&mut io::stderr().lock(), text);
    }

    /// Says what failed and what to do; the exit code says whose fault it is.
    pub(crate) fn failure(self, failure: &Failure) -> ExitCode {
        match self.output {
            Output::Table | Output::Wide | Output::Dot | Output::Mermaid => {
                for problem in &failure.problems {
                    self.note(&format!("error[{}]: {}", problem.code, problem.message));
                    self.note(&format!("  next: {}", problem.hint));
                }
                for warning in &failure.warnings {
                    self.note(&format!("warning: {warning}"));
                }
            }
            Output::Json | Output::Yaml if failure.shown => {}
            Output::Json | Output::Yaml => self.result(failure, String::new),
        }
        ExitCode::from(failure.exit_code())
    }
}

/// A reader that went away is no error of ours.
fn write(to: &mut impl Write, text: &str) {
    written(to.write_all(text.as_bytes()).and_then(|()| to.flush()));
}

fn written(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "output was not written");
    }
}

/// As it comes: the text of a plan is larger than the plan.
fn json(value: &impl Serialize) -> io::Result<()> {
    let mut to = BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut to, value)?;
    to.write_all(b"\n")?;
    to.flush()
}

/// `1.2 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    bytesize::ByteSize(count).display().iec().to_string()
}

/// `2026-11-23 20:15:00 UTC`.
pub(crate) fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The same from a number of seconds.
pub(crate) fn seconds(count: f64) -> String {
    jiff::SignedDuration::try_from_secs_f64(count).map_or_else(|_| "-".to_owned(), duration)
}

/// `3 d 4 h`, `12 min`, `8 s`, `0.4 s`.
pub(crate) fn duration(duration: jiff::SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64().max(0.0)),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn durations_are_as_exact_as_a_person_needs() {
        for (milliseconds, text) in [
            (-5_000, "0.0 s"),
            (440, "0.4 s"),
            (9_990, "10.0 s"),
            (10_000, "10 s"),
            (119_000, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h 0 min"),
            (172_800_000, "2 d 0 h"),
        ] {
            assert_eq!(duration(SignedDuration::from_millis(milliseconds)), text);
        }
        assert_eq!(seconds(f64::NAN), "-");
    }

    #[test]
    fn a_table_has_columns_as_wide_as_their_cells() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(vec!["wide cell".to_owned(), "x".to_owned()]);
        assert_eq!(table.render(), "A           LONG\nwide cell   x\n");
    }
}
