//! Names that have rules, and the labels and annotations that mark what is ours. No behaviour beyond checking them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Namespace that holds movers and re-exposed snapshots.
pub const SYSTEM_NAMESPACE: &str = "refloat-system";
/// Field manager under which Refloat writes what is its own.
pub const FIELD_MANAGER: &str = "refloat";
/// Label: the run that made an object of ours.
pub const LABEL_RUN: &str = "refloat.io/run";
/// Label: the step of that run.
pub const LABEL_STEP: &str = "refloat.io/step";
/// Annotation on a recovered object: the recovery that wrote it.
pub const ANNOTATION_RECOVERY: &str = "refloat.io/recovery";
/// Annotation on a recovered object: digest of what was written.
pub const ANNOTATION_DIGEST: &str = "refloat.io/digest";
/// Annotation on a custom resource: `restore` brings its status back too, for an operator that takes its memory from there.
pub const ANNOTATION_STATUS: &str = "refloat.io/status";
/// The one word that it can say.
pub const STATUS_RESTORE: &str = "restore";
/// Annotation on an object that was there before: the recovery that gave it the content of its point.
pub const ANNOTATION_UPDATED: &str = "refloat.io/updated";
/// Annotation on a volume that is handed over: the reclaim policy to put back.
pub const ANNOTATION_RECLAIM_POLICY: &str = "refloat.io/reclaim-policy";
/// Annotation on a workload: a command (a JSON list of words) that prints a line once it holds the application, and lets
/// go at the end of its input.
pub const ANNOTATION_HOLD: &str = "refloat.io/hold-command";
/// Annotation on a workload: a command that freezes the application and ends; what it did outlives it.
pub const ANNOTATION_FREEZE: &str = "refloat.io/freeze-command";
/// Annotation on a workload: the command that undoes `refloat.io/freeze-command`.
pub const ANNOTATION_THAW: &str = "refloat.io/thaw-command";
/// Annotation on a workload: container in which these commands run.
pub const ANNOTATION_HOLD_CONTAINER: &str = "refloat.io/hold-container";

/// Annotation on any object: what comes back before it, as `Kind/name` or `Kind/namespace/name`, separated by commas.
pub const ANNOTATION_AFTER: &str = "refloat.io/after";
/// Annotation on any object: what it does not wait for although it looks so, in the same words.
pub const ANNOTATION_NOT_AFTER: &str = "refloat.io/not-after";

/// A name breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is no valid {kind}: use 1 to 50 lower-case letters, digits and `-`, starting and ending with a letter or digit"
)]
pub struct NameError {
    /// What was being named.
    pub kind: &'static str,
    /// The text that broke the rules.
    pub name: String,
}

fn check(kind: &'static str, name: &str) -> Result<(), NameError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = !name.is_empty()
        && name.len() <= 50
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if good {
        Ok(())
    } else {
        Err(NameError {
            kind,
            name: name.to_owned(),
        })
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks the text against the rules (RFC 1123 label, at most 50 characters).
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                check($kind, &name)?;
                Ok(Self(name))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

checked_name!(
    /// A cluster with a name.
    SiteName, "site name"
);
checked_name!(
    /// What is protected and how: its name.
    ProtectionName, "protection name"
);
checked_name!(
    /// One backup attempt or one recovery, for ever.
    RunId, "run id"
);

/// Name of the objects that a run makes for one part: deterministic, so that doing it twice is doing it once.
pub fn part_object_name(run: &RunId, part: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = hex::encode(Sha256::digest(part.as_bytes()));
    format!("refloat-{run}-{}", &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_label_rules() {
        for good in ["a", "shop", "eu-1", "0"] {
            assert!(SiteName::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(51);
        for bad in [
            "",
            "-a",
            "a-",
            "Shop",
            "a.b",
            "a/b",
            "..",
            "a b",
            long.as_str(),
        ] {
            assert!(SiteName::new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<SiteName>("\"../x\"").is_err());
    }
}
