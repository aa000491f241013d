//! What of the protected namespaces themselves comes back, and what is left to those who make it anew. Called by `scope` and, for a
//! stored point, by `plan`.

use super::ended::{ended, outlives};
use super::endpoints::{self, is_endpoints};
use super::everywhere::made_everywhere_in;
use super::owners::{Owners, managed_by};
use super::scope::{LeftOut, Scope, inside};
use super::{Inventory, Thing, ThingId};
use crate::lookup::Known;
use crate::readiness::is_custom;

/// Kinds that a cluster makes anew by itself, each with the reason.
const MADE_ANEW: &[(&str, &str, &str)] = &[
    ("", "Event", "tells of the past"),
    ("events.k8s.io", "Event", "tells of the past"),
    ("coordination.k8s.io", "Lease", "held by a running process"),
    ("apps", "ControllerRevision", "kept by its workload"),
    ("metrics.k8s.io", "PodMetrics", "measured anew"),
    // Points of before have these.
    (
        "packages.operators.coreos.com",
        "PackageManifest",
        "read from a catalogue",
    ),
    (
        "authorization.openshift.io",
        "Role",
        "a view of the Role of the same name",
    ),
    (
        "authorization.openshift.io",
        "RoleBinding",
        "a view of the RoleBinding of the same name",
    ),
    (
        "snapshot.storage.k8s.io",
        "VolumeSnapshot",
        "a copy at the old site",
    ),
    (
        "groupsnapshot.storage.k8s.io",
        "VolumeGroupSnapshot",
        "a copy at the old site",
    ),
    ("", "PersistentVolumeClaim", "made by the storage steps"),
];

/// What of the namespaces themselves is carried and what is left out; cluster-scoped things are not looked at.
pub fn inside_scope(inventory: &Inventory, namespaces: &[String]) -> Scope {
    let mut scope = Scope::default();
    let owners = Owners::of(inventory);
    let mut secrets = Vec::new();
    for thing in inventory.iter().filter(|thing| inside(thing, namespaces)) {
        let owner = owners.owner(thing);
        let is_owned = owner.is_some_and(|owner| !outlives(thing, owner));
        let by_owner = || (is_owned && !is_secret(thing)).then(|| made_by(thing));
        let everywhere = || {
            let maker = made_everywhere_in(inventory, thing)?;
            Some(format!("made in every namespace by {maker}"))
        };
        let anew = if is_endpoints(thing) {
            endpoints::made_anew(inventory, &owners, thing).map(str::to_owned)
        } else {
            made_anew(thing).or_else(everywhere)
        };
        match anew.or_else(by_owner).or_else(|| stays(thing)) {
            Some(why) => leave(&mut scope, thing, why),
            None if is_owned => secrets.push(thing),
            None => scope.carried.push(thing.id()),
        }
    }
    let carried = Known::of(&scope.carried);
    let (come, stay): (Vec<&Thing>, Vec<&Thing>) = secrets
        .into_iter()
        .partition(|secret| is_operators(secret, &owners, &carried));
    scope.carried.extend(come.into_iter().map(Thing::id));
    for secret in stay {
        leave(&mut scope, secret, made_by(secret));
    }
    scope
}

fn leave(scope: &mut Scope, thing: &Thing, why: String) {
    scope.left_out.push(LeftOut {
        thing: thing.id(),
        why,
    });
}

fn made_by(thing: &Thing) -> String {
    let owner = managed_by(thing);
    let text = |key: &str| owner.and_then(|owner| owner.get(key)?.as_str());
    let (kind, name) = (text("kind"), text("name"));
    format!(
        "made by its owner {} {}",
        kind.unwrap_or_default(),
        name.unwrap_or_default()
    )
}

fn is_secret(thing: &Thing) -> bool {
    thing.is("", "Secret")
}

/// True for a Secret that an operator made, for its resource or for what it makes of that. It comes back: a password is made from
/// chance, and the data knows the one of before.
fn is_operators(secret: &Thing, owners: &Owners<'_>, carried: &Known<&ThingId>) -> bool {
    owners.above(secret).iter().any(|owner| {
        let comes = !owner.resource.namespaced || carried.has(&owner.id());
        is_custom(&owner.resource.group) && comes
    })
}

/// Why a cluster makes a thing by itself, whoever owns it.
fn made_anew(thing: &Thing) -> Option<String> {
    let found = MADE_ANEW
        .iter()
        .find(|(group, kind, _)| thing.is(group, kind));
    found.map(|(_, _, why)| (*why).to_owned())
}

/// Why a thing that nobody makes does not come back.
fn stays(thing: &Thing) -> Option<String> {
    let is_token = thing.text("/type") == Some("kubernetes.io/service-account-token");
    let of_account = || thing.annotation("kubernetes.io/service-account.name");
    if is_secret(thing) && is_token && of_account().is_none() {
        return Some("a token of the old cluster".to_owned());
    }
    if thing.text("/metadata/deletionTimestamp").is_some() && !thing.is("", "Namespace") {
        return Some("was being deleted".to_owned());
    }
    if let Some(why) = ended(thing) {
        return Some(why.to_owned());
    }
    let ignored = thing.annotation("meta.refloat.io/ignore").is_some();
    ignored.then(|| "marked with meta.refloat.io/ignore".to_owned())
}
