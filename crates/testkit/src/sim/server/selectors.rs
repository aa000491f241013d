//! Label selectors: the text of a request's parameter, and `matchLabels`/`matchExpressions` of objects.

use crate::sim::look::Look as _;
use serde_json::Value;

use super::list;

fn label<'a>(labels: Option<&'a Value>, key: &str) -> Option<&'a str> {
    labels?.get(key)?.as_str()
}

/// Whether an object matches `a=b,c!=d,e,!f,g in (x,y)`.
pub(super) fn matches(object: &Value, selector: Option<&str>) -> bool {
    let Some(selector) = selector.filter(|text| !text.is_empty()) else {
        return true;
    };
    let labels = object.at("/metadata/labels");
    terms(selector)
        .iter()
        .all(|term| holds(labels, term.trim()))
}

/// Splits at commas outside of parentheses.
fn terms(selector: &str) -> Vec<String> {
    let (mut terms, mut depth) = (vec![String::new()], 0);
    for letter in selector.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            terms.push(String::new());
        } else if let Some(term) = terms.last_mut() {
            term.push(letter);
        }
    }
    terms
}

fn holds(labels: Option<&Value>, term: &str) -> bool {
    let among = |values: &str, value: Option<&str>| {
        let values = values.trim().trim_start_matches('(').trim_end_matches(')');
        value.is_some_and(|value| values.split(',').any(|one| one.trim() == value))
    };
    if let Some((key, values)) = term.split_once(" notin ") {
        return !among(values, label(labels, key.trim()));
    }
    if let Some((key, values)) = term.split_once(" in ") {
        return among(values, label(labels, key.trim()));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return label(labels, key.trim()) != Some(value.trim());
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return label(labels, key.trim()) == Some(value.trim());
    }
    match term.strip_prefix('!') {
        Some(key) => label(labels, key.trim()).is_none(),
        None => label(labels, term).is_some(),
    }
}

/// Whether labels match a selector object; an absent or empty one matches everything.
pub(in crate::sim) fn selects(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(selector) = selector else {
        return true;
    };
    let pairs = selector.get("matchLabels").and_then(Value::as_object);
    let all = pairs
        .into_iter()
        .flatten()
        .all(|(key, value)| label(labels, key) == value.as_str());
    all && list(selector, "/matchExpressions").iter().all(|one| {
        let key = one.get("key").and_then(Value::as_str).unwrap_or_default();
        let value = label(labels, key);
        let among = || list(one, "/values").iter().any(|one| one.as_str() == value);
        match one.get("operator").and_then(Value::as_str) {
            Some("In") => value.is_some() && among(),
            Some("NotIn") => value.is_none() || !among(),
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            _ => false,
        }
    })
}
