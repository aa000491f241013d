//! What is still known after the engine has done something.

use serde_json::json;

use super::*;
use crate::driver::{
    FieldOwner, ListRequest, ObjectRef, Outcome, Precondition, Propagation, RehearsalRequest,
};
use crate::inventory::Resource;

fn of(kind: &str, name: &str) -> ObjectRef {
    let plural = format!("{}s", kind.to_lowercase());
    ObjectRef::namespaced(Resource::namespaced("v1", kind, &plural), "shop", name)
}

fn list(kind: &str) -> Query {
    Query::List(ListRequest {
        resource: of(kind, "").resource,
        namespace: Some("shop".to_owned()),
        labels: BTreeMap::from([("app".to_owned(), "db".to_owned())]),
    })
}

/// How many of four answers are left: of a Pod, another one, pods, and Secrets.
fn left(effect: &Effect) -> Vec<bool> {
    let queries = [
        Query::Object(of("Pod", "db-0")),
        Query::Object(of("Pod", "db-1")),
        list("Pod"),
        list("Secret"),
    ];
    let mut known = Known::default();
    for query in &queries {
        known.seen.insert(query.clone(), Answer::List(Vec::new()));
    }
    known.touched(effect);
    queries.iter().map(|query| known.seen.has(query)).collect()
}

/// A webhook's configuration that was created has a say in all that is tried from then on.
#[test]
fn what_was_tried_before_an_object_was_created_is_not_known_after_it() {
    let tried = Query::Rehearsal(RehearsalRequest {
        resource: of("Secret", "").resource,
        namespace: Some("shop".to_owned()),
        name: "one".to_owned(),
        object: "{}".to_owned(),
    });
    let mut known = Known::default();
    known.seen.insert(tried.clone(), Answer::Yes);
    known.touched(&Effect::Create {
        resource: Resource::cluster(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
        ),
        object: json!({ "metadata": { "name": "checks" } }),
        owner: FieldOwner::refloat(),
    });
    assert!(!known.seen.has(&tried));
}

#[test]
fn what_was_seen_before_an_effect_ended_is_not_known_after_it() {
    let delete = Effect::Delete {
        object: of("Pod", "db-0"),
        precondition: Precondition::default(),
        propagation: Propagation::Background,
    };
    assert_eq!(left(&delete), [false, true, false, true]);
    let create = Effect::Create {
        resource: of("Secret", "").resource,
        object: json!({ "metadata": { "name": "new", "namespace": "shop" } }),
        owner: FieldOwner::refloat(),
    };
    assert_eq!(left(&create), [true, true, true, false]);
    assert_eq!(left(&Effect::Keep(Outcome::default())), [true; 4]);
    let grant = Effect::GrantVault {
        namespace: "shop".to_owned(),
        name: "vault".to_owned(),
        labels: BTreeMap::new(),
    };
    assert_eq!(left(&grant), [false; 4]);
}
