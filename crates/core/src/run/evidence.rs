//! What was said of a recovery's source. A part of the journal: fields are only ever added.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Record;

/// Why the source cannot write any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "said")]
pub enum Evidence {
    /// A person says that it is dead, and why.
    SourceDead {
        /// In the person's words; recorded.
        reason: String,
    },
    /// It was looked at and runs nothing.
    SourceStopped {
        /// What was seen.
        proof: String,
    },
    /// The copy will not meet users or the source's peers.
    Isolated,
}

impl Evidence {
    /// What a person should know of it: nobody has seen what a word says.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::SourceDead { reason } => Some(format!(
                "nobody has fenced the source; it is taken for dead: {reason}"
            )),
            Self::SourceStopped { .. } | Self::Isolated => None,
        }
    }
}

/// What was said last, and when; nothing when no evidence was needed, or an older Refloat wrote the journal.
pub fn said_last(records: &[Record]) -> Option<(Timestamp, &Evidence)> {
    records.iter().rev().find_map(|record| match record {
        Record::Started { at, evidence, .. } | Record::Resumed { at, evidence, .. } => {
            Some((*at, evidence.as_ref()?))
        }
        Record::Began { .. }
        | Record::Intent { .. }
        | Record::MustRelease { .. }
        | Record::Kept { .. }
        | Record::Created { .. }
        | Record::Done { .. }
        | Record::Stuck { .. }
        | Record::Failing { .. }
        | Record::Until { .. }
        | Record::Paused { .. }
        | Record::Ended { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_last_counts_and_silence_takes_nothing_back() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let resumed = |second, evidence| Record::Resumed {
            at: at(second),
            why: "resume".to_owned(),
            evidence,
        };
        let dead = Evidence::SourceDead {
            reason: "fire".to_owned(),
        };
        assert_eq!(said_last(&[]), None);
        assert_eq!(said_last(&[resumed(1, None)]), None);
        let mut records = vec![resumed(1, Some(dead.clone())), resumed(2, None)];
        assert_eq!(said_last(&records), Some((at(1), &dead)));
        records.push(resumed(3, Some(Evidence::Isolated)));
        assert_eq!(said_last(&records), Some((at(3), &Evidence::Isolated)));
    }
}
