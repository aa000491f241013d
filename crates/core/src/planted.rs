//! Bugs that can be planted, to measure whether the simulation finds them. Without the feature `planted-bugs` there is no
//! switch: `is` is a constant `false`, and no product is built with it (the CLI refuses to compile).
//!
//! Each is a realistic slip at the place where it could happen, each against another promise. Switched on by `refloat-sim`
//! only, for the thread that runs the simulation.

/// True in a build in which bugs can be planted.
pub const PLANTED_BUGS: bool = cfg!(feature = "planted-bugs");

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// Records are written after the effects that they announce.
    JournalAfterActing,
    /// The last edge of a step is not looked at.
    EdgeForgotten,
    /// A Deployment counts as ready when it is there.
    GateIgnoresReadiness,
    /// The filled claim is deleted before its volume was made to stay.
    ClaimBeforeRetain,
    /// A cut that fails ends the capture without closing its sessions.
    HoldOutlivesFailedCut,
    /// What must be released is not written down before it is frozen.
    ReleaseNotJournaled,
    /// Steps that are stuck stay so when the run is resumed.
    ResumeForgetsStuck,
    /// An object that is there already is taken for ours, whoever wrote it.
    ForeignTakenForOurs,
    /// Waits have no limit.
    WaitWithoutLimit,
    /// A command that may not be repeated is repeated when its reply was lost.
    NeverIsRepeated,
    /// The engine goes on although another one has taken its journal over.
    GoesOnAfterTakenOver,
    /// The point is sealed before all its parts are in the vault.
    SealsBeforeParts,
    /// What is watched is only looked at again when the watch says so.
    TrustsWatches,
    /// An update takes away what only the live object has.
    UpdateForgetsTheirs,
    /// A namespace that comes back under another name is not followed where something refers to it.
    ReferenceNotMapped,
    /// A rollback takes a namespace away with what others have in it, and a claim that they mount.
    RollbackTakesOthers,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::JournalAfterActing,
        Self::EdgeForgotten,
        Self::GateIgnoresReadiness,
        Self::ClaimBeforeRetain,
        Self::HoldOutlivesFailedCut,
        Self::ReleaseNotJournaled,
        Self::ResumeForgetsStuck,
        Self::ForeignTakenForOurs,
        Self::WaitWithoutLimit,
        Self::NeverIsRepeated,
        Self::GoesOnAfterTakenOver,
        Self::SealsBeforeParts,
        Self::TrustsWatches,
        Self::UpdateForgetsTheirs,
        Self::ReferenceNotMapped,
        Self::RollbackTakesOthers,
    ];
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug for this thread, or none.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// True when this bug is planted in this thread.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Never true: this build has no bugs that can be planted.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}
