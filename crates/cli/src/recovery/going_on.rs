//! How far a recovery that was begun goes on, and whether it may: what a user says now against what its journal says. Pure; called by
//! `recover` and `evidence`.

use jiff::Timestamp;
use refloat_core::backup::PointContent;
use refloat_core::run::{Evidence, Phase, Progress, RunPlan, passed};

use crate::failure::Failure;
use crate::printer::moment;

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

/// What the user says of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing.
    Nothing,
    /// That it is dead, or where to look at it.
    OfSource,
    /// That the copy will not meet users or the source's peers.
    Isolated,
}

/// Where a recovery that goes on writes.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) cluster_uid: &'a str,
    /// Namespaces that it writes into.
    pub(super) written: &'a [String],
}

impl Target<'_> {
    fn is_home(&self, point: &PointContent) -> bool {
        self.cluster_uid == point.cluster_uid
    }

    /// Namespaces of the point in which what runs is still the source's.
    fn of_source(&self, point: &PointContent) -> Vec<String> {
        let all = point.namespaces.iter();
        let its = all.filter(|one| !(self.is_home(point) && self.written.contains(one)));
        its.cloned().collect()
    }
}

/// What becomes of the evidence about the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// What was said when the recovery began goes on being believed.
    AsSaidBefore,
    /// It is judged anew, by these namespaces of the source.
    Judge { namespaces: Vec<String> },
}

/// What becomes of the evidence when a recovery goes on. In the source's own cluster the namespaces that the recovery writes into are no
/// longer the source's: what runs there is what came back.
pub(super) fn again(
    said: Word,
    point: &PointContent,
    target: &Target<'_>,
) -> Result<Again, Failure> {
    let home = target.is_home(point);
    match said {
        Word::Nothing => Ok(Again::AsSaidBefore),
        Word::Isolated if home => Err(Failure::refuse(
            "not-isolated",
            "the target is the source's own cluster: a copy there is not isolated",
            "show that the source is stopped with `--source-kubeconfig FILE`, or say `--source-dead REASON` (recorded)",
        )),
        Word::OfSource | Word::Isolated => {
            let namespaces = target.of_source(point);
            Ok(Again::Judge { namespaces })
        }
    }
}

/// What a person should know who goes on by what was said before: a look grows old, a word stands as long as the person does not take it
/// back.
pub(super) fn of_before(
    (at, evidence): (Timestamp, &Evidence),
    point: &PointContent,
    target: &Target<'_>,
) -> Option<String> {
    match evidence {
        Evidence::SourceStopped { .. } => (!target.of_source(point).is_empty()).then(|| {
            format!(
                "the source was last looked at {}, and ran nothing; whether it has been started since is not known: look again with \
                 `--source-kubeconfig FILE`",
                moment(at)
            )
        }),
        Evidence::SourceDead { .. } | Evidence::Isolated => evidence.warning(),
    }
}

#[cfg(test)]
mod tests {
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

    fn point() -> PointContent {
        let content = serde_json::json!({
            "protection": "shop", "site": "a", "cluster_uid": "source", "kubernetes_version": "1.34", "run": "backup-1",
            "began": "2026-01-01T00:00:00Z", "namespaces": ["shop", "shop-peer"], "members": [], "parts": [], "objects": null,
            "required": [], "owned": [], "findings": [], "spec": {},
        });
        serde_json::from_value(content).expect("a point of today is read for ever")
    }

    fn judged(said: Word, cluster_uid: &str, written: &[&str]) -> Vec<String> {
        let written: Vec<String> = written.iter().map(|&one| one.to_owned()).collect();
        let target = Target {
            cluster_uid,
            written: &written,
        };
        match again(said, &point(), &target).expect("it is judged") {
            Again::Judge { namespaces } => namespaces,
            Again::AsSaidBefore => panic!("it is believed"),
        }
    }

    #[test]
    fn what_is_said_of_the_source_is_judged_anew_when_a_recovery_goes_on() {
        let all = ["shop", "shop-peer"];
        assert_eq!(judged(Word::OfSource, "target", &all), all);
        assert_eq!(judged(Word::Isolated, "target", &all), all);
        let target = Target {
            cluster_uid: "target",
            written: &[],
        };
        let silent = again(Word::Nothing, &point(), &target);
        assert_eq!(silent.ok(), Some(Again::AsSaidBefore));
    }

    #[test]
    fn a_look_at_the_source_grows_old_and_a_word_stands() {
        let said = |evidence: &Evidence, cluster_uid: &str| {
            let written = ["shop".to_owned(), "shop-peer".to_owned()];
            let target = Target {
                cluster_uid,
                written: &written,
            };
            of_before((Timestamp::UNIX_EPOCH, evidence), &point(), &target)
        };
        let looked = Evidence::SourceStopped {
            proof: "no pod is left".to_owned(),
        };
        let old = said(&looked, "target").expect("it has grown old");
        assert!(
            old.starts_with("the source was last looked at 1970-01-01"),
            "{old}"
        );
        assert_eq!(said(&looked, "source"), None, "nothing of it is left");
        let word = Evidence::SourceDead {
            reason: "fire".to_owned(),
        };
        assert_eq!(said(&word, "target"), word.warning());
        assert_eq!(said(&Evidence::Isolated, "target"), None);
    }

    #[test]
    fn what_came_back_in_the_sources_own_cluster_is_not_taken_for_the_source() {
        let own = judged(Word::OfSource, "source", &["shop"]);
        assert_eq!(own, ["shop-peer"]);
        let drill = judged(Word::OfSource, "source", &["drill", "drill-peer"]);
        assert_eq!(drill, ["shop", "shop-peer"]);
        let target = Target {
            cluster_uid: "source",
            written: &[],
        };
        let refused = again(Word::Isolated, &point(), &target).expect_err("it is not isolated");
        assert_eq!(refused.problems[0].code, "not-isolated");
    }
}
