//! DELETE: preconditions, finalizers, propagation, grace of pods, and kinds that go in their own way.

use crate::sim::look::Look as _;
use std::sync::Arc;

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::catalogue::Served;
use super::create::is_held;
use super::read::versioned;
use super::{Reply, Request, Server, admission, list, status, text};

/// Namespaces that may not be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Put on a definition when it is deleted, until its objects are gone.
pub(in crate::sim) const DEFINITION_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

impl Server {
    pub(super) fn delete(&mut self, request: &Request) -> Result<Reply, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let place = request.object(&served);
        let live = self.objects.get(&place).map(Arc::clone);
        let live = live.ok_or_else(|| status::not_found(&served, &place.name))?;
        let options = request.body.clone().unwrap_or(Value::Null);
        preconditions(&served, &place.name, &live, &options)?;
        if served.resource.kind == "Namespace" && IMMORTAL.contains(&place.name.as_str()) {
            let why = "this namespace may not be deleted";
            return Err(status::forbidden(&served, &place.name, why));
        }
        admission::webhooks(self, &served, "DELETE", "Validating", &live)?;
        if request.is_dry() {
            return Ok(Reply::of(200, versioned(request, &live)));
        }
        let policy = policy(&served, request, &options);
        let mut going = Value::clone(&live);
        set_finalizers(&mut going, &policy);
        if served.resource.kind == "CustomResourceDefinition" {
            add_finalizer(&mut going, DEFINITION_CLEANUP);
        }
        let grace = grace(&served, &live, request, &options);
        if !is_held(&going) && grace == 0 {
            let last = self.objects.take(&place);
            let uid = last.map_or(Value::Null, |last| last["metadata"]["uid"].clone());
            return Ok(status::deleted(&served, &place.name, &uid));
        }
        Ok(self.mark(request, &served, &place, &live, (going, grace)))
    }

    /// Marks an object that stays for a while.
    fn mark(
        &mut self,
        request: &Request,
        served: &Served,
        place: &ObjectRef,
        live: &Value,
        (mut going, grace): (Value, i64),
    ) -> Reply {
        let marked = live.at("/metadata/deletionTimestamp").is_some();
        let before = live
            .at("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_i64);
        if !marked || before.is_some_and(|before| grace < before) {
            let later = self.now.as_second().saturating_add(grace);
            let at = jiff::Timestamp::from_second(later).unwrap_or(self.now);
            going["metadata"]["deletionTimestamp"] = json!(at.to_string());
            going["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        }
        if !marked {
            if let Some(generation) = live.at("/metadata/generation").and_then(Value::as_u64) {
                going["metadata"]["generation"] = json!(generation + 1);
            }
            if served.resource.kind == "Namespace" {
                going["status"]["phase"] = json!("Terminating");
            }
        }
        if served.resource.kind == "CustomResourceDefinition" {
            self.definition_goes(&going);
        }
        if going == *live {
            return Reply::of(200, versioned(request, live));
        }
        let stored = self.objects.put(place, going);
        Reply::of(200, versioned(request, &stored))
    }

    /// Takes away an object whose time of grace is over, as a kubelet does.
    pub(in crate::sim) fn end(&mut self, place: &ObjectRef) {
        let held = self.objects.get(place).is_some_and(|live| is_held(live));
        if !held {
            self.objects.take(place);
        }
    }
}

fn preconditions(served: &Served, name: &str, live: &Value, options: &Value) -> Result<(), Reply> {
    let differs = |key: &str| {
        let wanted = options.get("preconditions")?.get(key)?.as_str()?;
        let ours = live["metadata"]
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default();
        (wanted != ours).then(|| (wanted.to_owned(), ours.to_owned()))
    };
    if let Some((wanted, ours)) = differs("uid") {
        let why = format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({ours}). The object might have been deleted and then recreated"
        );
        return Err(status::conflict(served, name, &why));
    }
    if let Some((wanted, ours)) = differs("resourceVersion") {
        let why = format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({ours}). The object might have been modified"
        );
        return Err(status::conflict(served, name, &why));
    }
    Ok(())
}

/// `Background`, `Foreground` or `Orphan`; empty when the finalizers stay as they are.
fn policy(served: &Served, request: &Request, options: &Value) -> String {
    text(options, "/propagationPolicy")
        .or(request.parameter("propagationPolicy"))
        .map_or_else(
            || {
                let of_old = served.resource.group == "batch" && served.resource.kind == "Job";
                if of_old { "Orphan" } else { "" }.to_owned()
            },
            str::to_owned,
        )
}

fn set_finalizers(going: &mut Value, policy: &str) {
    let wanted = match policy {
        "Foreground" => Some(FOREGROUND),
        "Orphan" => Some(ORPHAN),
        "Background" => None,
        _ => return,
    };
    if let Some(all) = going
        .pointer_mut("/metadata/finalizers")
        .and_then(Value::as_array_mut)
    {
        all.retain(|one| *one != json!(FOREGROUND) && *one != json!(ORPHAN));
    }
    if let Some(wanted) = wanted {
        add_finalizer(going, wanted);
    } else if list(going, "/metadata/finalizers").is_empty()
        && let Some(metadata) = going["metadata"].as_object_mut()
    {
        metadata.remove("finalizers");
    }
}

pub(super) fn add_finalizer(object: &mut Value, name: &str) {
    let mut all = list(object, "/metadata/finalizers").to_vec();
    if !all.contains(&json!(name)) {
        all.push(json!(name));
        object["metadata"]["finalizers"] = Value::Array(all);
    }
}

/// Seconds that a pod on a node may take to end.
fn grace(served: &Served, live: &Value, request: &Request, options: &Value) -> i64 {
    let is_pod = served.resource.group.is_empty() && served.resource.kind == "Pod";
    let ended = matches!(text(live, "/status/phase"), Some("Succeeded" | "Failed"));
    let placed = text(live, "/spec/nodeName").is_some_and(|node| !node.is_empty());
    if !is_pod || ended || !placed {
        return 0;
    }
    let asked = options.get("gracePeriodSeconds").and_then(Value::as_i64);
    let parameter = request
        .parameter("gracePeriodSeconds")
        .and_then(|text| text.parse().ok());
    let own = live
        .at("/spec/terminationGracePeriodSeconds")
        .and_then(Value::as_i64);
    asked.or(parameter).or(own).unwrap_or(30)
}
