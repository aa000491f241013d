//! What the rules look at: the carried things by identity, with the steps that write them, and by what else they are
//! looked for, so that no rule looks at everything for each thing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::thread;

use crate::json::{Fields, Json};

use super::connections::Connections;
use super::labelled::{ByLabel, member_of, own_labels, pod_labels};
use super::links::{self, Link};
use super::operators::{Grounds, operators};
use crate::backup::{Member, Part, PointContent};
use crate::driver::Role;
use crate::inventory::{Inventory, LeftOut, Resource, Scope, Thing, ThingId, inside_scope};
use crate::lookup::{Known, Lookup};
use crate::names::SYSTEM_NAMESPACE;

pub(super) struct Context<'a> {
    /// Carried things by identity.
    pub(super) things: BTreeMap<ThingId, &'a Thing>,
    /// Everything of the point, for owners and grants.
    pub(super) objects: &'a Inventory,
    /// Volumes that are filled.
    pub(super) parts: &'a [Part],
    /// Claimed workloads and volumes.
    pub(super) members: &'a [Member],
    /// Kinds that the target serves.
    pub(super) target: &'a Inventory,
    /// The first resource of each group and kind that the target serves.
    served: Lookup<(&'a str, &'a str), &'a Resource>,
    /// The point as it was taken, before any mapping.
    pub(super) source: &'a PointContent,
    /// Objects that the user has patched, as they are written.
    pub(super) written: Option<&'a BTreeMap<ThingId, Json>>,
    /// Connections that were seen, by names at the target.
    pub(super) connections: Option<&'a Connections>,
    /// Workloads that are operators of carried definitions: by group and plural, with what tells so.
    pub(super) operators: BTreeMap<(String, String), BTreeMap<ThingId, Grounds>>,
    /// What texts of a workload name, by workload.
    links: OnceLock<BTreeMap<ThingId, Vec<Link>>>,
    /// Carried workloads by the labels of their pods.
    pub(super) pods: ByLabel<'a>,
    /// Carried Services by their own labels.
    pub(super) services: ByLabel<'a>,
    /// Workloads that are not carried, as their owner makes them, by the labels of their pods.
    pub(super) children: ByLabel<'a>,
    /// Workloads by namespace and ServiceAccount.
    by_account: BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a Thing>>>,
    by_uid: Lookup<&'a str, &'a Thing>,
    engines: BTreeMap<&'a ThingId, &'a Member>,
    /// Carried things that run pods, with the pods' spec.
    workloads: Vec<(&'a Thing, &'a Json)>,
    /// Keys of the labels and annotations that carried things have: most of what rules ask for nobody uses.
    marks: Known<&'a str>,
    /// Groups of carried things by their kind.
    groups: BTreeMap<&'a str, BTreeSet<&'a str>>,
    operator_ids: BTreeSet<ThingId>,
    namespaces: BTreeSet<&'a str>,
}

/// Of two that serve one kind the first counts.
fn served_first(target: &Inventory) -> Lookup<(&str, &str), &Resource> {
    // Of two with one key the later stays.
    let all = target.served.iter().rev();
    all.map(|one| ((one.group.as_str(), one.kind.as_str()), one))
        .collect()
}

/// Id of the step that writes a thing.
pub(super) fn write_step(id: &ThingId) -> String {
    format!("write {id}")
}

pub(super) fn hand_over_step(part: &str) -> String {
    format!("hand over {part}")
}

pub(super) fn ready_step(member: &str) -> String {
    format!("ready {member}")
}

/// Owners of owners are followed so far.
const OWNERS_MAX: usize = 8;

impl<'a> Context<'a> {
    pub(super) fn of(
        point: &'a PointContent,
        objects: &'a Inventory,
        target: &'a Inventory,
    ) -> (Self, Vec<LeftOut>) {
        let (scope, ids, by_uid) = read(point, objects);
        let carried = Known::of(scope.carried.iter().chain(&point.owned));
        let things: BTreeMap<ThingId, &Thing> =
            ids.into_iter().filter(|(id, _)| carried.has(id)).collect();
        let carried = || things.values().copied();
        let left_out = scope
            .left_out
            .iter()
            .filter_map(|one| objects.get(&one.thing));
        let mut by_account: BTreeMap<_, BTreeMap<_, Vec<&Thing>>> = BTreeMap::new();
        let workloads: Vec<(&Thing, &Json)> = carried()
            .filter_map(|thing| Some((thing, thing.pod_spec()?)))
            .collect();
        let pods = || workloads.iter().map(|(thing, _)| *thing);
        for thing in pods() {
            if let (Some(namespace), Some(account)) = (thing.namespace(), account(thing)) {
                let near = by_account.entry(namespace).or_default();
                near.entry(account).or_default().push(thing);
            }
        }
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for thing in carried() {
            let of_kind = groups.entry(&thing.resource.kind).or_default();
            of_kind.insert(&thing.resource.group);
        }
        let is_service =
            |thing: &&Thing| thing.resource.group.is_empty() && thing.resource.kind == "Service";
        let mut context = Self {
            pods: ByLabel::of(pods(), pod_labels),
            services: ByLabel::of(carried().filter(is_service), own_labels),
            children: ByLabel::of(left_out.filter(|one| one.pod_spec().is_some()), pod_labels),
            marks: Known::of(carried().flat_map(marks)),
            workloads,
            by_account,
            groups,
            by_uid,
            engines: point
                .members
                .iter()
                .filter(|member| role(member) != Role::Volume)
                .map(|member| (&member.thing, member))
                .collect(),
            things,
            objects,
            parts: &point.parts,
            members: &point.members,
            target,
            served: served_first(target),
            source: point,
            written: None,
            connections: None,
            operators: BTreeMap::new(),
            links: OnceLock::new(),
            operator_ids: BTreeSet::new(),
            namespaces: point.namespaces.iter().map(String::as_str).collect(),
        };
        context.operators = operators(&context);
        context.operator_ids = context
            .operators
            .values()
            .flat_map(BTreeMap::keys)
            .cloned()
            .collect();
        (context, scope.left_out)
    }

    /// Group and kind of all that is carried.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.groups
            .iter()
            .flat_map(|(kind, groups)| groups.iter().map(|group| (*group, *kind)))
    }

    pub(super) fn of_kind<'b>(
        &'b self,
        group: &'b str,
        kind: &'b str,
    ) -> impl Iterator<Item = &'a Thing> + 'b {
        // Identities are ordered by group and kind: all of one kind stand together.
        self.things
            .range(ThingId::cluster(group, kind, "")..)
            .take_while(move |(id, _)| id.is(group, kind))
            .map(|(_, thing)| *thing)
    }

    /// Workloads that are operators of a carried definition, with what tells so.
    pub(super) fn operators_of(
        &self,
        definition: &Thing,
    ) -> impl Iterator<Item = (&ThingId, &Grounds)> {
        let text = |pointer| definition.text(pointer).unwrap_or_default().to_owned();
        let key = (text("/spec/group"), text("/spec/names/plural"));
        self.operators.get(&key).into_iter().flatten()
    }

    /// What the target serves of a group and kind: asked for each of many things.
    pub(super) fn serves(&self, group: &str, kind: &str) -> Option<&'a Resource> {
        self.served.get(&(group, kind)).copied()
    }

    pub(super) fn has(&self, id: &ThingId) -> bool {
        self.things.contains_key(id)
    }

    /// Carried things that a reference means: of this kind and name, in this namespace or of the cluster.
    pub(super) fn meant(
        &self,
        group: Option<&str>,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Vec<ThingId> {
        let groups = self.groups.get(kind).into_iter().flatten();
        groups
            .filter(|one| group.is_none_or(|group| group == **one))
            .filter_map(|group| {
                let near = namespace.map(|one| ThingId::namespaced(group, kind, one, name));
                near.into_iter()
                    .chain([ThingId::cluster(group, kind, name)])
                    .find(|id| self.has(id))
            })
            .collect()
    }

    /// True for a namespace that the point holds.
    pub(super) fn is_protected(&self, namespace: &str) -> bool {
        self.namespaces.contains(namespace)
    }

    pub(super) fn is_operator(&self, id: &ThingId) -> bool {
        self.operator_ids.contains(id)
    }

    /// True for an operator of what a custom resource is defined by.
    pub(super) fn runs(&self, operator: &ThingId, id: &ThingId) -> bool {
        self.is_operator(operator)
            && self
                .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
                .filter(|one| one.text("/spec/group") == Some(&id.group))
                .filter(|one| one.text("/spec/names/kind") == Some(&id.kind))
                .any(|one| self.operators_of(one).any(|(of, _)| of == operator))
    }

    /// True for a custom resource whose operator and definition both come with the recovery.
    pub(super) fn is_operated(&self, id: &ThingId) -> bool {
        let new = |definition: &Thing| self.target.get(&definition.id()).is_none();
        // Most things are of no custom kind.
        id.group.contains('.')
            && self
                .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
                .filter(|one| one.text("/spec/group") == Some(&id.group))
                .filter(|one| one.text("/spec/names/kind") == Some(&id.kind))
                .any(|one| {
                    let plural = one.text("/spec/names/plural").unwrap_or_default();
                    let key = (id.group.clone(), plural.to_owned());
                    new(one) && self.operators.contains_key(&key)
                })
    }

    /// Things that run pods.
    pub(super) fn workloads(&self) -> impl Iterator<Item = (&'a Thing, &'a Json)> + '_ {
        self.workloads.iter().copied()
    }

    /// What texts of workloads name, by workload; found when it is first asked for.
    pub(super) fn links(&self) -> &BTreeMap<ThingId, Vec<Link>> {
        self.links.get_or_init(|| links::links(self))
    }

    /// True when a carried thing has a label or an annotation of one of these keys.
    pub(super) fn is_marked(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.marks.has(*key))
    }

    /// The context as if only these came back.
    pub(super) fn retain(&mut self, chosen: &BTreeSet<ThingId>) {
        self.things.retain(|id, _| chosen.contains(id));
        self.workloads
            .retain(|(thing, _)| chosen.contains(&thing.id()));
    }

    /// Workloads that run as this ServiceAccount.
    pub(super) fn users_of(&self, namespace: &str, account: &str) -> &[&'a Thing] {
        self.by_account
            .get(namespace)
            .and_then(|near| near.get(account))
            .map_or(&[], Vec::as_slice)
    }

    /// Databases and queues among the members.
    pub(super) fn engines(&self) -> impl Iterator<Item = &'a Member> {
        self.members
            .iter()
            .filter(|member| role(member) != Role::Volume)
    }

    /// The database or queue that a workload is.
    pub(super) fn engine(&self, id: &ThingId) -> Option<&'a Member> {
        self.engines.get(id).copied()
    }

    /// The carried thing that a child comes from, through its owners and theirs.
    pub(super) fn root(&self, child: &Thing) -> Option<&'a Thing> {
        let mut at = self.owner(child)?;
        for _ in 0..OWNERS_MAX {
            if self.has(&at.id()) {
                return Some(at);
            }
            at = self.owner(at)?;
        }
        None
    }

    fn owner(&self, child: &Thing) -> Option<&'a Thing> {
        child
            .list("/metadata/ownerReferences")
            .iter()
            .find_map(|owner| self.with_uid(owner))
    }

    /// The thing that an owner reference means.
    pub(super) fn with_uid(&self, reference: &Json) -> Option<&'a Thing> {
        let uid = reference.get("uid")?.as_str()?;
        self.by_uid.get(uid).filter(|_| !uid.is_empty()).copied()
    }

    /// The workloads behind a Service, by its selector.
    pub(super) fn behind(&self, service: &Thing) -> Vec<ThingId> {
        let selector = service.at("/spec/selector");
        if let Some(member) = member_of(service) {
            return Vec::from_iter(self.has(&member).then_some(member));
        }
        match (service.namespace(), selector.and_then(Json::as_object)) {
            (Some(namespace), Some(selector)) => self
                .pods
                .with(namespace, selector)
                .iter()
                .map(|thing| thing.id())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What a dependent must wait for so that a workload works: its engine's own check where there is one.
    pub(super) fn works_step(&self, workload: &ThingId) -> String {
        self.engine(workload)
            .map_or_else(|| write_step(workload), |member| ready_step(&member.name))
    }
}

type Ids<'a> = Vec<(ThingId, &'a Thing)>;

/// Walks through all objects, which takes its time: what is carried beside who is who.
fn read<'a>(
    point: &PointContent,
    objects: &'a Inventory,
) -> (Scope, Ids<'a>, Lookup<&'a str, &'a Thing>) {
    thread::scope(|threads| {
        let beside = threads.spawn(|| {
            let ids = objects.iter().map(|thing| (thing.id(), thing)).collect();
            let by_uid = objects.iter().map(|thing| (thing.uid(), thing)).collect();
            (ids, by_uid)
        });
        let scope = inside_scope(objects, &point.namespaces);
        let (ids, by_uid) = beside
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (scope, ids, by_uid)
    })
}

/// Keys of the labels and annotations of a thing.
fn marks(thing: &Thing) -> impl Iterator<Item = &str> {
    let metadata = thing.object.get("metadata");
    let maps = ["labels", "annotations"].map(|key| metadata.and_then(|one| one.get(key)));
    maps.into_iter()
        .filter_map(|map| map?.as_object())
        .flat_map(Fields::keys)
}

/// The ServiceAccount that the pods of a workload run as, `default` if it names none.
pub(super) fn account(thing: &Thing) -> Option<&str> {
    let named = thing.pod_spec()?.get("serviceAccountName");
    Some(named.and_then(Json::as_str).unwrap_or("default"))
}

/// Names that Refloat itself uses are nobody's application.
pub(super) fn is_system(namespace: &str) -> bool {
    namespace == SYSTEM_NAMESPACE
}

/// What a member is to the planner.
pub(super) fn role(member: &Member) -> Role {
    if member.thing.is("", "PersistentVolumeClaim") {
        Role::Volume
    } else {
        Role::Database
    }
}
