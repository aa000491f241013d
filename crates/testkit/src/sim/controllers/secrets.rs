//! Secrets that an operator makes for its resources: a new password where there is none, the one that is there otherwise.

use crate::sim::look::Look as _;
use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::{Store, list, owner, text};
use crate::sim::server::resource;

/// Of a definition whose operator makes Secrets: `kind`, or `strict` for one that refuses a Secret that is not its own.
const SECRETS: &str = "sim.refloat.io/secrets";

/// Another one each time, in Base64.
fn password(live: &Value) -> String {
    let uid = text(live, "/metadata/uid").unwrap_or_default();
    let letters: String = uid.chars().filter(char::is_ascii_alphanumeric).collect();
    let length = letters.len().next_multiple_of(4);
    format!("{letters:A<length$}")
}

/// Makes the Secret of a resource; true while the operator refuses the one that it finds, and says so in the status.
pub(super) fn are_refused(
    store: &mut Store,
    definition: &Value,
    reference: &ObjectRef,
    live: &Value,
) -> bool {
    let how = definition.at("/metadata/annotations");
    let Some(how) = how.and_then(|all| all.get(SECRETS)?.as_str()) else {
        return false;
    };
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    let name = format!("{}-password", reference.name);
    let secret = ObjectRef::namespaced(resource("Secret"), namespace, &name);
    let Some(found) = store.get(&secret).cloned() else {
        let made = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": name, "namespace": namespace, "ownerReferences": owner(live) },
            "data": { "password": password(live) },
        });
        store.make(&resource("Secret"), made);
        return false;
    };
    let uid = text(live, "/metadata/uid");
    let own = list(&found, "/metadata/ownerReferences").any(|one| text(one, "/uid") == uid);
    let refused = json!([{ "type": "Ready", "status": "False", "reason": "NotOurs" }]);
    let is_refused = live.at("/status/conditions") == Some(&refused);
    if how == "strict" && !own {
        if !is_refused {
            store.write(
                reference,
                live,
                json!({ "status": { "conditions": refused } }),
            );
        }
        return true;
    }
    if is_refused {
        store.write(reference, live, json!({ "status": null }));
    }
    is_refused
}
