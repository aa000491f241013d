//! What controllers put into every namespace: a table of outside facts, each with who makes it. Called by `inside` and by `plan`.

use super::{Inventory, Thing, ThingId};

const RBAC: &str = "rbac.authorization.k8s.io";
/// In every namespace of an OpenShift, and nowhere else.
const OF_OPENSHIFT: &str = "openshift-service-ca.crt";

/// Group, kind and name, with who makes it.
const MADE: &[(&str, &str, &str, &str)] = &[
    ("", "ConfigMap", "istio-ca-root-cert", "Istio"),
    ("", "ConfigMap", OF_OPENSHIFT, "OpenShift"),
    (RBAC, "RoleBinding", "system:deployers", "OpenShift"),
    (RBAC, "RoleBinding", "system:image-builders", "OpenShift"),
    (RBAC, "RoleBinding", "system:image-pullers", "OpenShift"),
];

/// Accounts that OpenShift makes: elsewhere these are names like others.
const ACCOUNTS: &[&str] = &["builder", "deployer"];
/// Accounts that it gives Secrets to, with how the names of these go on.
const WITH_SECRETS: &[&str] = &["builder", "deployer", "default"];
const SECRETS: &[&str] = &["-dockercfg-", "-token-"];

/// Who makes a thing of this name in every namespace; `None` for what is somebody's.
pub fn made_everywhere(id: &ThingId) -> Option<&'static str> {
    id.namespace.as_ref()?;
    let mut all = MADE.iter();
    let found = all.find(|(group, kind, name, _)| id.is(group, kind) && id.name == *name);
    found.map(|(_, _, _, maker)| *maker)
}

/// The same with a look at what else is in its namespace.
pub fn made_everywhere_in(inventory: &Inventory, thing: &Thing) -> Option<&'static str> {
    let is_account = || thing.is("", "ServiceAccount") && ACCOUNTS.contains(&thing.name());
    if is_account() || is_secret_of_account(thing) {
        let mark = inventory.find("", "ConfigMap", thing.namespace()?, OF_OPENSHIFT);
        return mark.map(|_| "OpenShift");
    }
    made_everywhere(&thing.id)
}

fn is_secret_of_account(thing: &Thing) -> bool {
    let mut rests = WITH_SECRETS
        .iter()
        .filter_map(|account| thing.name().strip_prefix(account));
    thing.is("", "Secret") && rests.any(|rest| SECRETS.iter().any(|start| rest.starts_with(start)))
}
