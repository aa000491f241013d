//! What is open where a recovery is planned, and what `recover` would do about it: it would go on by an older plan, or refuse to begin. Called
//! by `plan`, which says so and shows its plan all the same.

use refloat_core::driver::Problem;
use refloat_core::names::RunId;
use refloat_core::run::RunKind;
use refloat_vault::format::PointDocument;
use refloat_world::Cluster;

use super::beside::{Beginning, go_on_with, is_of_the_same, refuse_beside};
use super::recoveries::{rollback_unfinished, rolls_back};
use super::{Options, options_of, target_namespaces, variant};
use crate::failure::Failure;
use crate::seat::{Access, OpenRuns, UnfinishedRun, UnreadableRun, unfinished_runs};

/// What is open, a line each. It never fails: a plan is worth seeing whatever is open.
pub(crate) async fn open_here(
    access: &Access,
    cluster: &Cluster,
    options: &Options,
    point: &PointDocument,
) -> Vec<String> {
    match read(access, cluster, options, point).await {
        Ok(lines) => lines,
        Err(failure) => vec![format!(
            "whether a recovery is open here is not known: {}",
            failure.text()
        )],
    }
}

async fn read(
    access: &Access,
    cluster: &Cluster,
    options: &Options,
    point: &PointDocument,
) -> Result<Vec<String>, Failure> {
    let given = options.given()?;
    let selection = options.selection();
    let beginning = Beginning {
        protection: &point.content.protection,
        point: &point.id,
        cluster_uid: cluster.cluster_uid(),
        namespaces: &target_namespaces(point, &given),
        variant: &variant(&given, &selection),
        options: &options_of(&selection, &given),
        mover_image: &options.mover_image_again(),
        is_whole: selection.is_whole(),
    };
    let mut open = unfinished_runs(&access.vault, Some(RunKind::Restore)).await?;
    let rollbacks = unfinished_runs(&access.vault, Some(RunKind::Rollback)).await?;
    open.unfinished.extend(rollbacks.unfinished);
    open.unreadable.extend(rollbacks.unreadable);
    Ok(told(&open, &beginning))
}

fn told(open: &OpenRuns, beginning: &Beginning<'_>) -> Vec<String> {
    let stands = standing(&open.unfinished, beginning);
    let stands = stands.map(|problem| format!("{}; {}", problem.message, problem.hint));
    let unreadable = &open.unreadable;
    let unreadable = unreadable.iter().filter_map(|one| unknown(one, beginning));
    stands.into_iter().chain(unreadable).collect()
}

/// What a run that nobody can read means for `recover`. Of rollbacks it reads those only whose ids say that they take this away.
fn unknown(one: &UnreadableRun, beginning: &Beginning<'_>) -> Option<String> {
    let UnreadableRun { run, why } = one;
    if rolls_back(run, beginning.point, beginning.cluster_uid) {
        return Some(format!(
            "`refloat recover` refuses: whether {run} still takes an earlier recovery of point {} away is not known: {why}",
            beginning.point
        ));
    }
    let is_rollback = run.as_str().starts_with("rollback-");
    (!is_rollback).then(|| format!("whether {run} is in the way is not known: {why}"))
}

/// The first that `recover` would come upon.
fn standing(unfinished: &[UnfinishedRun], beginning: &Beginning<'_>) -> Option<Problem> {
    let rolled_back = |run: &RunId| rolls_back(run, beginning.point, beginning.cluster_uid);
    if let Some(rollback) = unfinished
        .iter()
        .find(|one| one.kind == RunKind::Rollback && rolled_back(&one.run))
    {
        let failure = rollback_unfinished(beginning.point, &rollback.run);
        return failure.problems.into_iter().next();
    }
    if let Some(same) = unfinished.iter().find(|one| is_of_the_same(one, beginning)) {
        return Some(goes_on(same, beginning));
    }
    let failure = refuse_beside(unfinished, beginning).err()?;
    failure.problems.into_iter().next()
}

fn goes_on(open: &UnfinishedRun, beginning: &Beginning<'_>) -> Problem {
    let run = &open.run;
    let state = match (open.paused, open.may_live) {
        (Some(phase), _) => format!("is paused after {}", phase.label()),
        (None, Some(_)) => "is not finished, and may be driven just now".to_owned(),
        (None, None) => "is not finished".to_owned(),
    };
    Problem::stuck(
        "recovery-unfinished",
        format!(
            "recovery {run} of this {state}: `refloat recover` goes on by the plan that was made when it began, not by this one"
        ),
        format!(
            "go on with it: {}, or take it back, to recover by this plan: `refloat rollback --run {run}`",
            go_on_with(open, beginning)
        ),
    )
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use refloat_core::names::ProtectionName;
    use refloat_core::plan::{Around, Planned};
    use refloat_core::run::{Phase, RunPlan};
    use refloat_vault::format::PointId;
    use serde_json::json;

    use super::super::identity::variant_stem;
    use super::super::{Preflighted, Prepared};
    use super::*;
    use crate::seat::refusing::empty_plan;

    fn open(kind: RunKind, point: &str, variant: &str) -> UnfinishedRun {
        let of: PointId = point.parse().expect("a point");
        let recovery = format!("{}1", variant_stem(&of, "here", variant));
        let run = match kind {
            RunKind::Rollback => format!("rollback-{recovery}-1"),
            RunKind::Restore | RunKind::Backup => recovery,
        };
        let mut open = UnfinishedRun::example(kind, &run, Some(point));
        open.namespaces = ["shop".to_owned()].into();
        open
    }

    /// What is said of these when point 13 of `shop` is planned.
    fn lines(unfinished: Vec<UnfinishedRun>, variant: &str) -> Vec<String> {
        let open = OpenRuns {
            unfinished,
            unreadable: Vec::new(),
        };
        about(&open, variant)
    }

    fn about(open: &OpenRuns, variant: &str) -> Vec<String> {
        let beginning = Beginning {
            protection: &ProtectionName::new("shop").expect("a name"),
            point: &"shop/13".parse().expect("a point"),
            cluster_uid: "here",
            namespaces: &["shop".to_owned()],
            variant,
            options: variant,
            mover_image: "",
            is_whole: true,
        };
        told(open, &beginning)
    }

    #[test]
    fn a_plan_says_that_recover_would_go_on_with_what_is_open() {
        let mut same = open(RunKind::Restore, "shop/13", "");
        let run = same.run.clone();
        let said = lines(vec![same], "");
        assert_eq!(
            said,
            [format!(
                "recovery {run} of this is not finished: `refloat recover` goes on by the plan that was made when it began, not by this \
                 one; go on with it: `refloat recover --point shop/13`, or take it back, to recover by this plan: `refloat rollback --run {run}`"
            )]
        );
        same = open(RunKind::Restore, "shop/13", "");
        same.paused = Some(Phase::Storage);
        let said = lines(vec![same], "");
        assert!(said[0].contains("of this is paused after "), "{said:?}");
        assert!(said[0].contains("--point shop/13 --continue`"), "{said:?}");
        same = open(RunKind::Restore, "shop/13", "");
        same.may_live = Some(SignedDuration::ZERO);
        let said = lines(vec![same], "");
        assert!(said[0].contains("may be driven just now"), "{said:?}");
    }

    #[test]
    fn a_plan_says_that_recover_would_refuse_to_begin() {
        let rollback = open(RunKind::Rollback, "shop/13", "");
        let other = || open(RunKind::Restore, "shop/12", "");
        let said = lines(vec![other(), rollback], "");
        assert_eq!(said.len(), 1, "the first that it comes upon: {said:?}");
        assert!(said[0].contains("is being taken away by rollback-"));
        let said = lines(vec![other()], "");
        assert!(said[0].contains("of point shop/12 into the same namespaces"));
        assert!(said[0].contains("`refloat recover --point shop/12`"));
    }

    #[test]
    fn what_recover_would_not_heed_is_not_spoken_of() {
        let none: Vec<String> = Vec::new();
        let drill = || vec![open(RunKind::Restore, "shop/13", "namespace shop=drill\n")];
        assert_eq!(lines(drill(), ""), none, "another variant");
        let rollback = vec![open(RunKind::Rollback, "shop/12", "")];
        assert_eq!(lines(rollback, ""), none, "of another point");
        assert_eq!(lines(Vec::new(), ""), none);
        let unreadable = |run: &str| {
            let open = OpenRuns {
                unfinished: Vec::new(),
                unreadable: vec![UnreadableRun {
                    run: RunId::new(run).expect("a run"),
                    why: "it is newer".to_owned(),
                }],
            };
            about(&open, "")
        };
        let said = unreadable("restore-1");
        assert_eq!(
            said,
            ["whether restore-1 is in the way is not known: it is newer"]
        );
        let of = |point: &str| open(RunKind::Rollback, point, "").run.to_string();
        assert_eq!(unreadable(&of("shop/12")), none, "of another point");
        assert_eq!(unreadable("rollback-restore-1-1"), none, "of no point here");
        let its = of("shop/13");
        let refuses = format!(
            "`refloat recover` refuses: whether {its} still takes an earlier recovery of point shop/13 away is not known: it is newer"
        );
        assert_eq!(unreadable(&its), [refuses]);
    }

    #[test]
    fn what_is_open_stands_in_the_document_of_a_part_too() {
        let content = json!({
            "protection": "shop", "site": "a", "cluster_uid": "source", "kubernetes_version": "1.34", "run": "backup-1",
            "began": "2026-01-01T00:00:00Z", "namespaces": ["shop"], "members": [], "parts": [], "objects": null,
            "required": [], "owned": [], "findings": [], "spec": {},
        });
        let document = json!({
            "format": 1, "id": "shop/12", "previous": null, "sealed": "2026-01-01T00:00:00Z", "refloat_version": "1",
            "content": content,
        });
        let planned = Planned {
            plan: RunPlan::clone(&empty_plan(RunKind::Restore, "restore-1")),
            left_out: Vec::new(),
            mapped: Vec::new(),
            warnings: vec!["known".to_owned()],
            broken: Vec::new(),
            selected: Vec::new(),
        };
        let mut prepared = Prepared {
            document: serde_json::from_value(document).expect("a point of today is read for ever"),
            part: Some(planned.clone()),
            planned,
            until: Some(Phase::Databases),
            preflight: Preflighted::default(),
            around: Around::default(),
            evidence: None,
        };
        prepared.warn(&["something is open".to_owned()]);
        let view = prepared.view();
        let shown = serde_json::to_value(view.document()).expect("a document");
        assert_eq!(shown["warnings"], json!(["known", "something is open"]));
        assert_eq!(prepared.planned.warnings, prepared.shown().warnings);
    }
}
