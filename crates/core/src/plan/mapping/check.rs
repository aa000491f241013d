//! Mappings that cannot be meant: names that are none, two that fall together, ones that match nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Mapped, MappedKind, Mappings, registries};
use crate::backup::PointContent;
use crate::driver::Problem;
use crate::names::SYSTEM_NAMESPACE;

/// The mappings that can be used; the rest are problems.
pub(super) fn usable(
    mappings: &Mappings,
    point: &PointContent,
    problems: &mut Vec<Problem>,
) -> Mappings {
    let mut good = mappings.clone();
    // What keeps its name needs nothing.
    for map in [&mut good.namespaces, &mut good.registries, &mut good.hosts] {
        map.retain(|old, new| old != new);
    }
    good.namespaces.retain(|_, new| {
        let fits = is_label(new) && new != SYSTEM_NAMESPACE;
        if !fits {
            problems.push(invalid(
                "namespace",
                new,
                "use 1 to 63 lower-case letters, digits and `-`, and not Refloat's own namespace",
            ));
        }
        fits
    });
    apart(&good.namespaces, point, problems);
    good.registries.retain(|old, new| {
        let wrong = [old, new]
            .into_iter()
            .find(|one| !registries::is_prefix(one));
        if let Some(wrong) = wrong {
            problems.push(invalid(
                "registry",
                wrong,
                "name the registry first and no tag: `docker.io/library`, `registry.example.com/team`",
            ));
        }
        wrong.is_none()
    });
    good.hosts.retain(|old, new| {
        let fits = is_host(old) && is_host(new) && old.starts_with('*') == new.starts_with('*');
        if !fits {
            problems.push(invalid(
                "host",
                &format!("{old}={new}"),
                "write `shop.example.com=shop.dr.example.com`, or `*.example.com=*.dr.example.com` for all below",
            ));
        }
        fits
    });
    good
}

fn invalid(what: &str, name: &str, hint: &str) -> Problem {
    Problem::stuck(
        "mapping-invalid",
        format!("`{name}` cannot be used to map a {what}"),
        hint,
    )
}

fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn is_host(name: &str) -> bool {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    plain.len() <= 253
        && plain
            .split('.')
            .all(|label| is_label(&label.to_ascii_lowercase()))
}

/// Objects of two namespaces that become one would take each other's names.
fn apart(namespaces: &BTreeMap<String, String>, point: &PointContent, problems: &mut Vec<Problem>) {
    let all: BTreeSet<&String> = point.namespaces.iter().chain(namespaces.keys()).collect();
    let mut by_new: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for old in all {
        let new = namespaces.get(old).unwrap_or(old);
        by_new.entry(new).or_default().push(old);
    }
    for (new, olds) in by_new {
        if olds.len() > 1 {
            problems.push(Problem::stuck(
                "mapping-collision",
                format!(
                    "the namespaces {} would all be `{new}`: their objects would take each other's names",
                    olds.iter().map(|old| format!("`{old}`")).collect::<Vec<_>>().join(", ")
                ),
                "give each a name of its own with `--map-namespace`",
            ));
        }
    }
}

/// A mapping that touches nothing is a mistake in it.
pub(super) fn unused(mapped: &Mapped, point: &PointContent) -> Problem {
    let hint = match mapped.kind {
        MappedKind::Namespace => format!(
            "the point holds the namespaces {}",
            point.namespaces.join(", ")
        ),
        MappedKind::StorageClass => {
            let mut classes: Vec<&str> = point
                .parts
                .iter()
                .map(|part| part.storage_class.as_str())
                .collect();
            classes.sort_unstable();
            classes.dedup();
            format!("its volumes are of the classes {}", classes.join(", "))
        }
        MappedKind::Registry => {
            "compare with the images of the workloads: whole components count, and `nginx` is `docker.io/library/nginx`".to_owned()
        }
        MappedKind::Host => {
            "only typed fields follow (Ingress, Gateway API, Certificates, external-dns); write a patch for others".to_owned()
        }
        MappedKind::Patch => "compare its target with the steps of the plan".to_owned(),
    };
    Problem::stuck(
        "mapping-unused",
        format!(
            "nothing in the point has the {} `{}` to be mapped",
            mapped.kind.as_str(),
            mapped.from
        ),
        hint,
    )
}
