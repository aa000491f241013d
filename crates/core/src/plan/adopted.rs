//! What the cluster, or a controller in it, makes in every namespace by itself. Called by `steps` and by who looks at a target.

use super::conflicts::there;
use super::context::Context;
use crate::inventory::{Thing, ThingId, made_everywhere};

/// Made in every namespace by Kubernetes itself: awaited, not written.
pub(super) fn is_adopted(id: &ThingId) -> bool {
    (id.is("", "ServiceAccount") && id.name == "default")
        || (id.is("", "ConfigMap") && id.name == "kube-root-ca.crt")
}

/// Made in every namespace by the cluster itself.
pub(crate) fn is_made_by_cluster(id: &ThingId) -> bool {
    is_adopted(id) || made_everywhere(id).is_some()
}

/// What the cluster makes in a namespace that this recovery brings is nobody's.
pub(super) fn is_nobodys(context: &Context<'_>, thing: &Thing) -> bool {
    let namespace = thing.namespace().unwrap_or_default();
    let namespace = ThingId::cluster("", "Namespace", namespace);
    there(context.target, &namespace).is_none()
}
