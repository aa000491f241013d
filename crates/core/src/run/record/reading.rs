//! Reading a record without holding it twice: what tells records apart stands first, as it was written, so that a plan of a hundred
//! megabytes is read where it belongs. The derived way keeps everything until it has seen which record it is.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::Record;
use crate::run::{Evidence, RunPlan};

/// What tells records apart.
const TAG: &str = "record";
/// The record that carries the plan.
const STARTED: &str = "started";

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Whole)
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Record;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record of a journal")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Record, A::Error> {
        let mut all = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if name == TAG && all.is_empty() {
                let kind: String = fields.next_value()?;
                if kind == STARTED {
                    return started(fields);
                }
                all.insert(name, Value::String(kind));
            } else {
                all.insert(name, fields.next_value()?);
            }
        }
        Record::deserialize(Value::Object(all)).map_err(A::Error::custom)
    }
}

fn started<'de, A: MapAccess<'de>>(mut fields: A) -> Result<Record, A::Error> {
    let mut at: Option<Timestamp> = None;
    let mut plan: Option<Arc<RunPlan>> = None;
    let mut evidence: Option<Evidence> = None;
    while let Some(name) = fields.next_key::<String>()? {
        match name.as_str() {
            "at" => at = Some(fields.next_value()?),
            "plan" => plan = Some(fields.next_value()?),
            "evidence" => evidence = fields.next_value()?,
            _ => {
                fields.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(Record::Started {
        at: at.ok_or_else(|| A::Error::missing_field("at"))?,
        plan: plan.ok_or_else(|| A::Error::missing_field("plan"))?,
        evidence,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::RunKind;

    fn started() -> Record {
        Record::Started {
            at: Timestamp::from_second(1_767_225_600).unwrap(),
            plan: Arc::new(RunPlan {
                kind: RunKind::Restore,
                run: "restore-1".parse().unwrap(),
                protection: "shop".parse().unwrap(),
                site: "recovery".parse().unwrap(),
                point: None,
                mover_image: "refloat:1".to_owned(),
                steps: Vec::new(),
            }),
            evidence: None,
        }
    }

    #[test]
    fn records_are_read_as_they_are_written_in_whatever_order_their_fields_are() {
        let text = serde_json::to_string(&started()).unwrap();
        assert!(text.starts_with(r#"{"record":"started","at":"#), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), started());
        // A tree has its fields by name: what tells the record apart comes last.
        let tree = serde_json::to_value(started()).unwrap();
        assert_eq!(
            serde_json::from_value::<Record>(tree.clone()).unwrap(),
            started()
        );
        assert_eq!(
            serde_json::from_str::<Record>(&tree.to_string()).unwrap(),
            started()
        );
        let later = text.replace(r#""at""#, r#""later":{"a":[1]},"at""#);
        assert_eq!(serde_json::from_str::<Record>(&later).unwrap(), started());
        let resumed = Record::Resumed {
            at: Timestamp::from_second(1_767_225_600).unwrap(),
            why: "resume".to_owned(),
            evidence: Some(Evidence::Isolated),
        };
        let text = serde_json::to_string(&resumed).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), resumed);
    }

    #[test]
    fn what_was_said_of_the_source_is_read_where_it_was_written() {
        let bare = serde_json::to_string(&started()).unwrap();
        assert!(!bare.contains("evidence"), "{bare}");
        let reason = "fire".to_owned();
        let mut with = started();
        if let Record::Started { evidence, .. } = &mut with {
            *evidence = Some(Evidence::SourceDead { reason });
        }
        let text = serde_json::to_string(&with).unwrap();
        let said = r#""evidence":{"said":"source-dead","reason":"fire"}"#;
        assert!(text.contains(said), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), with);
        let tree = serde_json::to_value(&with).unwrap();
        assert_eq!(serde_json::from_value::<Record>(tree).unwrap(), with);
        let nothing = text.replace(said, r#""evidence":null"#);
        assert_eq!(serde_json::from_str::<Record>(&nothing).unwrap(), started());
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for broken in [
            json!(7),
            json!([]),
            json!({}),
            json!({ "record": 7 }),
            json!({ "record": "unheard-of", "at": "2026-01-01T00:00:00Z" }),
            json!({ "record": "started", "at": "2026-01-01T00:00:00Z" }),
            json!({ "record": "resumed" }),
        ] {
            let text = broken.to_string();
            assert!(serde_json::from_str::<Record>(&text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Record>(r#"{"record":"started","plan":{}}"#).is_err());
    }
}
