//! Pods wait for their ServiceAccount and all that it may do; a binding waits for its role and its subjects.

use crate::json::Json;

use super::super::context::{Context, account, write_step};
use super::super::links::spec_path;
use super::{CERTAIN, Drawn, Rule};
use crate::inventory::{Thing, ThingId};

pub(super) const RULE: Rule = Rule {
    name: "ACCOUNT_BEFORE_USER",
    reason: "a pod is refused without its ServiceAccount, and an operator without its rights crashes or does half",
    confidence: CERTAIN,
    draw,
};

const RBAC: &str = "rbac.authorization.k8s.io";

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    let bindings = context
        .of_kind(RBAC, "RoleBinding")
        .chain(context.of_kind(RBAC, "ClusterRoleBinding"));
    for binding in bindings {
        drawn.extend(role_of(context, binding));
        let step = write_step(&binding.id());
        for (namespace, name) in subjects(binding) {
            let account = ThingId::namespaced("", "ServiceAccount", &namespace, &name);
            if context.has(&account) {
                let evidence = format!("{}: subjects", binding.id());
                drawn.push(Drawn::new(step.clone(), write_step(&account), evidence));
            }
            for thing in context.users_of(&namespace, &name) {
                let evidence = format!("{} gives rights to ServiceAccount {name}", binding.id());
                drawn.push(Drawn::new(write_step(&thing.id()), step.clone(), evidence));
            }
        }
    }
    for (thing, _) in context.workloads() {
        let (Some(namespace), Some(account)) = (thing.namespace(), account(thing)) else {
            continue;
        };
        let id = ThingId::namespaced("", "ServiceAccount", namespace, account);
        if context.has(&id) {
            let evidence = format!("{}: {}.serviceAccountName", thing.id(), spec_path(thing));
            drawn.push(Drawn::new(
                write_step(&thing.id()),
                write_step(&id),
                evidence,
            ));
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
    let evidence = format!("{}: roleRef", binding.id());
    context
        .has(&id)
        .then(|| Drawn::new(write_step(&binding.id()), write_step(&id), evidence))
}

fn subjects(binding: &Thing) -> Vec<(String, String)> {
    binding
        .list("/subjects")
        .iter()
        .filter(|subject| subject.get("kind").and_then(Json::as_str) == Some("ServiceAccount"))
        .filter_map(|subject| {
            let text = |key: &str| subject.get(key).and_then(Json::as_str);
            let namespace = text("namespace").or(binding.namespace())?;
            Some((namespace.to_owned(), text("name")?.to_owned()))
        })
        .collect()
}
