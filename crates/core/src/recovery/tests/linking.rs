//! What one look at an object and its owner makes of the two.

use serde_json::{Value, json};

use crate::driver::{Answer, Class, Effect, ObjectRef, Patch, Problem, Query, Seen, Verdict};
use crate::inventory::Resource;
use crate::names::RunId;
use crate::recovery::Linking;

fn secret() -> ObjectRef {
    let secrets = Resource::namespaced("v1", "Secret", "secrets");
    ObjectRef::namespaced(secrets, "shop", "password")
}

fn database() -> ObjectRef {
    let databases = Resource::namespaced("example.com/v1", "Database", "databases");
    ObjectRef::namespaced(databases, "shop", "db")
}

fn linking() -> Linking {
    Linking {
        object: secret(),
        owner: database(),
        controller: true,
        blocks: true,
    }
}

fn owner() -> Value {
    json!({ "metadata": { "name": "db", "uid": "new" } })
}

#[expect(clippy::needless_pass_by_value, reason = "so that cases read well")]
fn object(run: &str, owners: Value) -> Value {
    json!({ "metadata": {
        "name": "password", "uid": "secret", "resourceVersion": "4", "ownerReferences": owners,
        "annotations": { "refloat.io/recovery": run },
    } })
}

fn mine() -> Value {
    object("restore-1", Value::Null)
}

fn decide(linking: &Linking, owner: Option<Value>, object: Option<Value>) -> Verdict {
    let mut seen = Seen::default();
    seen.insert(Query::Object(database()), Answer::Object(owner));
    seen.insert(Query::Object(secret()), Answer::Object(object));
    linking.decide(&RunId::new("restore-1").unwrap(), &seen)
}

fn left(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Done(outcome) => outcome.facts.get(Linking::FACT)?[0].as_str(),
        other => panic!("it is not left: {other:?}"),
    }
}

fn owners(verdict: &Verdict) -> &Value {
    match verdict {
        Verdict::Act(effects) => match &effects[..] {
            [
                Effect::Patch {
                    object,
                    patch: Patch::Merge(patch),
                    precondition,
                    subresource: None,
                },
            ] => {
                assert_eq!(*object, secret());
                assert_eq!(precondition.resource_version.as_deref(), Some("4"));
                &patch["metadata"]["ownerReferences"]
            }
            other => panic!("{other:?}"),
        },
        other => panic!("it does not act: {other:?}"),
    }
}

#[test]
fn an_object_gets_its_owner_with_the_uid_that_it_has_now() {
    let by = |uid: &str| {
        json!({ "apiVersion": "example.com/v1", "kind": "Database", "name": "db", "uid": uid,
            "controller": true, "blockOwnerDeletion": true })
    };
    let verdict = decide(&linking(), Some(owner()), Some(mine()));
    assert_eq!(*owners(&verdict), json!([by("new")]));
    let friend = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "friend", "uid": "f" });
    let object = |owners: Value| Some(object("restore-1", owners));
    let verdict = decide(&linking(), Some(owner()), object(json!([friend])));
    assert_eq!(*owners(&verdict), json!([friend, by("new")]));
    // Twice is once.
    let done = decide(
        &linking(),
        Some(owner()),
        object(json!([friend, by("new")])),
    );
    assert_eq!(left(&done), None);
    let plain = Linking {
        controller: false,
        blocks: false,
        ..linking()
    };
    let verdict = decide(&plain, Some(owner()), object(json!([friend])));
    let reference =
        json!({ "apiVersion": "example.com/v1", "kind": "Database", "name": "db", "uid": "new" });
    assert_eq!(*owners(&verdict), json!([friend, reference]));
}

#[test]
fn no_owner_is_named_that_is_not_there_or_goes() {
    let going =
        json!({ "metadata": { "uid": "new", "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    let no_uid = json!({ "metadata": { "name": "db" } });
    for owner in [None, Some(going.clone()), Some(no_uid)] {
        let verdict = decide(&linking(), owner, Some(mine()));
        assert_eq!(
            left(&verdict),
            Some(
                "Secret shop/password stays without its owner Database.example.com shop/db: the owner is not there"
            )
        );
    }
    for object in [None, Some(going)] {
        let verdict = decide(&linking(), Some(owner()), object);
        assert!(left(&verdict).unwrap().ends_with("it is not there"));
    }
}

#[test]
fn what_somebody_manages_or_made_is_left_as_it_is() {
    let taken = json!([{ "kind": "Cache", "name": "c", "uid": "c", "controller": true }]);
    let object = |run: &str, owners: &Value| Some(object(run, owners.clone()));
    let verdict = decide(&linking(), Some(owner()), object("restore-1", &taken));
    assert!(left(&verdict).unwrap().ends_with("Cache c manages it"));
    // Beside one who manages it there is room for one who does not.
    let plain = Linking {
        controller: false,
        ..linking()
    };
    let verdict = decide(&plain, Some(owner()), object("restore-1", &taken));
    assert_eq!(owners(&verdict).as_array().unwrap().len(), 2);
    // Deleting the owner, as a rollback does, would take with it what was there before.
    for foreign in ["restore-0", ""] {
        let verdict = decide(&linking(), Some(owner()), object(foreign, &Value::Null));
        assert_eq!(left(&verdict), None, "{foreign}");
    }
}

#[test]
fn what_cannot_be_read_is_not_decided() {
    let mut seen = Seen::default();
    let refused = Problem::of(Class::Retry, "throttled", "slow down", "it is tried again");
    seen.insert(Query::Object(database()), Answer::Refused(refused));
    seen.insert(Query::Object(secret()), Answer::Object(Some(mine())));
    let verdict = linking().decide(&RunId::new("restore-1").unwrap(), &seen);
    assert!(matches!(verdict, Verdict::Wait(_)), "{verdict:?}");
}
