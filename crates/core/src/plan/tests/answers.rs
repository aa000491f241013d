//! What is tried at the target, and what its answers mean.

use serde_json::json;

use super::facts::{judged, nothing, problem, warning};
use super::fixture::thing;
use crate::inventory::ThingId;
use crate::plan::{Away, Findings, Refusal, Rehearsed, Said, Trial};

fn rehearsed(trial: Trial, name: &str, said: Said) -> Rehearsed {
    Rehearsed {
        thing: ThingId::namespaced("", "ConfigMap", "shop", name),
        trial,
        said,
    }
}

fn answered(trial: Trial, said: Said) -> Findings {
    judged(|_, facts| facts.rehearsed = vec![rehearsed(trial, "web", said)])
}

fn refused(trial: Trial, code: u16, message: &str) -> Findings {
    answered(
        trial,
        Said::Refused(Refusal {
            code,
            message: message.to_owned(),
            ..Refusal::default()
        }),
    )
}

/// Code and what it weighs where the object goes, in a stand-in, and for a pod: `p`roblem, `w`arning, `-` nothing.
const ANSWERS: &[(u16, &str, &str, &str)] = &[
    (
        400,
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"spec.a\", unknown field \"b\"",
        "fields-dropped",
        "ppp",
    ),
    (
        500,
        "failed to create typed patch object (shop/web; v1, Kind=X): .spec.a: field not declared in schema",
        "fields-dropped",
        "ppp",
    ),
    (
        422,
        "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1",
        "object-invalid",
        "pp-",
    ),
    (
        403,
        "configmaps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        "admission-denied",
        "pwp",
    ),
    (
        422,
        "configmaps \"web\" is invalid: : ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        "admission-denied",
        "pwp",
    ),
    (
        400,
        "admission webhook \"w.example.com\" denied the request: no",
        "admission-denied",
        "pwp",
    ),
    (
        400,
        "admission webhook \"w.example.com\" denied the request: secret db not found",
        "admission-denied",
        "www",
    ),
    (
        500,
        "Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://x\": no endpoints available",
        "webhook-failing",
        "pwp",
    ),
    (
        400,
        "admission webhook \"w.example.com\" does not support dry run",
        "webhook-without-dry-run",
        "www",
    ),
    (
        403,
        "pods \"refloat-preflight-0\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
        "pod-security",
        "p-p",
    ),
    (
        403,
        "pods \"web\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1",
        "quota-exceeded",
        "p-p",
    ),
    (
        403,
        "pods \"web\" is forbidden: failed quota: small: must specify limits.cpu",
        "quota-needs-requests",
        "p-p",
    ),
    (
        403,
        "configmaps is forbidden: User \"u\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"shop\"",
        "forbidden",
        "p-p",
    ),
    (
        403,
        "roles \"r\" is forbidden: user \"u\" is attempting to grant RBAC permissions not currently held",
        "forbidden",
        "p-p",
    ),
    (
        403,
        "pods \"web\" is forbidden: error looking up service account shop/web: serviceaccount \"web\" not found",
        "",
        "---",
    ),
    (
        403,
        "pods \"web\" is forbidden: maximum cpu usage per Container is 1, but limit is 2",
        "admission-denied",
        "p-p",
    ),
    (
        403,
        "unable to create new content in namespace shop because it is being terminated",
        "namespace-terminating",
        "p-p",
    ),
    (
        404,
        "roles.rbac.authorization.k8s.io \"web\" not found",
        "",
        "---",
    ),
    (409, "configmaps \"web\" already exists", "", "---"),
    (
        413,
        "Request entity too large: limit is 3145728",
        "too-large",
        "ppp",
    ),
    (429, "too many requests", "dry-run-unanswered", "www"),
    (503, "", "dry-run-unanswered", "www"),
    (0, "", "dry-run-unanswered", "www"),
];

#[test]
fn each_answer_means_one_thing_and_a_stand_ins_own_troubles_mean_nothing() {
    for (status, message, code, weights) in ANSWERS {
        let trials = [Trial::Object, Trial::StandIn, Trial::Pod];
        for (trial, weight) in trials.into_iter().zip(weights.chars()) {
            let findings = refused(trial, *status, message);
            eprintln!("{status} {message} {trial:?}");
            match weight {
                'p' => drop(problem(&findings, code)),
                'w' => drop(warning(&findings, code)),
                _ => nothing(&findings),
            }
        }
    }
}

#[test]
fn the_words_of_an_answer_are_told_without_what_makes_alike_ones_differ() {
    let fields = problem(
        &refused(Trial::Object, ANSWERS[0].0, ANSWERS[0].1),
        "fields-dropped",
    );
    assert_eq!(
        fields,
        "ConfigMap shop/web: the target does not know these fields, and they would be lost: b, spec.a"
    );
    let typed = problem(
        &refused(Trial::Object, ANSWERS[1].0, ANSWERS[1].1),
        "fields-dropped",
    );
    assert!(typed.ends_with("refuse the object: spec.a"), "{typed}");
    let policy = problem(
        &refused(Trial::Object, ANSWERS[3].0, ANSWERS[3].1),
        "admission-denied",
    );
    assert_eq!(
        policy,
        "ConfigMap shop/web: a policy of the target refuses it: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
    );
    let long = problem(
        &refused(Trial::Object, 422, &"ä".repeat(100_000)),
        "object-invalid",
    );
    assert!(
        long.chars().count() < 600,
        "{} characters",
        long.chars().count()
    );
    let lines = problem(
        &refused(Trial::Object, 422, "a\n\u{1b}[2J  b"),
        "object-invalid",
    );
    assert!(!lines.contains('\n'), "{lines}");
}

#[test]
fn causes_are_told_by_field() {
    let refusal = Refusal {
        code: 422,
        causes: vec![
            ("spec.a".to_owned(), "Required value".to_owned()),
            ("<nil>".to_owned(), "rule".to_owned()),
        ],
        ..Refusal::default()
    };
    let told = problem(
        &answered(Trial::StandIn, Said::Refused(refusal)),
        "object-invalid",
    );
    assert!(told.ends_with("spec.a: Required value; rule"), "{told}");
}

#[test]
fn warnings_of_an_accepted_write_tell_only_of_lost_fields() {
    let said = |warning: &str| {
        answered(
            Trial::Object,
            Said::Accepted {
                warnings: vec![warning.to_owned()],
            },
        )
    };
    nothing(&said("299 - \"v1 Endpoints is deprecated\""));
    nothing(&said(
        "299 - \"would violate PodSecurity \"restricted:latest\"\"",
    ));
    problem(
        &said("299 - \"unknown field \"spec.x\"\""),
        "fields-dropped",
    );
    warning(
        &answered(
            Trial::Object,
            Said::Unanswered {
                why: "no answer".to_owned(),
                passes: true,
            },
        ),
        "dry-run-unanswered",
    );
}

#[test]
fn what_may_pass_by_itself_is_told_from_what_stays() {
    let refused = |code, message: &str| {
        Said::Refused(Refusal {
            code,
            message: message.to_owned(),
            ..Refusal::default()
        })
    };
    let called = |why: &str| {
        let calls = "Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://w.shop.svc:443/?timeout=10s\"";
        refused(500, &format!("{calls}: {why}"))
    };
    let webhook = Some(Away::Webhook("w.example.com".to_owned()));
    for why in [
        "dial tcp 10.0.0.1:443: connect: connection refused",
        "no endpoints available for service \"w\"",
        "context deadline exceeded",
        "net/http: TLS handshake timeout",
        "EOF",
    ] {
        assert_eq!(called(why).away(), webhook, "{why}");
        assert!(called(why).is_answer(), "{why}");
    }
    for why in [
        "x509: certificate signed by unknown authority",
        "service \"w\" not found",
    ] {
        assert_eq!(called(why).away(), None, "{why}");
    }
    let converting = "conversion webhook for shop.example.com/v1, Kind=Book failed: Post \"https://w.shop.svc:443/?timeout=30s\": ";
    let gone = refused(500, &format!("{converting}service \"w\" not found"));
    assert_eq!(gone.away(), None);
    let restarts = refused(500, &format!("{converting}connection refused"));
    let kind = "shop.example.com/v1, Kind=Book".to_owned();
    assert_eq!(restarts.away(), Some(Away::Webhook(kind)));
    for (said, expected, is_answer) in [
        (refused(429, "too many requests"), Some(Away::Server), false),
        (refused(503, "shutting down"), Some(Away::Server), false),
        (
            refused(500, "etcdserver: leader changed"),
            Some(Away::Inside),
            false,
        ),
        (refused(403, "a webhook denied the request: no"), None, true),
        (refused(422, "is invalid"), None, true),
        (refused(409, "exists"), None, true),
    ] {
        assert_eq!(said.away(), expected, "{said:?}");
        assert_eq!(said.is_answer(), is_answer, "{said:?}");
    }
    let lost = |passes| Said::Unanswered {
        why: "no answer".to_owned(),
        passes,
    };
    assert_eq!(lost(true).away(), Some(Away::Server));
    assert_eq!(lost(false).away(), None);
    assert!(!lost(true).is_answer() && !lost(false).is_answer());
}

#[test]
fn many_alike_refusals_are_one_in_whatever_order_they_come() {
    let all = |reverse: bool| {
        judged(|_, facts| {
            facts.rehearsed = (0..44)
                .map(|number| {
                    let name = format!("n{number:02}");
                    let message = format!(
                        "configmaps \"{name}\" is forbidden: a webhook denied the request: no"
                    );
                    let refusal = Refusal {
                        code: 403,
                        message,
                        ..Refusal::default()
                    };
                    rehearsed(Trial::Object, &name, Said::Refused(refusal))
                })
                .collect();
            if reverse {
                facts.rehearsed.reverse();
            }
        })
    };
    let told = problem(&all(false), "admission-denied");
    assert!(
        told.contains("shop/n02 and 41 more of kind ConfigMap: a policy"),
        "{told}"
    );
    assert_eq!(all(false), all(true));
}

#[test]
fn a_webhook_that_was_seen_to_be_silent_is_told_once() {
    let hooks = json!([{
        "name": "w.example.com", "clientConfig": { "service": { "namespace": "policy", "name": "judge" } },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "operations": ["CREATE"] }],
    }]);
    let findings = judged(|case, facts| {
        case.target.insert(thing(
            "ValidatingWebhookConfiguration",
            "judge",
            &json!({ "webhooks": hooks }),
        ));
        facts
            .silent_services
            .insert(("policy".to_owned(), "judge".to_owned()));
        let message = "failed calling webhook \"w.example.com\": no endpoints".to_owned();
        let refusal = Refusal {
            code: 500,
            message,
            ..Refusal::default()
        };
        facts.rehearsed = vec![rehearsed(Trial::Object, "web", Said::Refused(refusal))];
    });
    problem(&findings, "webhook-not-answering");
}
