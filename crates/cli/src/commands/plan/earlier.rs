//! The earlier plan that a plan is compared with: a file, or the journal of the newest recovery.

use std::path::Path;
use std::sync::Arc;

use refloat_core::plan::document_of;
use refloat_core::run::{Progress, RunKind, RunPlan};
use refloat_vault::store::RunJournal;
use serde_json::Value;

use crate::failure::Failure;
use crate::recovery::Prepared;
use crate::seat::{Access, vault_failure, writer_name};

/// A plan is text; a bigger file is something else.
const BYTES_MAX: u64 = 4 << 30;

/// Where the earlier plan is.
pub(super) enum Earlier {
    /// It was read from a file.
    File(Value),
    /// It is in a journal.
    Previous,
}

impl Earlier {
    /// What `--diff` names; a file is read at once.
    pub(super) fn of(named: Option<&str>) -> Result<Option<Self>, Failure> {
        match named {
            None => Ok(None),
            Some("previous") => Ok(Some(Self::Previous)),
            Some(path) => Ok(Some(Self::File(read(Path::new(path))?))),
        }
    }

    /// The earlier plan as a document.
    pub(super) async fn read(self, access: &Access, prepared: &Prepared) -> Result<Value, Failure> {
        match self {
            Self::File(value) => Ok(value),
            Self::Previous => {
                let plan = previous(access, &prepared.planned.plan).await?;
                Ok(document_of(&plan, &prepared.around.seal_key))
            }
        }
    }
}

fn read(path: &Path) -> Result<Value, Failure> {
    let wrong = |message: String| {
        Failure::refuse(
            "plan-file",
            format!("{}: {message}", path.display()),
            "give a file that `refloat plan -o json` has written",
        )
    };
    let metadata = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    if metadata.len() > BYTES_MAX {
        return Err(wrong("it is too big for a plan".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no JSON: {error}")))
}

/// The plan of the newest recovery of this protection to this site, finished or not.
async fn previous(access: &Access, plan: &RunPlan) -> Result<Arc<RunPlan>, Failure> {
    let runs = access.vault.runs().await;
    let mut newest = None;
    for run in runs.map_err(|error| vault_failure(&error))? {
        if !run.as_str().starts_with("restore-") {
            continue;
        }
        let journal = RunJournal::open(&access.vault, &run, &writer_name()).await;
        let journal = journal.map_err(|error| vault_failure(&error))?;
        let Some(earlier) = journal.plan() else {
            continue;
        };
        let ours = earlier.kind == RunKind::Restore
            && earlier.protection == plan.protection
            && earlier.site == plan.site;
        let started = Progress::of(journal.records()).started();
        if ours && newest.as_ref().is_none_or(|(at, _)| *at < started) {
            newest = Some((started, earlier.clone()));
        }
    }
    newest.map(|(_, plan)| plan).ok_or_else(|| {
        Failure::refuse(
            "plan-previous",
            format!(
                "protection `{}` was never recovered to site {}: there is no plan to compare with",
                plan.protection, plan.site
            ),
            "save a plan with `refloat plan -o json > FILE`, then give `--diff FILE`",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn code(path: &Path) -> String {
        let failure = read(path).expect_err("it is no plan");
        failure.problems[0].code.clone()
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plan.json");
        assert_eq!(code(&file), "file", "it is not there");
        assert_eq!(code(directory.path()), "file", "a directory");
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "digraph plan {",
            "{\"plan\": ",
            "\u{0}\u{1}",
            deep.as_str(),
        ] {
            fs::write(&file, text).unwrap();
            let failure = read(&file).expect_err("it is no JSON");
            assert_eq!(failure.problems[0].code, "plan-file");
            assert!(failure.problems[0].message.contains("plan.json"));
        }
        fs::write(&file, "{}").unwrap();
        assert_eq!(read(&file).unwrap(), serde_json::json!({}));
    }
}
