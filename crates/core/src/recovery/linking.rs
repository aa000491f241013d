//! Links a recovered object to its owner again. An owner that is created anew has a new uid, so the reference can be written only
//! once it is there; one to a uid that is not there would have the garbage collector delete the object.
//!
//! Called by `write`, for what belongs to the object that it has just written, and by the loop, for what belongs to something that
//! this recovery does not write. Which ones these are is `plan::owners`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::driver::{Effect, ObjectRef, Outcome, Patch, Precondition, Query, Seen, Verdict};
use crate::names::{ANNOTATION_RECOVERY, RunId};

/// Objects that one turn links: they are many where a resource owns many.
const LINKED_AT_ONCE: usize = 32;

/// One object, and what it belonged to at its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linking {
    /// The object.
    pub object: ObjectRef,
    /// Its owner, as the target has it.
    pub owner: ObjectRef,
    /// The owner manages it.
    #[serde(default)]
    pub controller: bool,
    /// The owner's deletion in the foreground waits for it.
    #[serde(default)]
    pub blocks: bool,
}

/// How things stand between an object and its owner.
#[derive(Debug, PartialEq)]
enum Link {
    /// It is linked, or none of this recovery's.
    Done,
    /// This links it.
    Missing(Box<Effect>),
    /// It stays without, and why.
    Left(String),
}

impl Linking {
    /// Key of the fact that says why an object stays without its owner.
    pub const FACT: &str = "unlinked";

    /// Reads both.
    pub fn look(&self) -> Vec<Query> {
        let both = [&self.object, &self.owner];
        both.map(|one| Query::Object(one.clone())).to_vec()
    }

    /// Links the object to an owner that this recovery does not write, if that is there.
    pub fn decide(&self, run: &RunId, seen: &Seen) -> Verdict {
        let link = seen
            .object(&self.owner)
            .and_then(|owner| Ok((owner, seen.object(&self.object)?)))
            .map(|(owner, object)| self.link(run, owner, object));
        match link {
            Err(problem) => problem.into(),
            Ok(Link::Done) => Verdict::Done(Outcome::default()),
            Ok(Link::Missing(effect)) => Verdict::Act(vec![*effect]),
            Ok(Link::Left(why)) => Verdict::Done(Outcome::default().with(Self::FACT, vec![why])),
        }
    }

    fn link(&self, run: &RunId, owner: Option<&Value>, object: Option<&Value>) -> Link {
        let left = |why: &str| {
            let (object, owner) = (self.object.id(), self.owner.id());
            Link::Left(format!("{object} stays without its owner {owner}: {why}"))
        };
        let is_going = |one: &&Value| one.pointer("/metadata/deletionTimestamp").is_some();
        let uid = owner
            .filter(|owner| !is_going(owner))
            .and_then(|owner| owner.pointer("/metadata/uid")?.as_str());
        let Some(uid) = uid.filter(|uid| !uid.is_empty()) else {
            return left("the owner is not there");
        };
        let Some(object) = object.filter(|object| !is_going(object)) else {
            return left("it is not there");
        };
        let owners = object
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        if owners.iter().any(|one| one["uid"] == uid) {
            return Link::Done;
        }
        let annotations = object.pointer("/metadata/annotations");
        let mark = annotations.and_then(|all| all.get(ANNOTATION_RECOVERY)?.as_str());
        if mark != Some(run.as_str()) {
            return Link::Done;
        }
        if self.controller
            && let Some(other) = owners.iter().find(|one| one["controller"] == true)
        {
            let text = |key: &str| other[key].as_str().unwrap_or_default();
            return left(&format!("{} {} manages it", text("kind"), text("name")));
        }
        Link::Missing(Box::new(self.patch(uid, owners, object)))
    }

    /// Adds the owner, unless the object has changed in between.
    fn patch(&self, uid: &str, owners: &[Value], object: &Value) -> Effect {
        let mut reference = json!({
            "apiVersion": self.owner.resource.api_version(), "kind": self.owner.resource.kind,
            "name": self.owner.name, "uid": uid,
        });
        for (key, value) in [
            ("controller", self.controller),
            ("blockOwnerDeletion", self.blocks),
        ] {
            if value {
                reference[key] = json!(true);
            }
        }
        let all: Vec<&Value> = owners.iter().chain([&reference]).collect();
        Effect::Patch {
            object: self.object.clone(),
            patch: Patch::Merge(json!({ "metadata": { "ownerReferences": all } })),
            precondition: Precondition::as_read(object),
            subresource: None,
        }
    }
}

/// Links everything that belongs to `owner`, which is there: what to do next, or, when nothing is left to do, what stays without
/// it and why.
pub(super) fn belongings(
    all: &[Linking],
    run: &RunId,
    owner: &Value,
    seen: &Seen,
) -> Result<Vec<String>, Verdict> {
    let queries = all.iter().map(|one| Query::Object(one.object.clone()));
    let unread: Vec<Query> = queries.filter(|one| !seen.has(one)).collect();
    if !unread.is_empty() {
        return Err(Verdict::Look(unread));
    }
    let (mut left, mut effects) = (Vec::new(), Vec::new());
    for one in all {
        let object = seen.object(&one.object).map_err(Verdict::from)?;
        match one.link(run, Some(owner), object) {
            Link::Done => {}
            Link::Missing(effect) => effects.push(*effect),
            Link::Left(why) => left.push(why),
        }
    }
    if effects.is_empty() {
        return Ok(left);
    }
    effects.truncate(LINKED_AT_ONCE);
    Err(Verdict::Act(effects))
}
