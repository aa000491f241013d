//! Makes sure that Refloat's own namespace exists.

use serde_json::json;

use crate::driver::{Effect, FieldOwner, ObjectRef, Outcome, Query, Seen, Verdict, Why};
use crate::inventory::Resource;
use crate::names::SYSTEM_NAMESPACE;

fn namespace() -> ObjectRef {
    let resource = Resource::cluster("v1", "Namespace", "namespaces");
    ObjectRef::cluster(resource, SYSTEM_NAMESPACE)
}

/// Reads the namespace.
pub fn look() -> Vec<Query> {
    vec![Query::Object(namespace())]
}

/// Creates it when it is not there, waits while it is going away.
pub fn decide(seen: &Seen) -> Verdict {
    match seen.object(&namespace()) {
        Err(problem) => problem.into(),
        Ok(None) => Verdict::Act(vec![Effect::Create {
            resource: namespace().resource,
            object: json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": SYSTEM_NAMESPACE,
                    "labels": {
                        "app.kubernetes.io/managed-by": "refloat",
                        "pod-security.kubernetes.io/enforce": "privileged",
                    },
                },
            }),
            owner: FieldOwner::refloat(),
        }]),
        Ok(Some(live)) if live.pointer("/metadata/deletionTimestamp").is_some() => {
            Verdict::Wait(Why::new(
                "namespace-terminating",
                format!("namespace {SYSTEM_NAMESPACE} is being deleted"),
            ))
        }
        Ok(Some(_)) => Verdict::Done(Outcome::default()),
    }
}
