//! What is left of a look after the engine has done something.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::json;

use super::*;
use crate::driver::{
    Answer, ExecRequest, FieldOwner, Outcome, Patch, Precondition, Propagation, Repeat,
};
use crate::inventory::Resource;

fn object(name: &str) -> ObjectRef {
    let resource = Resource::namespaced("v1", "Secret", "secrets");
    ObjectRef::namespaced(resource, "shop", name)
}

/// Which of two objects a look still knows after an effect; `None` when it is not to be used at all.
fn left(effect: &Effect) -> Option<Vec<&'static str>> {
    let mut seen = Seen::default();
    for name in ["a", "b"] {
        seen.insert(Query::Object(object(name)), Answer::Object(None));
    }
    let mut ahead = Ahead {
        looking: Doing::new(async move { seen }),
        touched: Vec::new(),
    };
    if !ahead.survives(effect) {
        return None;
    }
    let end = pin!(ahead.end());
    let Poll::Ready(seen) = end.poll(&mut Context::from_waker(Waker::noop())) else {
        return None;
    };
    let known = ["a", "b"].into_iter();
    Some(
        known
            .filter(|name| seen.has(&Query::Object(object(name))))
            .collect(),
    )
}

#[test]
fn what_an_effect_has_touched_is_not_taken_from_a_look_that_began_before_it_ended() {
    let create = Effect::Create {
        resource: object("a").resource,
        object: json!({ "metadata": { "name": "a", "namespace": "shop" } }),
        owner: FieldOwner::refloat(),
    };
    let patch = Effect::Patch {
        object: object("a"),
        patch: Patch::Merge(json!({})),
        precondition: Precondition::default(),
        subresource: None,
    };
    let delete = Effect::Delete {
        object: object("a"),
        precondition: Precondition::default(),
        propagation: Propagation::Background,
    };
    for effect in [create, patch, delete] {
        assert_eq!(left(&effect), Some(vec!["b"]), "{}", effect.describe());
    }
    let keep = Effect::Keep(Outcome::default());
    assert_eq!(left(&keep), Some(vec!["a", "b"]));
    let command = Effect::Exec {
        request: ExecRequest {
            namespace: "shop".to_owned(),
            pod: "db-0".to_owned(),
            container: None,
            command: Vec::new(),
            input: String::new(),
            limit_seconds: 1,
        },
        repeat: Repeat::Safe,
    };
    assert_eq!(left(&command), None, "it may have done anything");
}
