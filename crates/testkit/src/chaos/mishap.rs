//! What may go wrong around a deed, which pairs are possible, and the words with which the world's hands tell of it.

use std::fmt;

use refloat_core::driver::{Class, Problem};

use super::deed::Deed;

/// Something that goes wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// The engine dies before the effect reaches the world.
    DiesBefore,
    /// The engine dies after the effect, before it knows.
    DiesAfter,
    /// The effect happens, its reply is lost or comes too late.
    ReplyLost,
    /// The server says 500 or 503 and has done it all the same.
    ErrorAfter,
    /// The server says 500 or 503 and has done nothing; for the vault: it does not answer.
    ErrorBefore,
    /// The call never reaches the server.
    Unreachable,
    /// 429.
    Throttled,
    /// 409.
    Conflict,
    /// 403: a person must act.
    Refused,
    /// The engine dies before the entry that announces it is written.
    EntryLost,
    /// The entry is written, but the engine does not learn it.
    EntryUnknown,
    /// The journal's store does not answer for a while.
    JournalDown,
    /// Another engine takes the journal over just before the entry.
    TakenOver,
    /// Another engine takes the run over and brings it to its end while this one sleeps between its entry and its effect.
    Overtaken,
    /// Reads after it are refused for a few turns.
    ReadsRefused,
    /// Lists after it are answered with 410 for a few turns.
    ReadsExpired,
    /// Reads after it are answered from a cache that lacks what others did since.
    ReadsStale,
    /// No read is answered any more until the engine stops.
    Deaf,
    /// Reads hang for a while.
    ReadsHang,
    /// The clock jumps forward.
    ClockForward,
    /// The clock jumps backward.
    ClockBackward,
    /// The user interrupts.
    Interrupted,
    /// Somebody else has created the object just before.
    ForeignExists,
    /// An older attempt of this very recovery has written another content.
    ForeignOlder,
    /// Somebody else deletes the object before the engine learns that it was created: the reply is lost, and it must look. (A deletion
    /// after that is one after the step: nobody promises anything.)
    ForeignDeletes,
    /// Somebody else labels the object just after.
    ForeignChanges,
    /// The engine dies at a word to or from a session.
    DiesAtWord,
    /// A session's command ends instead of answering.
    SessionExits,
    /// A session does not answer.
    SessionSilent,
    /// A session's stream breaks.
    SessionBreaks,
    /// A session's stream breaks after its answer.
    SessionBreaksAfter,
    /// It breaks and what it froze stays frozen.
    SessionStaysHeld,
    /// A session never opens.
    SessionUnopened,
    /// The storage does not cut for a while.
    CutFails,
    /// Movers fail until the engine has stopped.
    MoverFails,
    /// A database does not answer until the engine has stopped.
    DatabaseDown,
}

impl Mishap {
    /// All, in the order of the table.
    pub const ALL: [Self; 36] = [
        Self::DiesBefore,
        Self::DiesAfter,
        Self::ReplyLost,
        Self::ErrorAfter,
        Self::ErrorBefore,
        Self::Unreachable,
        Self::Throttled,
        Self::Conflict,
        Self::Refused,
        Self::EntryLost,
        Self::EntryUnknown,
        Self::JournalDown,
        Self::TakenOver,
        Self::Overtaken,
        Self::ReadsRefused,
        Self::ReadsExpired,
        Self::ReadsStale,
        Self::Deaf,
        Self::ReadsHang,
        Self::ClockForward,
        Self::ClockBackward,
        Self::Interrupted,
        Self::ForeignExists,
        Self::ForeignOlder,
        Self::ForeignDeletes,
        Self::ForeignChanges,
        Self::DiesAtWord,
        Self::SessionExits,
        Self::SessionSilent,
        Self::SessionBreaks,
        Self::SessionBreaksAfter,
        Self::SessionStaysHeld,
        Self::SessionUnopened,
        Self::CutFails,
        Self::MoverFails,
        Self::DatabaseDown,
    ];

    /// True for what happens at the journal entry instead of at the effect.
    pub fn is_at_entry(self) -> bool {
        matches!(
            self,
            Self::EntryLost | Self::EntryUnknown | Self::JournalDown | Self::TakenOver
        )
    }

    /// True for what happens to a session.
    pub fn is_of_session(self) -> bool {
        matches!(
            self,
            Self::SessionExits
                | Self::SessionSilent
                | Self::SessionBreaks
                | Self::SessionBreaksAfter
                | Self::SessionStaysHeld
                | Self::SessionUnopened
        )
    }

    /// Whether this can go wrong with this deed at all.
    pub fn is_possible(self, deed: Deed) -> bool {
        if self.is_at_entry() {
            return true;
        }
        if deed == Deed::Note {
            return false;
        }
        if self.is_of_session() {
            return deed == Deed::Capture;
        }
        let call = !matches!(deed, Deed::Capture | Deed::StoreObjects | Deed::Seal);
        match self {
            Self::ReplyLost | Self::ErrorBefore | Self::Refused => deed != Deed::Capture,
            Self::Unreachable | Self::Throttled | Self::Overtaken => call,
            Self::ErrorAfter | Self::Conflict => call && deed != Deed::Exec,
            Self::ForeignExists | Self::ForeignOlder => {
                matches!(deed, Deed::CreateWorkload | Deed::CreateOther)
            }
            Self::ForeignDeletes | Self::ForeignChanges => deed == Deed::CreateOther,
            Self::DiesAtWord | Self::CutFails => deed == Deed::Capture,
            Self::MoverFails => deed == Deed::CreateJob,
            Self::DatabaseDown => deed == Deed::CreateWorkload,
            _ => true,
        }
    }

    /// What the hands say of an effect to which this happened; the words are those of the world and of the vault.
    pub fn problem(self, deed: Deed, what: &str) -> Problem {
        let retry = |code: &str, message: String| {
            Problem::of(Class::Retry, code, message, "simulated: it may pass")
        };
        let of_vault = matches!(deed, Deed::StoreObjects | Deed::Seal);
        match self {
            Self::ReplyLost if of_vault => retry(
                "vault-unreachable",
                format!("{what}: the store's answer was lost"),
            ),
            Self::ReplyLost => retry(
                "reply-lost",
                format!("{what}: the reply was lost, it may or may not have happened"),
            ),
            Self::ErrorBefore if of_vault => retry(
                "vault-unreachable",
                format!("{what}: the store does not answer"),
            ),
            Self::ErrorBefore if deed == Deed::Exec => {
                retry("command-not-started", format!("{what}: not started"))
            }
            Self::Throttled => retry("throttled", format!("{what}: too many requests")),
            Self::Conflict => retry("conflict", format!("{what}: the object has been modified")),
            Self::Unreachable => retry("unreachable", format!("{what}: no route to host")),
            Self::Refused if of_vault => Problem::stuck(
                "vault-credentials",
                format!("{what}: the store refuses the credentials"),
                "simulated: renew them",
            ),
            Self::Refused => Problem::stuck(
                "forbidden",
                format!("{what}: not allowed"),
                "simulated: grant it",
            ),
            _ => retry(
                "server-error",
                format!("{what}: etcdserver: leader changed"),
            ),
        }
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::DiesBefore => "dies before",
            Self::DiesAfter => "dies after",
            Self::ReplyLost => "reply lost",
            Self::ErrorAfter => "500, but done",
            Self::ErrorBefore => "500",
            Self::Unreachable => "unreachable",
            Self::Throttled => "429",
            Self::Conflict => "409",
            Self::Refused => "403",
            Self::EntryLost => "dies at entry",
            Self::EntryUnknown => "entry unknown",
            Self::JournalDown => "journal down",
            Self::TakenOver => "taken over",
            Self::Overtaken => "overtaken",
            Self::ReadsRefused => "reads refused",
            Self::ReadsExpired => "reads: 410",
            Self::ReadsStale => "stale reads",
            Self::Deaf => "deaf",
            Self::ReadsHang => "reads hang",
            Self::ClockForward => "clock forward",
            Self::ClockBackward => "clock backward",
            Self::Interrupted => "interrupted",
            Self::ForeignExists => "foreign exists",
            Self::ForeignOlder => "older of ours",
            Self::ForeignDeletes => "foreign deletes",
            Self::ForeignChanges => "foreign labels",
            Self::DiesAtWord => "dies at word",
            Self::SessionExits => "session exits",
            Self::SessionSilent => "session silent",
            Self::SessionBreaks => "session breaks",
            Self::SessionBreaksAfter => "breaks after",
            Self::SessionStaysHeld => "stays held",
            Self::SessionUnopened => "not opened",
            Self::CutFails => "no cut",
            Self::MoverFails => "mover fails",
            Self::DatabaseDown => "database down",
        })
    }
}
