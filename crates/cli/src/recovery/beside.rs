//! Is another recovery open where one is to begin or to be taken away? "The same command again" means another run as soon as there is a newer
//! point: who gives it is told of the one that is open. Pure; called by `plan`, `recover` and `rollback`.

use jiff::Timestamp;
use refloat_core::names::ProtectionName;
use refloat_core::run::{RunKind, RunPlan};
use refloat_vault::format::PointId;

use super::identity::variant_stem;
use super::recoveries::is_here;
use crate::failure::Failure;
use crate::seat::{UnfinishedRun, written_in};

/// A recovery that is to begin.
#[derive(Debug)]
pub(crate) struct Beginning<'a> {
    pub(crate) protection: &'a ProtectionName,
    pub(crate) point: &'a PointId,
    pub(crate) cluster_uid: &'a str,
    /// Namespaces that it writes into.
    pub(crate) namespaces: &'a [String],
    /// What makes it another one of two of its point.
    pub(crate) variant: &'a str,
    /// The same as options.
    pub(crate) options: &'a str,
    /// The option that means the same movers again; empty when none is needed.
    pub(crate) mover_image: &'a str,
    /// All of the point is wanted.
    pub(crate) is_whole: bool,
}

/// Refuses to begin beside an open recovery of another point that writes into the same namespaces. A part that is not the open one's is
/// wanted on purpose, beside what that brings.
pub(crate) fn refuse_beside(
    unfinished: &[UnfinishedRun],
    beginning: &Beginning<'_>,
) -> Result<(), Failure> {
    match unfinished.iter().find(|one| is_in_the_way(one, beginning)) {
        Some(open) => Err(recovery_unfinished(open, beginning)),
        None => Ok(()),
    }
}

/// A recovery that is to be taken away.
#[derive(Debug)]
pub(crate) struct Leaving<'a> {
    pub(crate) plan: &'a RunPlan,
    pub(crate) started: Option<Timestamp>,
    pub(crate) cluster_uid: &'a str,
}

/// Refuses to take a recovery away beneath a later one that is open in the same namespaces: it builds on what it found there.
pub(crate) fn refuse_beneath(
    unfinished: &[UnfinishedRun],
    leaving: &Leaving<'_>,
) -> Result<(), Failure> {
    let namespaces = written_in(leaving.plan);
    let later = unfinished.iter().find(|open| {
        open.kind == RunKind::Restore
            && open.protection == leaving.plan.protection
            && open.started > leaving.started
            && is_here(open, leaving.cluster_uid) == Some(true)
            && !open.namespaces.is_disjoint(&namespaces)
    });
    let Some(open) = later else {
        return Ok(());
    };
    let (run, earlier) = (&open.run, &leaving.plan.run);
    Err(Failure::refuse(
        "recovery-unfinished",
        format!("{run}, a later recovery into the same namespaces as {earlier}, is not finished"),
        format!("let it finish, or take it back first: `refloat rollback --run {run}`"),
    ))
}

fn is_in_the_way(open: &UnfinishedRun, beginning: &Beginning<'_>) -> bool {
    let point = beginning.point.to_string();
    let another = open.kind == RunKind::Restore
        && open.protection == *beginning.protection
        && open.point.as_ref().is_some_and(|of| *of != point)
        && is_here(open, beginning.cluster_uid) == Some(true);
    let meets = || {
        let mut written = beginning.namespaces.iter();
        written.any(|namespace| open.namespaces.contains(namespace))
    };
    another && (beginning.is_whole || is_alike(open, beginning)) && meets()
}

/// Whether the same options, but for the point, mean it.
fn is_alike(open: &UnfinishedRun, beginning: &Beginning<'_>) -> bool {
    let point: Option<PointId> = open.point.as_ref().and_then(|point| point.parse().ok());
    point.is_some_and(|point| {
        let stem = variant_stem(&point, beginning.cluster_uid, beginning.variant);
        let number = open.run.as_str().strip_prefix(&stem);
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

/// Whether it is what this recovery, given again, goes on with.
pub(super) fn is_of_the_same(open: &UnfinishedRun, beginning: &Beginning<'_>) -> bool {
    let point = beginning.point.to_string();
    open.kind == RunKind::Restore
        && open.point.as_ref() == Some(&point)
        && is_alike(open, beginning)
}

/// The command that goes on with what is open.
pub(super) fn go_on_with(open: &UnfinishedRun, beginning: &Beginning<'_>) -> String {
    let point = open.point.as_deref().unwrap_or_default();
    let goes_on = if open.paused.is_some() {
        " --continue"
    } else {
        ""
    };
    let options = if is_alike(open, beginning) {
        beginning.options
    } else {
        "…"
    };
    let options: Vec<String> = [options, beginning.mover_image]
        .iter()
        .filter(|words| !words.is_empty())
        .map(|words| format!(" {words}"))
        .collect();
    let options = options.concat();
    let same = if is_alike(open, beginning) {
        ""
    } else {
        ", with `--only`, `--skip`, `--as` and `--map-namespace` as it was begun"
    };
    format!("`refloat recover --point {point}{options}{goes_on}`{same}")
}

fn recovery_unfinished(open: &UnfinishedRun, beginning: &Beginning<'_>) -> Failure {
    let run = &open.run;
    let point = open.point.as_deref().unwrap_or_default();
    Failure::refuse(
        "recovery-unfinished",
        format!(
            "recovery {run} of point {point} into the same namespaces is not finished: one of point {} would be another beside it",
            beginning.point
        ),
        format!(
            "go on with it: {}, or take it back: `refloat rollback --run {run}`",
            go_on_with(open, beginning)
        ),
    )
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use refloat_core::run::Phase;
    use serde_json::json;

    use super::*;

    /// An open recovery of this point of `shop` into the cluster `here`.
    fn open(point: &str, variant: &str, namespaces: &[&str]) -> UnfinishedRun {
        let of: PointId = point.parse().expect("a point");
        let run = format!("{}1", variant_stem(&of, "here", variant));
        let mut open = UnfinishedRun::example(RunKind::Restore, &run, Some(point));
        open.namespaces = namespaces.iter().map(|&one| one.to_owned()).collect();
        open
    }

    fn hint(open: &UnfinishedRun, variant: &str, is_whole: bool, to: &[&str]) -> Option<String> {
        hint_with(open, "", variant, is_whole, to)
    }

    fn hint_with(
        open: &UnfinishedRun,
        mover_image: &str,
        variant: &str,
        is_whole: bool,
        to: &[&str],
    ) -> Option<String> {
        let namespaces: Vec<String> = to.iter().map(|&one| one.to_owned()).collect();
        let beginning = Beginning {
            protection: &ProtectionName::new("shop").expect("a name"),
            point: &"shop/13".parse().expect("a point"),
            cluster_uid: "here",
            namespaces: &namespaces,
            variant,
            options: variant,
            mover_image,
            is_whole,
        };
        let failure = refuse_beside(std::slice::from_ref(open), &beginning).err()?;
        assert_eq!(failure.problems[0].code, "recovery-unfinished");
        Some(failure.problems[0].hint.clone())
    }

    #[test]
    fn the_same_command_does_not_begin_with_a_newer_point_beside_what_is_open() {
        let mut before = open("shop/12", "", &["shop"]);
        let run = before.run.clone();
        let hinted = hint(&before, "", true, &["shop", "shop-peer"]).expect("it begins");
        assert_eq!(
            hinted,
            format!(
                "go on with it: `refloat recover --point shop/12`, or take it back: `refloat rollback --run {run}`"
            )
        );
        before.paused = Some(Phase::Storage);
        let hinted = hint(&before, "", true, &["shop"]).expect("it begins");
        assert!(hinted.contains("--point shop/12 --continue`"), "{hinted}");
        let part = open("shop/12", "--only pvc/a", &["shop"]);
        let hinted = hint(&part, "--only pvc/a", false, &["shop"]).expect("it begins");
        assert!(hinted.contains("--point shop/12 --only pvc/a`"), "{hinted}");
        let hinted = hint(&part, "", true, &["shop"]).expect("it begins");
        assert!(
            hinted.contains("--point shop/12 …`, with `--only`"),
            "{hinted}"
        );
    }

    #[test]
    fn the_movers_of_the_command_are_those_of_the_one_that_goes_on() {
        let image = "--mover-image 'mirror.example/refloat:1'";
        let whole = open("shop/12", "", &["shop"]);
        let hinted = hint_with(&whole, image, "", true, &["shop"]).expect("it begins");
        let command = format!("`refloat recover --point shop/12 {image}`");
        assert!(hinted.contains(&command), "{hinted}");
        let part = open("shop/12", "--only pvc/a", &["shop"]);
        let hinted = hint_with(&part, image, "", true, &["shop"]).expect("it begins");
        assert!(hinted.contains(&format!("… {image}`")), "{hinted}");
    }

    #[test]
    fn what_is_wanted_on_purpose_begins_beside_what_is_open() {
        let whole = open("shop/12", "", &["shop"]);
        let begins = |open: &UnfinishedRun, variant: &str, is_whole: bool, to: &str| {
            assert_eq!(hint(open, variant, is_whole, &[to]), None, "{to} {variant}");
        };
        begins(&whole, "namespace shop=drill", true, "drill");
        begins(&whole, "only pvc/a", false, "shop");
        begins(&open("shop/13", "", &["shop"]), "only pvc/a", true, "shop");
        let mut elsewhere = open("shop/12", "", &["shop"]);
        elsewhere.point = Some("shop/11".to_owned());
        begins(&elsewhere, "", true, "shop");
        let mut other = open("shop/12", "", &["shop"]);
        other.protection = ProtectionName::new("stock").expect("a name");
        begins(&other, "", true, "shop");
    }

    fn plan(run: &str, namespace: &str) -> RunPlan {
        let write = json!({
            "work": "write", "existing": "fail", "adopt": false, "owner": { "manager": "kubectl", "apply": false },
            "resource": { "group": "", "version": "v1", "kind": "ConfigMap", "plural": "configmaps", "namespaced": true },
            "object": { "metadata": { "namespace": namespace, "name": "web" } },
        });
        let plan = json!({
            "kind": "restore", "run": run, "protection": "shop", "site": "b", "point": "shop/12", "mover_image": "", "steps": [{
                "id": "write", "phase": "guard", "title": "", "needs": [], "work": write, "limit_seconds": 60,
            }],
        });
        serde_json::from_value(plan).expect("a plan of today is read for ever")
    }

    #[test]
    fn a_recovery_is_not_taken_away_beneath_a_later_one() {
        let first = Timestamp::UNIX_EPOCH;
        let later = first + SignedDuration::from_secs(60);
        let mut open = open("shop/12", "", &["shop"]);
        open.started = Some(later);
        let refused = |open: &UnfinishedRun, namespace: &str, started| {
            let plan = plan("restore-0123456789ab-7", namespace);
            let leaving = Leaving {
                plan: &plan,
                started: Some(started),
                cluster_uid: "here",
            };
            refuse_beneath(std::slice::from_ref(open), &leaving).is_err()
        };
        assert!(refused(&open, "shop", first));
        assert!(!refused(&open, "drill", first), "elsewhere");
        assert!(!refused(&open, "shop", later), "itself, or an earlier one");
        open.point = Some("shop/11".to_owned());
        assert!(!refused(&open, "shop", first), "of another cluster");
    }
}
