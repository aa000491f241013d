//! The same value, the same text and the same answers as of `serde_json`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Json, Tree};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~.A-Z]{0,24}", inner, 0..6)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    for (key, inner) in value.as_object().into_iter().flatten() {
        let key = key.replace('~', "~0").replace('/', "~1");
        pointers(inner, &format!("{at}/{key}"), found);
    }
    for (place, inner) in value.as_array().into_iter().flatten().enumerate() {
        pointers(inner, &format!("{at}/{place}"), found);
    }
}

proptest! {
    #[test]
    fn it_is_the_same_value_and_the_same_text(value in value()) {
        let json = Json::from(&value);
        prop_assert_eq!(&json, &value);
        prop_assert_eq!(&json.to_value(), &value);
        prop_assert_eq!(&Json::from(value.clone()), &json);
        prop_assert_eq!(json.to_string(), value.to_string());
        let read: Json = serde_json::from_str(&value.to_string()).unwrap();
        prop_assert_eq!(&read, &serde_json::from_str::<Value>(&value.to_string()).unwrap());
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        for pointer in all {
            let found = json.pointer(&pointer).map(Json::to_value);
            prop_assert_eq!(found.as_ref(), value.pointer(&pointer), "{}", pointer);
            let same = Tree::at(&json, &pointer).and_then(Tree::text) == Tree::at(&value, &pointer).and_then(Tree::text);
            prop_assert!(same, "{}", pointer);
        }
    }

    #[test]
    fn another_value_is_another(one in value(), other in value()) {
        let (mine, its) = (Json::from(&one), Json::from(&other));
        prop_assert_eq!(mine == its, one == other);
        prop_assert_eq!(mine == other, one == other);
    }

    #[test]
    fn a_pointer_that_leads_nowhere_finds_what_serde_json_finds(value in value(), pointer in "(/[a0-2~+]{0,3}){0,4}|[a-z/]{0,4}") {
        let found = Json::from(&value).pointer(&pointer).map(Json::to_value);
        prop_assert_eq!(found.as_ref(), value.pointer(&pointer));
    }
}

#[test]
fn of_two_fields_with_one_name_the_later_stays() {
    let text = r#"{"b":1,"a":{"x":1},"b":2,"a":[7],"b":3}"#;
    let json: Json = serde_json::from_str(text).unwrap();
    assert_eq!(json, serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(json.to_string(), r#"{"a":[7],"b":3}"#);
}

#[test]
fn what_is_not_there_is_null() {
    let json = Json::from(json!({ "a": [1] }));
    assert!(json["b"]["c"].is_null());
    assert!(json["a"][1].is_null());
    assert_eq!(json["a"][0].as_u64(), Some(1));
}

#[test]
fn broken_text_is_an_error() {
    for text in ["", "{", "{\"a\"}", "[1,]", "nul", "{\"a\":1}x", "{1:2}"] {
        assert!(serde_json::from_str::<Json>(text).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(serde_json::from_str::<Json>(&deep).is_err());
}

/// As a part of something that is told apart by a field, as the journal has it.
#[test]
fn it_is_read_through_other_formats_buffers() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    #[serde(tag = "kind")]
    enum Record {
        One { object: Json },
    }
    let text = r#"{"object":{"a":null,"n":-1,"s":"x","t":true},"kind":"One"}"#;
    let record: Record = serde_json::from_str(text).unwrap();
    let Record::One { object } = &record;
    assert_eq!(object.to_string(), r#"{"a":null,"n":-1,"s":"x","t":true}"#);
    let again = serde_json::to_value(&record).unwrap();
    assert_eq!(serde_json::from_value::<Record>(again).unwrap(), record);
}
