//! What stands in many objects is kept once: names of fields, labels, who owns which fields, the spec that a Deployment's pods share.
//!
//! Tables of fixed size: what was read last has a place, so what repeats is found, and what is different in every object only passes
//! through. Parts are built from the inside out, so two that are the same have the same parts inside, and comparing them looks no deeper.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use ecow::EcoString;
use foldhash::fast::{FixedState, FoldHasher};

use super::{Fields, Json};

/// Longer texts are hardly ever the same.
const BYTES_MAX: usize = 2048;
/// Longer lists and larger objects neither.
const ITEMS_MAX: usize = 64;
/// Places of a table; a power of two. With more of them each is further from the processor: what repeats does so soon.
const PLACES: usize = 1024;

type Field = (EcoString, Json);

thread_local! {
    static TEXTS: RefCell<Vec<EcoString>> = RefCell::new(vec![EcoString::new(); PLACES]);
    static ITEMS: RefCell<Vec<Arc<[Json]>>> = RefCell::new(vec![Arc::default(); PLACES]);
    static FIELDS: RefCell<Vec<Arc<[Field]>>> = RefCell::new(vec![Arc::default(); PLACES]);
}

fn place(hasher: &FoldHasher<'_>) -> usize {
    usize::try_from(hasher.finish() % PLACES as u64).unwrap_or_default()
}

/// The text, shared with an earlier one that is the same where there is one at hand. Short ones lie in place.
pub(crate) fn text(text: &str) -> EcoString {
    if text.len() <= EcoString::INLINE_LIMIT || text.len() > BYTES_MAX {
        return EcoString::from(text);
    }
    let mut hasher = FixedState::default().build_hasher();
    text.hash(&mut hasher);
    TEXTS.with_borrow_mut(|texts| {
        let there = &mut texts[place(&hasher)];
        if there != text {
            *there = EcoString::from(text);
        }
        there.clone()
    })
}

/// The items of a list, shared in the same way.
pub(super) fn items(all: Vec<Json>) -> Arc<[Json]> {
    if all.len() > ITEMS_MAX {
        return all.into();
    }
    let mut hasher = FixedState::default().build_hasher();
    for item in &all {
        hash(item, &mut hasher);
    }
    ITEMS.with_borrow_mut(|kept| {
        let there = &mut kept[place(&hasher)];
        let same = |(one, other)| is_same(one, other);
        if there.len() != all.len() || !there.iter().zip(&all).all(same) {
            *there = all.into();
        }
        Arc::clone(there)
    })
}

/// The fields of an object, ordered, shared in the same way.
pub(super) fn fields(all: Vec<Field>) -> Fields {
    if all.len() > ITEMS_MAX {
        return Fields(all.into());
    }
    let mut hasher = FixedState::default().build_hasher();
    for (name, value) in &all {
        name.hash(&mut hasher);
        hash(value, &mut hasher);
    }
    FIELDS.with_borrow_mut(|kept| {
        let there = &mut kept[place(&hasher)];
        let same =
            |((name, one), (key, other)): (&Field, &Field)| name == key && is_same(one, other);
        if there.len() != all.len() || !there.iter().zip(&all).all(same) {
            *there = all.into();
        }
        Fields(Arc::clone(there))
    })
}

/// What is inside counts by where it lies.
fn hash(value: &Json, hasher: &mut FoldHasher<'_>) {
    match value {
        Json::Null => {}
        Json::Bool(it) => it.hash(hasher),
        Json::Number(it) => it.hash(hasher),
        Json::String(it) => it.hash(hasher),
        Json::Array(all) => Arc::as_ptr(all).hash(hasher),
        Json::Object(Fields(all)) => Arc::as_ptr(all).hash(hasher),
    }
}

fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => Arc::ptr_eq(one, other),
        (Json::Object(Fields(one)), Json::Object(Fields(other))) => Arc::ptr_eq(one, other),
        // The two zeros are equal and not the same.
        (Json::Number(one), Json::Number(other)) if one.is_f64() && other.is_f64() => {
            one.as_f64().map(f64::to_bits) == other.as_f64().map(f64::to_bits)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_repeats_is_kept_once() {
        let label = "app.kubernetes.io/managed-by";
        let (one, other) = (text(label), text(label));
        assert_eq!(one, label);
        assert_eq!(one.as_ptr(), other.as_ptr());
        let long = "x".repeat(BYTES_MAX + 1);
        assert_eq!(text(&long), long);
        assert_ne!(text(&long).as_ptr(), text(&long).as_ptr());
    }

    #[test]
    fn every_text_comes_back_as_it_is_however_many_there_are() {
        for number in 0..3 * PLACES {
            let one = format!("a text that is different each time: {number}");
            assert_eq!(text(&one), one);
        }
    }

    fn pod(name: &str) -> Value {
        json!({ "metadata": { "name": name, "labels": { "app": "web", "tier": "front" } },
            "spec": { "containers": [{ "image": "example.com/web:1", "ports": [{ "containerPort": 80 }] }] } })
    }

    #[test]
    fn parts_that_are_the_same_are_one_and_others_are_not() {
        let (one, other) = (Json::from(pod("web-0")), Json::from(pod("web-1")));
        assert!(is_same(&one["spec"], &other["spec"]));
        assert!(is_same(
            &one["metadata"]["labels"],
            &other["metadata"]["labels"]
        ));
        assert!(!is_same(&one["metadata"], &other["metadata"]));
        assert_eq!(one, pod("web-0"));
        assert_eq!(other, pod("web-1"));
    }

    #[test]
    fn a_part_that_is_changed_is_nobody_elses() {
        let (mut one, other) = (Json::from(pod("web-0")), Json::from(pod("web-1")));
        let labels = one.fields_mut(&["metadata", "labels"]).unwrap();
        *labels.get_mut("tier").unwrap() = Json::of_text("back");
        assert_eq!(one["metadata"]["labels"]["tier"], "back");
        assert_eq!(other, pod("web-1"));
        assert_eq!(Json::from(pod("web-2")), pod("web-2"));
    }

    #[test]
    fn what_only_looks_alike_is_told_apart() {
        for (one, other) in [
            (json!([1, 2]), json!([12])),
            (json!([null]), json!([])),
            (json!([1]), json!(["1"])),
            (json!([true]), json!([1])),
            (json!([[]]), json!([{}])),
            (json!({ "ab": "c" }), json!({ "a": "bc" })),
            (json!({ "a": null }), json!({})),
            (json!([1]), json!([1.0])),
        ] {
            let (first, second) = (Json::from(one.clone()), Json::from(other.clone()));
            assert_eq!(first, one);
            assert_eq!(second, other);
            assert_ne!(first, second);
        }
        let zeros = ["[0.0]", "[-0.0]", "[0.0]"];
        let kept = zeros.map(|zero| serde_json::from_str::<Json>(zero).unwrap().to_string());
        assert_eq!(kept, zeros);
    }
}
