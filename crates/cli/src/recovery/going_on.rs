//! How far a recovery that was begun goes on: what a user says now against what its journal says. Pure; called by `recover`.

use refloat_core::run::{Phase, Progress, RunPlan, passed};

use crate::failure::Failure;

/// How far it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoOn {
    /// As far as was wanted before.
    AsWanted,
    /// Until after this phase, or to its end.
    To(Option<Phase>),
    /// It is paused there already.
    Paused(Phase),
}

/// What the user said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Neither.
    Nothing,
    /// `--until`.
    Until(Phase),
    /// `--continue`.
    Continue,
}

/// How far the recovery goes on, or why it does not.
pub(crate) fn go_on(plan: &RunPlan, progress: &Progress, said: Said) -> Result<GoOn, Failure> {
    match (said, progress.paused()) {
        (Said::Continue, _) => Ok(GoOn::To(None)),
        (Said::Nothing, None) => Ok(GoOn::AsWanted),
        (Said::Nothing, Some(phase)) => Err(Failure::refuse(
            "recovery-paused",
            format!(
                "recovery {} is paused after {}, as was wanted",
                plan.run,
                phase.label()
            ),
            "`--continue` goes on to the end, `--until PHASE` to a later phase",
        )),
        (Said::Until(wanted), paused) => match (passed(plan, progress, wanted), paused) {
            (Some(step), _) => Err(Failure::refuse(
                "phase-passed",
                format!(
                    "recovery {} is past {}: `{}` of {} has begun",
                    plan.run,
                    wanted.label(),
                    step.title,
                    step.phase.label()
                ),
                "name a later phase, or go on to the end with `--continue`",
            )),
            (None, Some(phase)) if wanted <= phase => Ok(GoOn::Paused(phase)),
            (None, _) => Ok(GoOn::To(Some(wanted))),
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use refloat_core::names::{ProtectionName, RunId, SiteName};
    use refloat_core::run::{Needs, Record, RunKind, Step, Work};

    use super::*;

    fn plan() -> RunPlan {
        let step = |id: &str, phase| Step {
            id: id.to_owned(),
            phase,
            title: format!("write {id}"),
            needs: Needs::default(),
            work: Work::SystemNamespace,
            limit_seconds: 60,
            cleanup: false,
        };
        RunPlan {
            kind: RunKind::Restore,
            run: RunId::new("restore-1").expect("a run"),
            protection: ProtectionName::new("shop").expect("a name"),
            site: SiteName::new("b").expect("a site"),
            point: None,
            mover_image: String::new(),
            steps: vec![
                step("db", Phase::Databases),
                step("web", Phase::Applications),
                step("ingress", Phase::Traffic),
            ],
        }
    }

    fn journal(begun: &[&str], paused: Option<Phase>) -> Progress {
        let at = Timestamp::UNIX_EPOCH;
        let mut records: Vec<Record> = begun
            .iter()
            .map(|step| Record::Began {
                at,
                step: (*step).to_owned(),
            })
            .collect();
        let again = Vec::new();
        records.extend(paused.map(|phase| Record::Paused { at, phase, again }));
        Progress::of(&records)
    }

    fn refused(progress: &Progress, said: Said) -> String {
        let failure = go_on(&plan(), progress, said).expect_err("it goes on");
        failure.problems[0].code.clone()
    }

    #[test]
    fn a_paused_recovery_goes_on_when_it_is_told_to_and_not_backwards() {
        let paused = journal(&["db"], Some(Phase::Databases));
        assert_eq!(refused(&paused, Said::Nothing), "recovery-paused");
        let ways = [
            (Said::Continue, GoOn::To(None)),
            (
                Said::Until(Phase::Applications),
                GoOn::To(Some(Phase::Applications)),
            ),
            (
                Said::Until(Phase::Databases),
                GoOn::Paused(Phase::Databases),
            ),
        ];
        for (said, wanted) in ways {
            assert_eq!(go_on(&plan(), &paused, said).ok(), Some(wanted), "{said:?}");
        }
        assert_eq!(
            refused(&paused, Said::Until(Phase::Storage)),
            "phase-passed"
        );
    }

    #[test]
    fn one_that_was_killed_goes_on_as_was_wanted_unless_it_is_past_that() {
        let killed = journal(&["db", "web"], None);
        let ways = [
            (Said::Nothing, GoOn::AsWanted),
            (Said::Continue, GoOn::To(None)),
            (
                Said::Until(Phase::Applications),
                GoOn::To(Some(Phase::Applications)),
            ),
        ];
        for (said, wanted) in ways {
            assert_eq!(go_on(&plan(), &killed, said).ok(), Some(wanted), "{said:?}");
        }
        assert_eq!(
            refused(&killed, Said::Until(Phase::Databases)),
            "phase-passed"
        );
    }
}
