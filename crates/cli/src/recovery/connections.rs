//! Files of connections that were seen at the source. They may be long: they are read entry by entry.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use refloat_core::driver::Problem;
use refloat_core::plan::Connections;
use serde_json::{Deserializer, Value};

use crate::failure::Failure;
use crate::printer::Printer;

const HOW: &str = "write it with `hubble observe -o jsonpb`, or keep what Prometheus answers about Istio: docs/guides/plan.md";

/// Connections that were seen.
#[derive(Debug, Default, Args)]
pub(super) struct ConnectionFiles {
    /// Connections that were seen at the source: flows of Hubble (`hubble observe -o jsonpb`), or what Prometheus answers about Istio's; once
    /// for each file
    #[arg(long, value_name = "FILE")]
    connections: Vec<PathBuf>,
}

impl ConnectionFiles {
    /// There is one at least.
    pub(super) fn is_given(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Reads all files; says everything that is wrong.
    pub(super) fn read(&self, printer: Printer) -> Result<Connections, Failure> {
        let mut all = Connections::default();
        let mut problems = Vec::new();
        for path in &self.connections {
            match one_file(path, &mut all) {
                Ok(None) => {}
                Ok(Some(note)) => printer.note(&note),
                Err(failure) => problems.extend(failure.problems),
            }
        }
        if problems.is_empty() {
            Ok(all)
        } else {
            Err(problems.into())
        }
    }
}

/// Adds what a file holds; a note when its last entry is cut off, as that of a log that is being written, or when it tells nothing.
fn one_file(path: &Path, all: &mut Connections) -> Result<Option<String>, Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let refuse = |place: usize, why: String| {
        let message = format!("{}, entry {place}: {why}", path.display());
        Failure::from(Problem::stuck("connections-file", message, HOW))
    };
    let entries = Deserializer::from_reader(BufReader::new(file)).into_iter::<Value>();
    let (mut count, mut told) = (0, 0);
    for entry in entries {
        match entry {
            Ok(entry) => {
                count += 1;
                told += all.add(&entry).map_err(|why| refuse(count, why))?;
            }
            Err(error) if error.is_eof() && count > 0 => {
                let note = format!(
                    "{}: its last entry is cut off; the {count} before it count",
                    path.display()
                );
                return Ok(Some(note));
            }
            Err(error) => return Err(refuse(count + 1, error.to_string())),
        }
    }
    if count == 0 {
        return Err(refuse(1, "there is none".to_owned()));
    }
    Ok((told == 0).then(|| {
        format!(
            "warning: {}: none of its {count} entries tells of a connection between workloads; a flow needs `workloads` and `is_reply`, a \
             series the labels that docs/guides/plan.md names",
            path.display()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = r#"{"flow":{"verdict":"FORWARDED","is_reply":false,"l4":{"TCP":{}},"source":{"namespace":"shop","workloads":[{"kind":"Deployment","name":"web"}]},"destination_service":{"namespace":"shop","name":"db"}}}"#;

    /// What one file with this text adds, and what is said of it.
    fn read(text: &str) -> Result<(usize, bool), String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("flows.json");
        std::fs::write(&path, text).expect("a file");
        let mut all = Connections::default();
        match one_file(&path, &mut all) {
            Ok(note) => Ok((all.len(), note.is_some())),
            Err(failure) => {
                let mut problems = failure.problems.into_iter();
                Err(problems.next().expect("a problem").message)
            }
        }
    }

    #[test]
    fn entries_stand_line_by_line_or_over_many_lines() {
        let other = FLOW.replace("\"web\"", "\"api\"");
        assert_eq!(read(&format!("{FLOW}\n{other}\n{FLOW}\n")), Ok((2, false)));
        assert_eq!(read(&FLOW.replace(',', ",\n  ")), Ok((1, false)));
    }

    #[test]
    fn a_log_that_is_being_written_counts_but_for_its_last_entry() {
        let half = &FLOW[..40];
        assert_eq!(read(&format!("{FLOW}\n{half}")), Ok((1, true)));
    }

    #[test]
    fn a_file_that_tells_of_no_connection_is_worth_a_word() {
        let bare = FLOW.replace("\"workloads\"", "\"labels\"");
        let nothing = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        for text in [bare.as_str(), nothing] {
            assert_eq!(read(text), Ok((0, true)), "{text}");
        }
        let twice = read(&format!("{bare}\n{FLOW}"));
        assert_eq!(twice, Ok((1, false)), "one of them does");
    }

    #[test]
    fn what_is_no_such_file_is_refused_by_name_and_place() {
        for (text, words) in [
            (String::new(), "entry 1: there is none"),
            (" \n".to_owned(), "entry 1: there is none"),
            ("web connects to db".to_owned(), "entry 1: "),
            (FLOW[..40].to_owned(), "entry 1: "),
            (format!("{FLOW}\nnonsense\n{FLOW}"), "entry 2: "),
            (format!("{FLOW}\n{{}}"), "entry 2: it is neither"),
            (format!("[{FLOW}]"), "entry 1: it is neither"),
        ] {
            let refused = read(&text).expect_err(&text);
            assert!(refused.contains(words), "{text}: {refused}");
            assert!(refused.contains("flows.json"), "{refused}");
        }
        let nowhere = ConnectionFiles {
            connections: vec![PathBuf::from("/nonexistent/flows.json")],
        };
        assert!(one_file(&nowhere.connections[0], &mut Connections::default()).is_err());
    }
}
