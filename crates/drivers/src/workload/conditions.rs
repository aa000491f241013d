//! The conditions of a mode, as sentences: what holds, and what stands against it.

use refloat_core::backup::Mode;
use refloat_core::driver::{Problem, Task};
use serde_json::Value;

/// What holds and what does not, a line each.
#[derive(Default)]
pub(crate) struct Conditions {
    pub(crate) held: Vec<String>,
    pub(crate) broken: Vec<String>,
}

impl Conditions {
    pub(crate) fn add(&mut self, holds: bool, good: String, bad: String) {
        if holds {
            self.held.push(good);
        } else {
            self.broken.push(bad);
        }
    }

    /// That this volume is cut at one moment, by the settings of its claim.
    pub(crate) fn one_moment(&mut self, volume: &Value) {
        let setting = |key: &str| {
            volume
                .pointer("/settings")
                .and_then(|all| all.get(key))
                .and_then(Value::as_str)
                .unwrap_or("unknown")
        };
        let driver = setting("csi_driver");
        self.add(
            setting("atomic") == "true",
            format!("CSI driver {driver} cuts a volume at one moment"),
            format!("CSI driver {driver} is not known to cut a volume at one moment"),
        );
    }

    /// What is stored in the point: what holds, and after it what does not.
    pub(crate) fn evidence(self) -> Vec<String> {
        let broken = self.broken.into_iter().map(|one| format!("not: {one}"));
        self.held.into_iter().chain(broken).collect()
    }
}

/// Refuses a mode that is weaker than the protection allows, and says why it is no better.
pub(crate) fn strong_enough(task: &Task<'_>, mode: Mode, reasons: &str) -> Result<(), Problem> {
    let minimum = task
        .inputs
        .get("minimum_mode")
        .and_then(|mode| serde_json::from_value(mode.clone()).ok())
        .unwrap_or(Mode::AtomicVolume);
    if mode >= minimum {
        return Ok(());
    }
    Err(Problem::stuck(
        "mode-too-weak",
        format!(
            "{}: its copy can only be `{}`, the protection asks for `{}`: {reasons}",
            task.claim.thing,
            mode.as_str(),
            minimum.as_str()
        ),
        if mode == Mode::AtomicVolume {
            "ask for `minimumMode: atomic-volume`: it promises as much for one volume"
        } else {
            "mend what stands against it, or allow it with `minimumMode: crash`"
        },
    ))
}
