//! What the operator of a random application makes and owns: Secrets for its resources, and sometimes the claims beside them.
//!
//! Drawn last, so that a seed means what it meant before.

use serde_json::json;

use super::Drawing;

impl Drawing<'_> {
    pub(super) fn owners(&mut self) {
        let how = *self.lots.pick(&["none", "kind", "kind", "strict"]);
        let owns_claims = self.lots.chance(40);
        let mut objects = self.made.objects.iter_mut();
        let definition = objects.find(|(resource, _)| resource.kind == "CustomResourceDefinition");
        let Some((_, definition)) = definition.filter(|_| how != "none") else {
            return;
        };
        definition["metadata"]["annotations"]["sim.refloat.io/secrets"] = json!(how);
        self.say(format!("its operator makes Secrets ({how})"));
        if owns_claims {
            let caches = self.made.objects.iter();
            let caches = caches.filter(|(resource, _)| resource.kind == "Cache");
            self.made.claim_owners = caches
                .map(|(_, cache)| cache["metadata"].clone())
                .filter_map(|place| {
                    let text = |key: &str| place[key].as_str().map(str::to_owned);
                    Some((text("namespace")?, text("name")?))
                })
                .collect();
            self.say("and owns the claims beside its resources".to_owned());
        }
    }
}
