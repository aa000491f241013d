//! The pages about pains of others name tests and scenarios: each of them is there. Called by `tidy`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::walk;
use crate::scenarios;

/// Pages whose tables' last column names what shows that a pain is not felt here.
const PAGES: &[&str] = &["pains.md", "pains-objects.md"];
/// The column of names, by its heading.
const COLUMN: &str = "Shown by";
/// The column of names of tests that fail by the pain, and are expected to.
const FAILING: &str = "Fails in";
/// So many pains may be felt here.
const UNSOLVED_MAX: usize = 5;

pub(super) fn check(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let known = known(root)?;
    let mut unsolved = 0;
    for page in PAGES {
        let path = root.join("docs/src/reference").join(page);
        if !path.exists() {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in unshown(&text, &known, &mut unsolved) {
            wrong.push(format!("docs/src/reference/{page}: {line}"));
        }
    }
    if unsolved > UNSOLVED_MAX {
        wrong.push(format!(
            "{unsolved} pains are not solved; {UNSOLVED_MAX} may be"
        ));
    }
    Ok(())
}

/// What may be named.
#[derive(Debug, Default)]
struct Known {
    /// Names of all tests, and of all scenarios in quotation marks.
    all: BTreeSet<String>,
    /// Those of tests that are expected to fail.
    failing: BTreeSet<String>,
}

fn known(root: &Path) -> Result<Known> {
    let mut files = Vec::new();
    walk(&root.join("crates"), "rs", &mut files)?;
    let mut known = Known::default();
    let scenarios = scenarios::names().map(|name| format!("\"{name}\""));
    known.all.extend(scenarios);
    for file in files {
        for (name, fails) in tests(&fs::read_to_string(&file)?) {
            known.all.insert(name.to_owned());
            if fails {
                known.failing.insert(name.to_owned());
            }
        }
    }
    Ok(known)
}

/// Names of the functions that stand below `#[test]`, and whether they are expected to fail.
fn tests(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.split("#[test]\n").skip(1).filter_map(|below| {
        let (attributes, name) = below.split_once("fn ")?;
        let (name, _) = name.split_once('(')?;
        Some((name, attributes.contains("#[should_panic(expected")))
    })
}

/// What stands in the column of names and is not there, and rows without any name. Counts the rows of pains that are felt here.
fn unshown(page: &str, known: &Known, unsolved: &mut usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut heading = None;
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (first, last) = (cells[0], cells[cells.len() - 1]);
        let is_heading = lines.peek().is_some_and(|next| next.starts_with("|---"));
        if !line.starts_with('|') {
            heading = None;
        } else if is_heading {
            heading = Some(last);
        } else if !line.starts_with("|---") {
            match heading {
                Some(heading @ (COLUMN | FAILING)) => {
                    *unsolved += usize::from(heading == FAILING);
                    wrong.extend(unshown_in(first, last, heading, known));
                }
                Some(_) => {}
                None => wrong.push(format!("outside a table: {first}")),
            }
        }
    }
    wrong
}

/// The same of the last cell of one row.
fn unshown_in(first: &str, last: &str, heading: &str, known: &Known) -> Vec<String> {
    let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
    if names.is_empty() {
        return vec![format!("nothing shows: {first}")];
    }
    let wrong = names.into_iter().filter_map(|name| match heading {
        FAILING => (!known.failing.contains(name))
            .then(|| format!("`{name}` is no test that is expected to fail")),
        _ => (!name.starts_with("cargo xtask ") && !known.all.contains(name))
            .then(|| format!("there is no test or scenario `{name}`")),
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        Known {
            all: names(&["it_works", "it_fails", "\"recover: all\""]),
            failing: names(&["it_fails"]),
        }
    }

    fn page(heading: &str, last: &str) -> String {
        format!("| Pain | What | {heading} |\n|---|---|---|\n| [one](x) | `done` | {last} |\n")
    }

    #[test]
    fn a_name_that_is_not_there_and_a_row_without_one_are_told() {
        let unshown = |heading: &str, last: &str| unshown(&page(heading, last), &known(), &mut 0);
        let good = "stand-in: `it_works`, `\"recover: all\"`, `cargo xtask bench recover`";
        assert_eq!(unshown(COLUMN, good), Vec::<String>::new());
        let gone = unshown(COLUMN, "`it_worked`");
        assert_eq!(gone, ["there is no test or scenario `it_worked`"]);
        assert_eq!(unshown(COLUMN, "nobody"), ["nothing shows: [one](x)"]);
        assert_eq!(unshown("Why", "nobody"), Vec::<String>::new());
    }

    #[test]
    fn a_row_that_stands_outside_its_table_is_told() {
        let row = "| [two](x) | `done` | `it_works` |\n";
        let within = format!("{}{row}", page(COLUMN, "`it_works`"));
        assert_eq!(unshown(&within, &known(), &mut 0), Vec::<String>::new());
        let outside = format!("{}\n{row}", page(COLUMN, "`it_works`"));
        let wrong = unshown(&outside, &known(), &mut 0);
        assert_eq!(wrong, ["outside a table: [two](x)"]);
    }

    #[test]
    fn what_is_not_solved_is_counted_and_has_a_test_that_fails_by_it() {
        let mut unsolved = 0;
        let wrong = unshown(&page(FAILING, "`it_fails`"), &known(), &mut unsolved);
        assert_eq!((wrong, unsolved), (Vec::new(), 1));
        let wrong = unshown(&page(FAILING, "`it_works`"), &known(), &mut unsolved);
        assert_eq!(wrong, ["`it_works` is no test that is expected to fail"]);
        assert_eq!(unsolved, 2);
        unshown(&page(COLUMN, "`it_works`"), &known(), &mut unsolved);
        assert_eq!(unsolved, 2);
    }

    #[test]
    fn only_tests_count_as_tests() {
        let text = "fn helper() {}\n#[test]\nfn one() {}\n\n#[test]\n#[cfg(unix)]\nfn two() { fn inner() {} }\n\
                    #[test]\n#[should_panic(expected = \"no\")]\nfn three() {}";
        let found: Vec<_> = tests(text).collect();
        assert_eq!(found, [("one", false), ("two", false), ("three", true)]);
    }
}
