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

pub(super) fn check(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let known = known(root)?;
    for page in PAGES {
        let path = root.join("docs/src/reference").join(page);
        if !path.exists() {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in unshown(&text, &known) {
            wrong.push(format!("docs/src/reference/{page}: {line}"));
        }
    }
    Ok(())
}

/// Names of all tests, and of all scenarios in quotation marks.
fn known(root: &Path) -> Result<BTreeSet<String>> {
    let mut files = Vec::new();
    walk(&root.join("crates"), "rs", &mut files)?;
    let mut known: BTreeSet<String> = scenarios::names()
        .map(|name| format!("\"{name}\""))
        .collect();
    for file in files {
        known.extend(tests(&fs::read_to_string(&file)?).map(str::to_owned));
    }
    Ok(known)
}

/// Names of the functions that stand below `#[test]`.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|below| {
        let (_, name) = below.split_once("fn ")?;
        name.split_once('(').map(|(name, _)| name)
    })
}

/// What stands in the column of names and is not there, and rows without any name.
fn unshown(page: &str, known: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut in_table = false;
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let last = cells.last().copied().unwrap_or_default();
        if !line.starts_with('|') || last == COLUMN {
            in_table = last == COLUMN;
            continue;
        }
        if !in_table || line.starts_with("|---") {
            continue;
        }
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            wrong.push(format!("nothing shows: {}", cells.first().unwrap_or(&line)));
        }
        for name in names {
            if !name.starts_with("cargo xtask ") && !known.contains(name) {
                wrong.push(format!("there is no test or scenario `{name}`"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_and_a_row_without_one_are_told() {
        let known = BTreeSet::from(["it_works".to_owned(), "\"recover: all\"".to_owned()]);
        let page = |last: &str| {
            format!("| Pain | What | Shown by |\n|---|---|---|\n| [one](x) | `done` | {last} |\n")
        };
        let good = "stand-in: `it_works`, `\"recover: all\"`, `cargo xtask bench recover`";
        assert_eq!(unshown(&page(good), &known), Vec::<String>::new());
        let gone = unshown(&page("`it_worked`"), &known);
        assert_eq!(gone, ["there is no test or scenario `it_worked`"]);
        assert_eq!(
            unshown(&page("nobody"), &known),
            ["nothing shows: [one](x)"]
        );
        let other = page("nobody").replace("Shown by", "Why");
        assert_eq!(unshown(&other, &known), Vec::<String>::new());
    }

    #[test]
    fn only_tests_count_as_tests() {
        let text = "fn helper() {}\n#[test]\nfn one() {}\n\n#[test]\n#[cfg(unix)]\nfn two() { fn inner() {} }";
        assert_eq!(tests(text).collect::<Vec<_>>(), ["one", "two"]);
    }
}
