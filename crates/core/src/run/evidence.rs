//! What is said of a recovery's source. Made by who asks for a recovery.

/// Why the source cannot write any more.
#[derive(Debug, Clone, PartialEq, Eq)]
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
