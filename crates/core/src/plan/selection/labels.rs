//! Label selectors as the Kubernetes API reads them: `app=web,tier!=x`, `tier in (a, b)`, `!canary`.
//! Source: `k8s.io/apimachinery/pkg/labels/selector.go`; its `>` and `<` are not for labels of objects and are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::what::WhatError;

/// What is asked of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    /// Also true of what has no such label.
    NotIn(BTreeSet<String>),
}

/// All of these must hold; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<(String, Test)>);

fn is_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text
            .chars()
            .all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => {
            !prefix.is_empty()
                && prefix.len() <= 253
                && prefix
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
                && is_name(name)
        }
        None => is_name(text),
    }
}

/// Splits at commas that stand outside of parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut from, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if inside => return Err("a parenthesis in a parenthesis".to_owned()),
            '(' => inside = true,
            ')' if !inside => return Err("a `)` without its `(`".to_owned()),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("a `(` without its `)`".to_owned());
    }
    parts.push(&text[from..]);
    Ok(parts)
}

fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || is_name(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` cannot be a label's value"))
    }
}

fn values(text: &str) -> Result<BTreeSet<String>, String> {
    let inner = text
        .trim()
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or("`in` and `notin` want values in parentheses: `tier in (a, b)`")?;
    inner.split(',').map(value).collect()
}

fn requirement(text: &str) -> Result<(String, Test), String> {
    let text = text.trim();
    let (absent, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let end = rest
        .find(|c: char| c.is_whitespace() || "=!<>(),".contains(c))
        .unwrap_or(rest.len());
    let (key, operator) = (&rest[..end], rest[end..].trim());
    if !is_key(key) {
        return Err(format!("`{key}` cannot be a label's key"));
    }
    let one = |text: &str| value(text).map(|value| BTreeSet::from([value]));
    let asked = match (absent, operator) {
        (true, "") => Test::Absent,
        (true, _) => {
            return Err(format!(
                "`!{key}` asks that the label is absent, and no more"
            ));
        }
        (false, "") => Test::Exists,
        (false, operator) => {
            if let Some(rest) = operator.strip_prefix("!=") {
                Test::NotIn(one(rest)?)
            } else if let Some(rest) = operator.strip_prefix("==").or(operator.strip_prefix('=')) {
                Test::In(one(rest)?)
            } else if let Some(rest) = operator.strip_prefix("notin") {
                Test::NotIn(values(rest)?)
            } else if let Some(rest) = operator.strip_prefix("in") {
                Test::In(values(rest)?)
            } else {
                return Err(format!("`{operator}` is no operator that is known"));
            }
        }
    };
    Ok((key.to_owned(), asked))
}

impl Selector {
    pub(super) fn read(text: &str) -> Result<Self, WhatError> {
        let wrong = |why: String| WhatError::Selector {
            text: text.to_owned(),
            why,
        };
        let parts = split(text).map_err(wrong)?;
        let all: Result<Vec<_>, String> = parts.into_iter().map(requirement).collect();
        all.map(Self).map_err(wrong)
    }

    pub(super) fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, test)| {
            let value = labels.get(key);
            match test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
                Test::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
            }
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &BTreeSet<String>| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            values.join(",")
        };
        let all: Vec<String> = self
            .0
            .iter()
            .map(|(key, test)| match test {
                Test::Exists => key.clone(),
                Test::Absent => format!("!{key}"),
                Test::In(values) if values.len() == 1 => format!("{key}={}", list(values)),
                Test::In(values) => format!("{key} in ({})", list(values)),
                Test::NotIn(values) if values.len() == 1 => format!("{key}!={}", list(values)),
                Test::NotIn(values) => format!("{key} notin ({})", list(values)),
            })
            .collect();
        formatter.write_str(&all.join(","))
    }
}
