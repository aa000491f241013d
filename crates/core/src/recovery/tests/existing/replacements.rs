//! What is deleted to be made anew, when, and what is never deleted.

use serde_json::json;

use super::{clock, code, decide, deeds, effect, live, none, origin, patch, settings, writing};
use crate::driver::{Effect, Problem, Propagation, Verdict};
use crate::recovery::{Existing, digest};
use crate::run::{Progress, Record};

#[test]
fn a_replacement_deletes_once_and_never_what_another_has_put_there() {
    let replace = settings(Existing::Replace);
    let first = decide(&replace, &none(), Some(live(&replace, |_| ())));
    let known = deeds(&[effect(&first)], None);
    let again = decide(&replace, &known, Some(live(&replace, |_| ())));
    assert_eq!(again, first, "the reply was lost: the same object again");
    let other = live(&replace, |it| it["metadata"]["uid"] = json!("another"));
    assert_eq!(
        code(&decide(&replace, &known, Some(other))),
        "created-again"
    );
    let going = live(&replace, |it| {
        it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        it["metadata"]["finalizers"] = json!(["example.com/holds"]);
    });
    let Verdict::Wait(why) = decide(&replace, &known, Some(going)) else {
        panic!("it does not wait");
    };
    assert!(why.message.contains("example.com/holds"), "{why:?}");
    let Effect::Create { .. } = effect(&decide(&replace, &known, None)) else {
        panic!("it does not create");
    };
    let made = live(&replace, |it| {
        it["metadata"]["annotations"] = json!({ "refloat.io/recovery": "restore-2", "refloat.io/digest": digest(&replace.object) });
    });
    assert_eq!(origin(&decide(&replace, &known, Some(made))), "replaced");
}

#[test]
fn what_runs_pods_is_replaced_after_them() {
    for (kind, wanted) in [
        ("Deployment", Propagation::Foreground),
        ("ConfigMap", Propagation::Background),
    ] {
        let writing = writing(kind, Existing::Replace, json!({}));
        let verdict = decide(&writing, &none(), Some(live(&writing, |_| ())));
        let Effect::Delete { propagation, .. } = effect(&verdict) else {
            panic!("{verdict:?}");
        };
        assert_eq!(*propagation, wanted, "{kind}");
    }
}

#[test]
fn what_holds_others_is_updated_and_what_holds_data_is_refused() {
    let labels = json!({ "metadata": { "name": "web", "labels": { "a": "b" } } });
    let namespace = writing("Namespace", Existing::Replace, labels);
    let bare = live(&namespace, |it| {
        it["metadata"].as_object_mut().unwrap().remove("labels");
    });
    let verdict = decide(&namespace, &none(), Some(bare));
    assert_eq!(patch(&verdict).0["metadata"]["labels"], json!({ "a": "b" }));
    for existing in [Existing::Update, Existing::Replace] {
        let claim = writing("PersistentVolumeClaim", existing, json!({ "spec": {} }));
        let verdict = decide(&claim, &none(), Some(live(&claim, |_| ())));
        assert_eq!(code(&verdict), "volume-exists");
    }
}

#[test]
fn a_job_that_ended_and_was_collected_is_not_run_again() {
    let spec = json!({ "spec": { "ttlSecondsAfterFinished": 0 } });
    let job = writing("Job", Existing::Fail, spec);
    let first = decide(&job, &none(), None);
    let intended = deeds(&[effect(&first)], None);
    assert_eq!(
        decide(&job, &intended, None),
        first,
        "nobody knows that it ever was"
    );
    let created = deeds(&[effect(&first)], Some("mine"));
    let verdict = decide(&job, &created, None);
    assert_eq!(origin(&verdict), "created");
    let lasting = writing("Job", Existing::Fail, json!({ "spec": {} }));
    let verdict = decide(&lasting, &created, None);
    assert!(
        matches!(effect(&verdict), Effect::Create { .. }),
        "a person has removed it"
    );
}

#[test]
fn a_job_that_ended_is_not_waited_for_while_its_time_to_live_takes_it() {
    let ending = |ttl: bool, run: &str, kind: &str| {
        let spec = if ttl {
            json!({ "spec": { "ttlSecondsAfterFinished": 0, "suspend": true } })
        } else {
            json!({ "spec": { "suspend": true } })
        };
        let job = writing("Job", Existing::Fail, spec);
        let live = live(&job, |it| {
            it["metadata"]["annotations"] = json!({ "refloat.io/recovery": run });
            it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            it["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
            it["status"]["conditions"] = json!([{ "type": kind, "status": "True" }]);
        });
        decide(&job, &none(), Some(live))
    };
    assert_eq!(origin(&ending(true, "restore-2", "Complete")), "created");
    assert_eq!(code(&ending(true, "restore-2", "Failed")), "job-failed");
    for (ttl, run, kind) in [
        (true, "restore-2", "Suspended"),
        (true, "restore-1", "Complete"),
        (false, "restore-2", "Complete"),
    ] {
        let verdict = ending(ttl, run, kind);
        let Verdict::Wait(why) = &verdict else {
            panic!("{ttl} {run} {kind}: {verdict:?}");
        };
        assert_eq!(why.code, "being-deleted", "{ttl} {run} {kind}");
    }
}

#[test]
fn a_job_with_a_time_to_live_that_failed_is_run_again_once_it_is_gone() {
    let spec = json!({ "spec": { "ttlSecondsAfterFinished": 0 } });
    let job = writing("Job", Existing::Fail, spec);
    let first = decide(&job, &none(), None);
    let at = clock().now;
    let step = || "write".to_owned();
    let created = |uid: &str| Record::Created {
        at,
        step: step(),
        uid: uid.to_owned(),
    };
    let stuck = |code: &str| Record::Stuck {
        at,
        step: step(),
        problem: Problem::stuck(code, "it failed", "mend it"),
    };
    let intent = Record::Intent {
        at,
        step: step(),
        effects: vec![effect(&first).intention()],
    };
    let again = |more: &[Record]| {
        let records = [&[intent.clone(), created("mine")], more].concat();
        Progress::of(&records).deeds("write").clone()
    };
    let failed = again(&[stuck("job-failed")]);
    let verdict = decide(&job, &failed, None);
    assert!(
        matches!(effect(&verdict), Effect::Create { .. }),
        "{verdict:?}"
    );
    assert_eq!(failed.created(), Some("mine"), "a rollback asks for it");
    let going = live(&job, |it| {
        it["metadata"]["annotations"] = json!({ "refloat.io/recovery": "restore-2" });
        it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        it["status"]["conditions"] = json!([{ "type": "Failed", "status": "True" }]);
    });
    let verdict = decide(&job, &failed, Some(going));
    assert!(
        matches!(&verdict, Verdict::Wait(_)),
        "it is mended: {verdict:?}"
    );
    for deeds in [
        again(&[stuck("job-failed"), created("another")]),
        again(&[stuck("quota-exceeded")]),
    ] {
        assert_eq!(origin(&decide(&job, &deeds, None)), "created");
    }
}
