//! `cargo xtask tidy`: the walls, sizes and names of the house, held from the first day.

mod pains;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::printer::say;
use crate::refloat::cargo;

/// Which crates of ours a crate may use, and why no others: see ARCHITECTURE.md.
const WALLS: &[(&str, &[&str])] = &[
    ("refloat-api", &[]),
    ("refloat-core", &[]),
    ("refloat-drivers", &["refloat-core"]),
    ("refloat-vault", &["refloat-core"]),
    ("refloat-mover", &[]),
    ("refloat-world", &["refloat-core"]),
    // `refloat-world` only for the binary that runs the simulated server's checks against a real one.
    (
        "refloat-testkit",
        &["refloat-core", "refloat-drivers", "refloat-world"],
    ),
    (
        "refloat-cli",
        &[
            "refloat-api",
            "refloat-core",
            "refloat-drivers",
            "refloat-vault",
            "refloat-mover",
            "refloat-world",
        ],
    ),
    ("refloat-xtask", &["refloat-api", "refloat-drivers"]),
];

/// Crates that decide and so must run in simulation: nothing that reads a clock, waits, draws lots or does I/O.
const PURE: &[&str] = &["refloat-core", "refloat-drivers", "refloat-api"];
const IMPURE: &[&str] = &[
    "tokio",
    "kube-client",
    "object_store",
    "reqwest",
    "rand",
    "getrandom",
    "tempfile",
    "nix",
    "libc",
    "async-std",
];

const LINES_MAX: usize = 400;
/// Files that were longer when the fence was built. None may grow; take out what has shrunk.
const OVERSIZE: &[(&str, usize)] = &[];

const FORBIDDEN_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "misc", "manager", "v2",
];

pub(crate) fn run() -> Result<ExitCode> {
    let wrong = check(Path::new("."))?;
    for line in &wrong {
        say(line);
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Everything that is not as it should be, a line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    walls(root, &mut wrong)?;
    let mut files = Vec::new();
    walk(&root.join("crates"), "rs", &mut files)?;
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root)?.display().to_string();
        source_file(&name, file, &text, &mut wrong);
    }
    declared(&files, &mut wrong)?;
    map(root, &mut wrong)?;
    links(root, &mut wrong)?;
    bans(root, &mut wrong)?;
    go_format(root, &mut wrong)?;
    pains::check(root, &mut wrong)?;
    Ok(wrong)
}

fn walk(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| directory.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, extension, found)?;
        } else if path.extension().is_some_and(|one| one == extension) {
            found.push(path);
        }
    }
    Ok(())
}

/// Dependencies against the table.
fn walls(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let printed = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot start cargo")?;
    let metadata: Value =
        serde_json::from_slice(&printed.stdout).context("cargo printed no metadata")?;
    let table: BTreeMap<&str, &[&str]> = WALLS.iter().copied().collect();
    for package in metadata
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = package
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(allowed) = table.get(name) else {
            wrong.push(format!(
                "{name} is not in the table of walls: a new crate needs a decision record"
            ));
            continue;
        };
        let dependencies = package.get("dependencies").and_then(Value::as_array);
        for dependency in dependencies.into_iter().flatten() {
            let text = |key: &str| {
                dependency
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (on, development) = (text("name"), text("kind") == "dev");
            if on.starts_with("refloat-") && !development && !allowed.contains(&on) {
                wrong.push(format!("{name} may not depend on {on}"));
            }
            if PURE.contains(&name) && !development && IMPURE.contains(&on) {
                wrong.push(format!("{name} is pure and may not depend on {on}"));
            }
        }
    }
    Ok(())
}

fn is_test(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/") || name.contains("/examples/")
}

fn source_file(name: &str, path: &Path, text: &str, wrong: &mut Vec<String>) {
    let lines = text.lines().count();
    let limit = OVERSIZE
        .iter()
        .find(|(file, _)| *file == name)
        .map_or(LINES_MAX, |(_, lines)| *lines);
    if lines > limit && !is_test(name) {
        wrong.push(format!("{name} has {lines} lines, more than {limit}"));
    }
    if limit > LINES_MAX && lines <= LINES_MAX {
        wrong.push(format!(
            "{name} has shrunk: take it out of the list of oversize files"
        ));
    }
    if !text.starts_with("//!") && !text.trim().is_empty() {
        wrong.push(format!(
            "{name} does not begin with `//!`: what it holds, what it must not hold, who calls it"
        ));
    }
    if text.trim().is_empty() {
        wrong.push(format!("{name} is empty"));
    }
    let parts = path.iter().filter_map(|part| part.to_str());
    for part in parts.map(|part| part.trim_end_matches(".rs")) {
        if FORBIDDEN_NAMES.contains(&part) {
            wrong.push(format!(
                "{name}: `{part}` says nothing about what is inside"
            ));
        }
    }
}

/// Every source file is declared by its parent, so that none is forgotten.
fn declared(files: &[PathBuf], wrong: &mut Vec<String>) -> Result<()> {
    let known: BTreeSet<&PathBuf> = files.iter().collect();
    for file in files {
        let stem = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let Some(directory) = file.parent() else {
            continue;
        };
        let alone = ["examples", "src/bin"].iter();
        let is_root = matches!(stem, "lib" | "main" | "build")
            || alone.into_iter().any(|one| directory.ends_with(one));
        if is_root {
            continue;
        }
        let (module, above) = if stem == "mod" {
            let name = directory
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            (name, directory.parent().unwrap_or(directory))
        } else {
            (stem, directory)
        };
        let beside = above.with_extension("rs");
        let parents = [
            above.join("mod.rs"),
            above.join("lib.rs"),
            above.join("main.rs"),
            beside,
        ];
        let mut found = false;
        for parent in parents.iter().filter(|parent| known.contains(parent)) {
            let text = fs::read_to_string(parent)?;
            found |= text.lines().any(|line| {
                let line = line.trim_start();
                let seen_from = line.strip_prefix("pub(").and_then(|it| it.split_once(") "));
                let line = match seen_from {
                    Some((_, line)) => line,
                    None => line.strip_prefix("pub ").unwrap_or(line),
                };
                line == format!("mod {module};")
            });
        }
        if !found {
            wrong.push(format!(
                "{} is declared nowhere: it is not compiled, its tests do not run",
                file.display()
            ));
        }
    }
    Ok(())
}

/// ARCHITECTURE.md is short and names only what is there.
fn map(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    if text.lines().count() > 250 {
        wrong.push("ARCHITECTURE.md has more than 250 lines".to_owned());
    }
    for (index, quoted) in text.split('`').enumerate() {
        let is_path = index % 2 == 1
            && ["crates/", "testbed/", "docs/", "deploy/"]
                .iter()
                .any(|start| quoted.starts_with(start))
            && !quoted.contains(['<', '*', ' ', '{']);
        if is_path && !root.join(quoted).exists() {
            wrong.push(format!(
                "ARCHITECTURE.md names `{quoted}`, which is not there"
            ));
        }
    }
    for entry in fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !text.contains(&format!("crates/{name}")) {
            wrong.push(format!("ARCHITECTURE.md does not name crates/{name}"));
        }
    }
    Ok(())
}

/// Relative links in pages lead somewhere.
fn links(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let mut pages = Vec::new();
    walk(&root.join("docs"), "md", &mut pages)?;
    for page in ["README.md", "ARCHITECTURE.md", "STYLE.md", "CHANGELOG.md"] {
        pages.push(root.join(page));
    }
    for page in pages {
        let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap_or_default();
            let target = link.split('#').next().unwrap_or_default();
            let outside =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            let there = page
                .parent()
                .is_some_and(|directory| directory.join(target).exists());
            if !outside && !there {
                wrong.push(format!(
                    "{}: the link to {link} leads nowhere",
                    page.display()
                ));
            }
        }
    }
    Ok(())
}

/// Go sources as gofmt writes them.
fn go_format(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let printed = Command::new("gofmt")
        .args(["-l", "testbed"])
        .current_dir(root)
        .output()
        .context("cannot start gofmt: it comes with Go")?;
    for name in String::from_utf8_lossy(&printed.stdout).lines() {
        wrong.push(format!("{name} is not formatted: run gofmt -w"));
    }
    Ok(())
}

/// The nearest clippy.toml wins and is not merged: those of the pure crates repeat what the root says.
fn bans(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let common = fs::read_to_string(root.join("clippy.toml"))?;
    for name in ["core", "drivers"] {
        let path = root.join("crates").join(name).join("clippy.toml");
        let own = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in common.lines().filter(|line| !line.trim().is_empty()) {
            if !own.contains(line) {
                wrong.push(format!("{} lacks `{line}` of the root", path.display()));
            }
        }
        if !own.contains("disallowed-methods") {
            wrong.push(format!("{} bans no clocks and no I/O", path.display()));
        }
    }
    Ok(())
}
