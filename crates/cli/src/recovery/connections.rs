//! Files of connections that were seen at the source. They may be long: they are read entry by entry.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use refloat_core::driver::Problem;
use refloat_core::plan::Connections;
use serde_json::{Deserializer, Value};

use crate::failure::Failure;
use crate::printer::Printer;

const HOW: &str = "write it with `hubble observe -o jsonpb`, keep what Prometheus answers about Istio, or take CoreDNS' log or what `conntrack -L` \
                   writes: docs/guides/plan.md";
/// Longer lines are none of a log of questions or a table of connections: names have 255 bytes.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Connections that were seen.
#[derive(Debug, Default, Args)]
pub(super) struct ConnectionFiles {
    /// Connections that were seen at the source: flows of Hubble (`hubble observe -o jsonpb`), what Prometheus answers about Istio's, CoreDNS' log
    /// of questions, or nodes' tables (`conntrack -L`); once for each file
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
        if all.left_out() > 0 {
            printer.note(&format!(
                "warning: connections: {} lines tell of more different ones than the {} that are kept, and do not count: give the table of a node \
                 that runs databases, or fewer lines",
                all.left_out(),
                all.len()
            ));
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
    let mut file = open(path)?;
    let head = file.fill_buf();
    if is_of_lines(head.map_err(|error| Failure::file(path, &error))?) {
        return lines(path, file, all);
    }
    let refuse = |place: usize, why: String| refused(path, &format!("entry {place}: {why}"));
    let entries = Deserializer::from_reader(file).into_iter::<Value>();
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

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    Ok(BufReader::new(file))
}

fn refused(path: &Path, what: &str) -> Failure {
    let message = format!("{}, {what}", path.display());
    Failure::from(Problem::stuck("connections-file", message, HOW))
}

/// True for what does not begin as JSON does: logs begin with a word, with a time, or with `[INFO]`.
fn is_of_lines(head: &[u8]) -> bool {
    let mut bytes = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    match bytes.next() {
        None | Some(b'{' | b'"') => false,
        Some(b'[') => bytes.next().is_some_and(u8::is_ascii_alphabetic),
        Some(_) => true,
    }
}

/// Adds what the lines of a file tell; a note when that is nothing.
fn lines(
    path: &Path,
    mut file: impl BufRead,
    all: &mut Connections,
) -> Result<Option<String>, Failure> {
    let (mut known, mut told) = (0_usize, false);
    let mut line = Vec::new();
    while next_line(&mut file, &mut line).map_err(|error| Failure::file(path, &error))? {
        let Ok(text) = std::str::from_utf8(&line) else {
            continue;
        };
        let seen = all.add_line(text);
        known += usize::from(seen.is_some());
        told |= seen == Some(true);
    }
    if known == 0 {
        return Err(refused(
            path,
            "entry 1: neither this nor any other line is a flow of Hubble, an answer of Prometheus, a question in CoreDNS' log or an entry of \
             `conntrack -L`",
        ));
    }
    Ok((!told).then(|| {
        format!(
            "warning: {}: none of its {known} lines tells of a Service's name that was found, or of a TCP connection in which both sides talked",
            path.display()
        )
    }))
}

/// Reads a line; of one that is too long nothing is kept. False at the end.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let limit = LINE_BYTES_MAX as u64;
    let mut read = file.by_ref().take(limit).read_until(b'\n', line)?;
    let any = read > 0;
    while read == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        line.clear();
        read = file.by_ref().take(limit).read_until(b'\n', line)?;
        if read < LINE_BYTES_MAX || line.last() == Some(&b'\n') {
            line.clear();
            break;
        }
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = r#"{"flow":{"verdict":"FORWARDED","is_reply":false,"l4":{"TCP":{}},"source":{"namespace":"shop","workloads":[{"kind":"Deployment","name":"web"}]},"destination_service":{"namespace":"shop","name":"db"}}}"#;

    /// What one file with this text adds, and what is said of it.
    fn read(text: impl AsRef<[u8]>) -> Result<(usize, bool), String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("flows.json");
        std::fs::write(&path, text.as_ref()).expect("a file");
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
        assert_eq!(read(format!("{FLOW}\n{other}\n{FLOW}\n")), Ok((2, false)));
        assert_eq!(read(FLOW.replace(',', ",\n  ")), Ok((1, false)));
    }

    #[test]
    fn a_log_that_is_being_written_counts_but_for_its_last_entry() {
        let half = &FLOW[..40];
        assert_eq!(read(format!("{FLOW}\n{half}")), Ok((1, true)));
    }

    #[test]
    fn a_file_that_tells_of_no_connection_is_worth_a_word() {
        let bare = FLOW.replace("\"workloads\"", "\"labels\"");
        let nothing = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        for text in [bare.as_str(), nothing] {
            assert_eq!(read(text), Ok((0, true)), "{text}");
        }
        let twice = read(format!("{bare}\n{FLOW}"));
        assert_eq!(twice, Ok((1, false)), "one of them does");
    }

    const QUESTION: &str = r#"[INFO] 10.244.0.5:43721 - 12345 "A IN db.shop.svc.cluster.local. udp 45 false 512" NOERROR qr,aa,rd 87 0.0003s"#;
    const ENTRY: &str = "tcp 6 9 ESTABLISHED src=10.0.0.5 dst=10.9.0.1 sport=9 dport=5432 src=10.0.1.7 dst=10.0.0.5 sport=5432 dport=9 use=1";

    #[test]
    fn logs_and_tables_are_read_line_by_line_whatever_stands_between() {
        assert_eq!(read(QUESTION), Ok((1, false)), "a last line without an end");
        let mixed = format!(".:53\nCoreDNS-1.11.1\r\n{QUESTION}\r\n\n{QUESTION}\n{ENTRY}\n");
        assert_eq!(read(&mixed), Ok((2, false)));
        assert_eq!(read(format!("[pod/coredns] {QUESTION}\n")), Ok((1, false)));
        let time = "2026-11-20T10:00:00Z";
        assert_eq!(read(format!("{time} {QUESTION}\n")), Ok((1, false)));
        let refused = QUESTION.replace("NOERROR", "NXDOMAIN");
        assert_eq!(read(refused), Ok((0, true)));
    }

    #[test]
    fn a_line_that_is_long_or_no_text_hides_no_other() {
        for size in [0, 1, 2] {
            for more in [0, 1, 7] {
                let long = "x".repeat(size * LINE_BYTES_MAX + more);
                let text = format!("a\n{long}\n{ENTRY}\n{long}");
                assert_eq!(read(text), Ok((1, false)), "{size} {more}");
                let hidden = format!("a\n{long}y{ENTRY}\n{QUESTION}\n");
                assert_eq!(read(hidden), Ok((1, false)), "{size} {more}");
            }
        }
        let mut binary = vec![b'a', 0xff, 0, 0xfe, b'\n', 0x80];
        binary.extend(format!("\n{ENTRY}\n").bytes());
        assert_eq!(read(binary), Ok((1, false)));
        let nothing = read([0x7f, 0xff, 0]).expect_err("it is binary");
        assert!(
            nothing.contains("neither this nor any other line"),
            "{nothing}"
        );
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
