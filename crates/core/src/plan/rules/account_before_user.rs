//! Pods wait for their ServiceAccount and all that it may do; a binding waits for its role and its subjects.

use serde_json::Value;

use super::super::context::{Context, write_step};
use super::{Drawn, Rule};
use crate::inventory::{Thing, ThingId};

pub(super) const RULE: Rule = Rule {
    name: "ACCOUNT_BEFORE_USER",
    reason: "a pod is refused without its ServiceAccount, and an operator without its rights crashes or does half",
    draw,
};

const RBAC: &str = "rbac.authorization.k8s.io";

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    let bindings: Vec<&Thing> = context
        .of_kind(RBAC, "RoleBinding")
        .chain(context.of_kind(RBAC, "ClusterRoleBinding"))
        .collect();
    for binding in &bindings {
        drawn.extend(role_of(context, binding));
        for (namespace, name) in subjects(binding) {
            let account = ThingId::namespaced("", "ServiceAccount", &namespace, &name);
            if context.has(&account) {
                let step = write_step(&binding.id());
                drawn.push(Drawn::new(step, write_step(&account), "subjects"));
            }
        }
    }
    for (thing, spec) in context.workloads() {
        let namespace = thing.namespace().unwrap_or_default();
        let account = spec
            .get("serviceAccountName")
            .and_then(Value::as_str)
            .unwrap_or("default");
        let id = ThingId::namespaced("", "ServiceAccount", namespace, account);
        if context.has(&id) {
            let step = write_step(&thing.id());
            drawn.push(Drawn::new(step, write_step(&id), "serviceAccountName"));
        }
        for binding in &bindings {
            let ours = subjects(binding)
                .iter()
                .any(|(where_, name)| where_ == namespace && name == account);
            if ours {
                let evidence = format!("{} gives rights to ServiceAccount {account}", binding.id());
                drawn.push(Drawn::new(
                    write_step(&thing.id()),
                    write_step(&binding.id()),
                    evidence,
                ));
            }
        }
    }
    drawn
}

fn role_of(context: &Context<'_>, binding: &Thing) -> Option<Drawn> {
    let name = binding.text("/roleRef/name")?;
    let id = match binding.text("/roleRef/kind")? {
        "ClusterRole" => ThingId::cluster(RBAC, "ClusterRole", name),
        _ => ThingId::namespaced(RBAC, "Role", binding.namespace()?, name),
    };
    context
        .has(&id)
        .then(|| Drawn::new(write_step(&binding.id()), write_step(&id), "roleRef"))
}

fn subjects(binding: &Thing) -> Vec<(String, String)> {
    binding
        .list("/subjects")
        .iter()
        .filter(|subject| subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount"))
        .filter_map(|subject| {
            let text = |key: &str| subject.get(key).and_then(Value::as_str);
            let namespace = text("namespace").or(binding.namespace())?;
            Some((namespace.to_owned(), text("name")?.to_owned()))
        })
        .collect()
}
