//! What of a point is wanted, as a user says it, and after which phase to pause.

use clap::Args;
use refloat_core::plan::{NewName, Selection, What};
use refloat_core::run::{Phase, RECOVERY_PHASES};

/// What of the point.
#[derive(Debug, Args)]
pub(super) struct SelectionArguments {
    /// Only this, and again for more: `pvc/data-0`, `deployment/shop/web`, `kind:Secret`, `phase:databases`, `label:app=web`, `namespace:shop`
    #[arg(long, value_name = "WHAT")]
    only: Vec<What>,
    /// All but this, and again for more; written as for `--only`
    #[arg(long, value_name = "WHAT")]
    skip: Vec<What>,
    /// With all that is needed by what `--only` names and is not at the target
    #[arg(long, requires = "only")]
    with_needs: bool,
    /// Another name for the one volume or object that `--only` names
    #[arg(long = "as", value_name = "NAME", requires = "only")]
    new_name: Option<NewName>,
}

impl SelectionArguments {
    pub(super) fn selection(&self) -> Selection {
        Selection {
            only: self.only.clone(),
            skip: self.skip.clone(),
            with_needs: self.with_needs,
            renamed: self.new_name.clone(),
        }
    }
}

/// A phase of a recovery by its name.
pub(super) fn phase(name: &str) -> Result<Phase, String> {
    Phase::of_recovery(name).ok_or_else(|| {
        let known: Vec<&str> = RECOVERY_PHASES.iter().map(|(name, _)| *name).collect();
        format!("one of {}", known.join(", "))
    })
}
