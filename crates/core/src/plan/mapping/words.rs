//! Host names inside texts: of Services by their namespace, and of users by a mapping.

use std::collections::{BTreeMap, BTreeSet};

/// Pieces of a text that could be host names.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '*');
    text.split(move |c: char| !inner(c))
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty())
}

/// Where in a cluster's own host name its namespace stands: `db.shop.svc`, or `db.shop` when that Service is known.
pub(super) fn namespace_of<'a>(
    host: &'a str,
    services: &BTreeSet<(String, String)>,
) -> Option<(usize, &'a str)> {
    let labels: Vec<&str> = host.split('.').collect();
    let is = |at: usize, what: &str| {
        labels
            .get(at)
            .is_some_and(|one| one.eq_ignore_ascii_case(what))
    };
    let marked = (1..labels.len()).find(|&at| {
        let zone = labels.len() == at + 2 || is(at + 2, "cluster");
        (is(at + 1, "svc") || is(at + 1, "pod")) && zone
    });
    let at = marked.or_else(|| {
        let last = labels.len().checked_sub(1).filter(|&last| last > 0)?;
        let known = (labels[last].to_owned(), labels[last - 1].to_owned());
        services.contains(&known).then_some(last)
    })?;
    Some((at, labels[at]))
}

/// A cluster's own host name with its namespace mapped, and the old namespace.
pub(super) fn mapped_service<'a>(
    host: &'a str,
    namespaces: &BTreeMap<String, String>,
    services: &BTreeSet<(String, String)>,
) -> Option<(&'a str, String)> {
    let (at, old) = namespace_of(host, services)?;
    let new = namespaces.get(old)?;
    let mut labels: Vec<&str> = host.split('.').collect();
    labels[at] = new;
    Some((old, labels.join(".")))
}

/// A users' host name mapped, and the mapping's old name: the exact one first, then the longest `*.` that holds it.
pub(super) fn mapped_host<'a>(
    host: &str,
    hosts: &'a BTreeMap<String, String>,
) -> Option<(&'a str, String)> {
    let low = host.to_ascii_lowercase();
    if let Some((old, new)) = hosts
        .iter()
        .find(|(old, _)| old.to_ascii_lowercase() == low)
    {
        return Some((old, new.clone()));
    }
    hosts
        .iter()
        .filter_map(|(old, new)| {
            let below = old.strip_prefix('*')?.to_ascii_lowercase();
            let start = low.strip_suffix(&below).filter(|start| !start.is_empty())?;
            Some((old, format!("{start}{}", new.strip_prefix('*')?)))
        })
        .max_by_key(|(old, _)| old.len())
        .map(|(old, host)| (old.as_str(), host))
}
