//! Who may do what in the whole cluster: which roles and bindings are a protection's own, and who writes a kind. Called by `scope`
//! and by `plan`.

use std::collections::BTreeSet;

use crate::json::Json;

use super::scope::{Scope, inside, is_protected};
use super::{Inventory, Thing, ThingId};
use crate::backup::Required;

/// Whose accounts a binding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subjects {
    /// Only protected ones.
    Inside,
    /// Protected ones and others.
    Both,
    /// Others, or nobody.
    Outside,
}

fn subjects(binding: &Thing, namespaces: &[String]) -> Subjects {
    let all = binding.list("/subjects");
    let ours = all
        .iter()
        .filter(|subject| is_inside(subject, namespaces))
        .count();
    match ours {
        0 => Subjects::Outside,
        _ if ours == all.len() => Subjects::Inside,
        _ => Subjects::Both,
    }
}

/// An account, by its name as a user, too, or all accounts of a namespace.
fn is_inside(subject: &Json, namespaces: &[String]) -> bool {
    let text = |key: &str| subject.get(key).and_then(Json::as_str);
    let name = text("name").unwrap_or_default();
    let namespace = match text("kind") {
        Some("ServiceAccount") => text("namespace"),
        Some("User") => name
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| Some(rest.split_once(':')?.0)),
        Some("Group") => name.strip_prefix("system:serviceaccounts:"),
        _ => None,
    };
    namespace.is_some_and(|namespace| is_protected(namespace, namespaces))
}

fn role_name(binding: &Thing) -> Option<&str> {
    (binding.text("/roleRef/kind") == Some("ClusterRole"))
        .then(|| binding.text("/roleRef/name"))
        .flatten()
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn is_built_in(thing: &Thing) -> bool {
    thing.label("kubernetes.io/bootstrapping") == Some("rbac-defaults")
}

/// A binding whose subjects are all inside is owned; a role that only such bindings use, too. What is shared with others is
/// required: the other site must have it.
pub(super) fn own_rbac(inventory: &Inventory, namespaces: &[String], scope: &mut Scope) {
    let mut used_inside: BTreeSet<&str> = BTreeSet::new();
    let mut used_outside: BTreeSet<&str> = BTreeSet::new();
    for binding in inventory.of_kind(RBAC, "ClusterRoleBinding") {
        let whose = subjects(binding, namespaces);
        match whose {
            Subjects::Inside => scope.owned.push(binding.id()),
            Subjects::Both if !is_built_in(binding) => scope.required.push(Required {
                thing: binding.id(),
                why: "it binds accounts of the protected namespaces and others".to_owned(),
            }),
            Subjects::Both | Subjects::Outside => {}
        }
        if let Some(role) = role_name(binding) {
            if whose != Subjects::Outside {
                used_inside.insert(role);
            }
            if whose != Subjects::Inside {
                used_outside.insert(role);
            }
        }
    }
    for binding in inventory.of_kind(RBAC, "RoleBinding") {
        if let Some(role) = role_name(binding) {
            let _ = if inside(binding, namespaces) {
                used_inside.insert(role)
            } else {
                used_outside.insert(role)
            };
        }
    }
    for role in used_inside {
        let id = ThingId::cluster(RBAC, "ClusterRole", role);
        let Some(thing) = inventory.get(&id) else {
            continue;
        };
        if is_built_in(thing) {
            continue;
        }
        if used_outside.contains(role) {
            scope.required.push(Required {
                thing: id,
                why: "bound inside and outside the protected namespaces".to_owned(),
            });
        } else {
            scope.owned.push(id);
        }
    }
}

/// Does a rule list give write access to a resource?
pub fn grants(role: &Thing, group: &str, plural: &str) -> bool {
    let has = |rule: &Json, key: &str, wanted: &[&str]| {
        rule.get(key)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .any(|one| wanted.contains(&one))
    };
    let status = format!("{plural}/status");
    let finalizers = format!("{plural}/finalizers");
    role.list("/rules").iter().any(|rule| {
        has(rule, "apiGroups", &[group, "*"])
            && has(
                rule,
                "resources",
                &[plural, &status, &finalizers, "*", "*/*"],
            )
            && has(rule, "verbs", &["update", "patch", "*"])
    })
}

/// ServiceAccounts (namespace, name) that may write a resource.
pub fn writers(inventory: &Inventory, group: &str, plural: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for binding in inventory
        .of_kind(RBAC, "ClusterRoleBinding")
        .chain(inventory.of_kind(RBAC, "RoleBinding"))
    {
        let name = binding.text("/roleRef/name").unwrap_or_default();
        let role = match binding.text("/roleRef/kind") {
            Some("ClusterRole") => inventory.get(&ThingId::cluster(RBAC, "ClusterRole", name)),
            _ => inventory.find(RBAC, "Role", binding.namespace().unwrap_or_default(), name),
        };
        // What may do everything is no operator of anything.
        let specific = role.is_some_and(|role| {
            grants(role, group, plural) && !grants(role, "no-such-group.invalid", plural)
        });
        if !specific {
            continue;
        }
        for subject in binding.list("/subjects") {
            let text = |key: &str| subject.get(key).and_then(Json::as_str);
            if text("kind") == Some("ServiceAccount") {
                let namespace = text("namespace")
                    .or(binding.namespace())
                    .unwrap_or_default();
                found.insert((
                    namespace.to_owned(),
                    text("name").unwrap_or_default().to_owned(),
                ));
            }
        }
    }
    found
}
