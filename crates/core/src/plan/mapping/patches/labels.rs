//! Label selectors as kubectl takes them: `app=web`, `tier!=cache`, `app in (web, api)`, `app notin (db)`, `app`, `!app`.

use crate::json::Json;

/// One condition on labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    /// Values that it may have, or may not; any when there are none.
    values: Vec<String>,
    negated: bool,
}

impl Requirement {
    /// Whether an object's labels are so. As in Kubernetes `!=` and `notin` hold for objects without the label.
    pub(super) fn fits(&self, object: &Json) -> bool {
        let label = object
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(&self.key)?.as_str());
        let has = label.is_some_and(|label| {
            self.values.is_empty() || self.values.iter().any(|value| value == label)
        });
        has != self.negated
    }
}

/// Reads a selector; all its conditions must hold.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut all = Vec::new();
    for one in split(text) {
        let one = one.trim();
        if one.is_empty() && text.trim().is_empty() {
            continue;
        }
        all.push(requirement(one).ok_or_else(|| format!("`{one}` is no condition on labels"))?);
    }
    Ok(all)
}

/// At commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c: char| {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    })
    .collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    let of = |key: &str, values: Vec<String>, negated: bool| {
        let key = key.trim();
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let good = !key.is_empty() && key.chars().all(inner);
        good.then(|| Requirement {
            key: key.to_owned(),
            values,
            negated,
        })
    };
    let value = |text: &str| {
        let text = text.trim();
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        text.chars().all(inner).then(|| text.to_owned())
    };
    if let Some((key, one)) = text.split_once("!=") {
        return of(key, vec![value(one)?], true);
    }
    if let Some((key, one)) = text.split_once('=') {
        let one = one.strip_prefix('=').unwrap_or(one);
        return of(key, vec![value(one)?], false);
    }
    if let Some(key) = text.strip_prefix('!') {
        return of(key, Vec::new(), true);
    }
    if let Some((head, list)) = text.split_once('(') {
        let list = list.strip_suffix(')')?;
        let values: Vec<String> = list.split(',').map(value).collect::<Option<_>>()?;
        let mut words = head.split_whitespace();
        let (key, verb) = (words.next()?, words.next()?);
        return match (verb, words.next()) {
            ("in", None) => of(key, values, false),
            ("notin", None) => of(key, values, true),
            _ => None,
        };
    }
    of(text, Vec::new(), false)
}
