//! Who had an address when the point was taken: pods by theirs, Services by that of the cluster. An address that two had, or a node's, is nobody's.
//!
//! Called by `seen`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::inventory::Thing;
use crate::json::Json;
use crate::plan::context::Context;

/// Pods and Services of the protection by address.
pub(super) struct Addresses<'c, 'a> {
    context: &'c Context<'a>,
    pods: ByAddress<'a>,
    services: ByAddress<'a>,
}

type ByAddress<'a> = BTreeMap<IpAddr, Option<&'a Thing>>;

impl<'c, 'a> Addresses<'c, 'a> {
    pub(super) fn of(context: &'c Context<'a>) -> Self {
        let pods = near(context, "Pod").filter(|pod| has_own_address(pod));
        Self {
            context,
            pods: by_address(pods, "/status/podIP", "/status/podIPs"),
            services: by_address(
                near(context, "Service"),
                "/spec/clusterIP",
                "/spec/clusterIPs",
            ),
        }
    }

    /// The carried thing that the pod of this address comes from; a pod of its own is itself.
    pub(super) fn behind_pod(&self, address: IpAddr) -> Option<&'a Thing> {
        let pod = self.pods.get(&address).copied().flatten()?;
        let own = self.context.things.get(&pod.id()).copied();
        own.or_else(|| self.context.root(pod))
    }

    pub(super) fn service(&self, address: IpAddr) -> Option<&'a Thing> {
        self.services.get(&address).copied().flatten()
    }
}

fn near<'a>(context: &Context<'a>, kind: &str) -> impl Iterator<Item = &'a Thing> {
    let all = context.objects.of_kind("", kind);
    let near = all.filter(|thing| {
        thing
            .namespace()
            .is_some_and(|one| context.is_protected(one))
    });
    near.collect::<Vec<_>>().into_iter()
}

/// False for a pod that has its node's address, and for one that has ended and whose address is another's by now.
fn has_own_address(pod: &Thing) -> bool {
    let is_of_node = pod.at("/spec/hostNetwork") == Some(&Json::Bool(true));
    !is_of_node && !matches!(pod.text("/status/phase"), Some("Succeeded" | "Failed"))
}

fn by_address<'a>(things: impl Iterator<Item = &'a Thing>, one: &str, more: &str) -> ByAddress<'a> {
    let mut found = ByAddress::new();
    for thing in things {
        let all = thing.list(more).iter();
        // A Service lists texts, a pod maps.
        let all = all.filter_map(|entry| entry.as_str().or_else(|| entry.get("ip")?.as_str()));
        for text in all.chain(thing.text(one)) {
            let Ok(address) = text.parse::<IpAddr>() else {
                continue;
            };
            let known = found.entry(address.to_canonical()).or_insert(Some(thing));
            if known.is_some_and(|known| known.id != thing.id) {
                *known = None;
            }
        }
    }
    found
}
