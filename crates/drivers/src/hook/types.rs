//! The words of a hook, as the claim carries them from annotations to the hold.

use std::collections::BTreeMap;

use refloat_core::driver::{Problem, Task};

use crate::workload;

/// How a workload is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// Prints a line when it holds, lets go at the end of its input.
    Hold(Vec<String>),
    /// Outlives its client.
    Freeze {
        freeze: Vec<String>,
        thaw: Vec<String>,
    },
}

/// Words of one command: a JSON list, as in the annotation.
fn words(name: &str, text: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = serde_json::from_str(text).map_err(|_| {
        format!("`{name}` is no JSON list of words, like `[\"sh\", \"-c\", \"…\"]`: {text}")
    })?;
    if words.first().is_none_or(String::is_empty) {
        return Err(format!("`{name}` names no program"));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(format!("`{name}` has a zero byte in it"));
    }
    Ok(words)
}

impl Words {
    /// From settings `hold`, or `freeze` and `thaw`.
    pub(super) fn of(settings: &BTreeMap<String, String>) -> Result<Self, String> {
        let text = |key: &str| settings.get(key).map(String::as_str);
        match (text("hold"), text("freeze"), text("thaw")) {
            (Some(hold), None, None) => Ok(Self::Hold(words("hold", hold)?)),
            (None, Some(freeze), Some(thaw)) => Ok(Self::Freeze {
                freeze: words("freeze", freeze)?,
                thaw: words("thaw", thaw)?,
            }),
            (None, Some(_), None) => Err("`freeze` needs a `thaw`".to_owned()),
            (None, None, Some(_)) => Err("`thaw` needs a `freeze`".to_owned()),
            (Some(_), ..) => Err("it is either `hold`, or `freeze` and `thaw`".to_owned()),
            (None, None, None) => Err("it has neither `hold` nor `freeze` and `thaw`".to_owned()),
        }
    }

    pub(super) fn of_task(task: &Task<'_>) -> Result<Self, Problem> {
        Self::of(&task.claim.settings).map_err(|why| {
            Problem::stuck(
                "hook-malformed",
                format!("the hook of {}: {why}", workload::id(task)),
                "correct `capture.hooks` in the protection, or the workload's annotations `refloat.io/hold-command`, `refloat.io/freeze-command`, `refloat.io/thaw-command`",
            )
        })
    }
}

/// A word as the shell reads it back unchanged.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words as a command line of the shell.
pub(super) fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}
