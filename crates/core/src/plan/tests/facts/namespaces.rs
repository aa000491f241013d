//! A namespace that is at the target already: what it keeps, and what it lacks.

use serde_json::{Value, json};

use super::{judged, nothing, warning};
use crate::plan::Findings;
use crate::plan::tests::fixture::thing;
use crate::recovery::Existing;

/// What is found when the source had these labels and the target has those.
fn with(source: Value, target: Value, existing: Existing) -> Findings {
    judged(move |case, _| {
        let namespace = |labels: Value| {
            let mut namespace = thing("Namespace", "shop", &json!({}));
            namespace.edit(|it| it["metadata"]["labels"] = labels);
            namespace
        };
        case.objects.insert(namespace(source));
        if !target.is_null() {
            case.target.insert(namespace(target));
        }
        case.goal.existing = existing;
    })
}

#[test]
fn labels_that_a_namespace_at_the_target_lacks_are_named() {
    let source = json!({
        "istio-injection": "enabled", "kubernetes.io/metadata.name": "shop-of-before", "team": "shop",
        "pod-security.kubernetes.io/enforce": "privileged",
    });
    let target = json!({
        "kubernetes.io/metadata.name": "shop", "pod-security.kubernetes.io/enforce": "baseline", "team": "shop", "own": "yes",
    });
    let found = with(source.clone(), target, Existing::Fail);
    assert_eq!(
        warning(&found, "namespace-labels"),
        "Namespace shop: it is at the target already and stays as it is, without labels that the point has of it: istio-injection=enabled, \
         pod-security.kubernetes.io/enforce=privileged (there: baseline)"
    );
    nothing(&with(source.clone(), Value::Null, Existing::Fail));
    nothing(&with(source.clone(), source.clone(), Existing::Fail));
    for existing in [Existing::Skip, Existing::Update] {
        nothing(&with(source.clone(), json!({}), existing));
    }
    for nonsense in [json!(null), json!(7), json!([]), json!({})] {
        nothing(&with(nonsense, json!({ "a": "b" }), Existing::Fail));
    }
}

#[test]
fn of_many_labels_some_are_named() {
    let many: serde_json::Map<String, Value> =
        (0..9).map(|one| (format!("l{one}"), json!("x"))).collect();
    let found = with(json!(many), json!({}), Existing::Fail);
    let told = warning(&found, "namespace-labels");
    assert!(told.ends_with("l5=x and 3 more"), "{told}");
}
