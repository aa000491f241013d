//! All that can be wrong at once, told in one list.

use serde_json::json;

use super::{Facts, asks, csi, deploy, hook, node, quota};
use crate::inventory::ThingId;
use crate::plan::tests::fixture::{Case, case, thing};
use crate::plan::{Refusal, Rehearsed, Said, Trial, warning_line};
use crate::recovery::Existing;

const TOLD: &str = include_str!("../../../../tests/golden/preflight-shop.txt");

fn all_wrong(case: &mut Case, facts: &mut Facts) {
    case.goal.evidence = None;
    case.goal.existing = Existing::Skip;
    case.target.remove(&ThingId::cluster(
        "networking.k8s.io",
        "IngressClass",
        "nginx",
    ));
    case.target.served.retain(|one| one.kind != "Job");
    case.target.insert(thing("Namespace", "shop", &json!({})));
    case.target.insert(quota(
        "small",
        &json!({ "pods": "2", "limits.cpu": "9", "requests.storage": "1Gi" }),
        &json!({ "pods": "1" }),
    ));
    case.target.insert(hook(&json!({})));
    facts
        .silent_services
        .insert(("policy".to_owned(), "judge".to_owned()));
    case.target.insert(node(
        "a",
        &json!({ "/metadata/labels": { "kubernetes.io/arch": "arm64" } }),
    ));
    case.point.architectures = vec!["amd64".to_owned()];
    deploy(case, "large", &asks("64"));
    deploy(case, "picky", &json!({ "nodeSelector": { "disk": "ssd" } }));
    facts.csi_nodes = Some(csi(case, &json!([])));
    facts.clock_ahead_milliseconds = Some(-90_000);
    let denied = "admission webhook \"names.example.com\" denied the request: no cost centre";
    let pod = "pods \"refloat-preflight-1\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let unknown = "strict decoding error: unknown field \"spec.size\"";
    for (kind, group, name, trial, code, message) in [
        ("Secret", "", "database", Trial::Object, 403, denied),
        ("ConfigMap", "", "web", Trial::Object, 403, denied),
        ("Deployment", "apps", "web", Trial::Pod, 403, pod),
        (
            "Cache",
            "shop.example.com",
            "sessions",
            Trial::Object,
            400,
            unknown,
        ),
        (
            "Service",
            "",
            "web",
            Trial::Object,
            400,
            "admission webhook \"mesh.example.com\" does not support dry run",
        ),
    ] {
        facts.rehearsed.push(Rehearsed {
            thing: ThingId::namespaced(group, kind, "shop", name),
            trial,
            said: Said::Refused(Refusal {
                code,
                message: message.to_owned(),
                ..Refusal::default()
            }),
        });
    }
}

#[test]
fn a_dozen_problems_are_told_at_once_each_with_its_fix() {
    let mut case = case();
    let mut facts = Facts::default();
    all_wrong(&mut case, &mut facts);
    let mut problems = case.plan().unwrap_err();
    let findings = case.judge(&facts);
    problems.extend(findings.problems);
    assert!(problems.len() >= 12, "{}", problems.len());
    let errors = problems.iter().map(|one| {
        format!(
            "error[{}]: {}\n  next: {}\n",
            one.code, one.message, one.hint
        )
    });
    let warnings = findings
        .warnings
        .iter()
        .map(|one| format!("warning: {}\n", warning_line(one)));
    let shown: String = errors.chain(warnings).collect();
    assert_eq!(shown, TOLD, "it reads now:\n{shown}");
}
