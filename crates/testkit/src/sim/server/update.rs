//! PUT and patches: what may change, what is kept, and when a write is none.

use crate::sim::look::Look as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::catalogue::Served;
use super::create::{is_held, refuse};
use super::managers::{self, Writer};
use super::read::versioned;
use super::status::Cause;
use super::{
    Reply, Request, Server, Verb, addresses, admission, defaults, definitions, fields, patches,
    status, text, validation,
};

/// Whose fields are whose afterwards.
pub(super) enum How {
    /// To be computed from what changed.
    Updated,
    /// As the apply has worked out.
    Applied(Vec<Value>),
}

/// A write over an object that is there.
pub(super) struct Update<'a> {
    pub(super) request: &'a Request,
    pub(super) served: &'a Served,
    pub(super) live: Arc<Value>,
    pub(super) new: Value,
    pub(super) how: How,
}

impl Server {
    pub(super) fn put(&mut self, request: &Request) -> Result<Reply, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let new = request.body.clone().unwrap_or(Value::Null);
        self.check_address(request, &new)?;
        let object = request.object(&served);
        let live = self.found(request, &served)?;
        let uid = |value| text(value, "/metadata/uid").filter(|uid| !uid.is_empty());
        if let (Some(sent), Some(ours)) = (uid(&new), uid(&live))
            && sent != ours
        {
            let why = format!(
                "Precondition failed: UID in precondition: {sent}, UID in object meta: {ours}"
            );
            return Err(status::conflict(&served, &object.name, &why));
        }
        self.finish(Update {
            request,
            served: &served,
            live,
            new,
            how: How::Updated,
        })
    }

    pub(super) fn patch(&mut self, request: &Request) -> Result<Reply, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let live = self.found(request, &served)?;
        let body = request.body.clone().unwrap_or(Value::Null);
        let mut new = versioned(request, &live);
        if request.verb == Verb::JsonPatch {
            let Some(operations) = body.as_array() else {
                return Err(status::bad_request(
                    "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
                ));
            };
            patches::operate(&mut new, operations).ok_or_else(status::patch_rejected)?;
        } else if body.is_object() {
            patches::merge(&mut new, &body);
        } else {
            return Err(status::bad_request("a merge patch has to be an object"));
        }
        self.check_address(request, &new)?;
        self.finish(Update {
            request,
            served: &served,
            live,
            new,
            how: How::Updated,
        })
    }

    /// The object that a write is about; a subresource has to be served.
    fn found(&self, request: &Request, served: &Served) -> Result<Arc<Value>, Reply> {
        match request.subresource.as_deref() {
            None => {}
            Some("status") if served.status => {}
            Some("finalize") if served.resource.kind == "Namespace" => {}
            Some(_) => return Err(status::not_served()),
        }
        let object = request.object(served);
        let live = self.objects.get(&object).map(Arc::clone);
        live.ok_or_else(|| status::not_found(served, &object.name))
    }

    pub(super) fn finish(&mut self, update: Update<'_>) -> Result<Reply, Reply> {
        let Update {
            request,
            served,
            live,
            mut new,
            how,
        } = update;
        let place = request.object(served);
        let mut causes = self.identity(request, served, &live, &mut new)?;
        keep_system_fields(&live, &mut new);
        keep_other_part(request, served, &live, &mut new);
        if served.is_custom() {
            definitions::prepare(served, &request.resource.version, &mut new);
        }
        new["apiVersion"] = live["apiVersion"].clone();
        defaults::on_update(served, &live, &mut new);
        admission::webhooks_of_update(self, served, request, "Mutating", &new)?;
        if !request.is_status() {
            causes.extend(addresses::assign(self, &place, &mut new, Some(&live)));
        }
        causes.extend(validation::of_change(served, &live, &new));
        causes.extend(definitions::against_schema(
            served,
            &request.resource.version,
            &new,
        ));
        refuse(served, &place.name, &causes)?;
        admission::webhooks_of_update(self, served, request, "Validating", &new)?;
        if validation::bumps_generation(served, &live, &new) {
            let generation = live.at("/metadata/generation").and_then(Value::as_u64);
            new["metadata"]["generation"] = json!(generation.unwrap_or(0) + 1);
        }
        let entries = match how {
            How::Applied(entries) => entries,
            How::Updated => {
                let base = managers::base(&live, &new, request.subresource.is_some());
                // What nobody was recorded for stays so, until somebody applies.
                if base.is_empty() {
                    base
                } else {
                    let change = fields::difference(&live, &new, served.is_custom());
                    managers::updated(base, &change, &Writer::of(request, &self.time()))
                }
            }
        };
        place_entries(&mut new, entries);
        Ok(self.store(request, served, &live, new))
    }

    fn store(&mut self, request: &Request, served: &Served, live: &Value, new: Value) -> Reply {
        let place = request.object(served);
        let unchanged = is_same(live, &new);
        if unchanged || request.is_dry() {
            let shown = if unchanged { live } else { &new };
            return Reply::of(200, versioned(request, shown));
        }
        let going = new.at("/metadata/deletionTimestamp").is_some();
        let grace = new
            .at("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_u64);
        let ends = going && !is_held(&new) && grace.unwrap_or(0) == 0;
        let stored = self.objects.put(&place, new);
        if ends {
            self.objects.take(&place);
        }
        Reply::of(200, versioned(request, &stored))
    }

    /// Whether this is the object that the client means.
    fn identity(
        &self,
        request: &Request,
        served: &Served,
        live: &Value,
        new: &mut Value,
    ) -> Result<Vec<Cause>, Reply> {
        let name = text(live, "/metadata/name").unwrap_or_default();
        let mut causes = Vec::new();
        let sent = text(new, "/metadata/resourceVersion").unwrap_or_default();
        if sent.is_empty() || sent == "0" {
            if served.is_custom() && request.verb == Verb::Update {
                let field = "metadata.resourceVersion";
                let why = "must be specified for an update";
                causes.push(Cause::invalid(field, &json!(0), why));
                return Err(status::invalid(served, name, &causes));
            }
        } else if Some(sent) != text(live, "/metadata/resourceVersion") {
            return Err(status::modified(served, name));
        }
        if let Some(uid) = text(new, "/metadata/uid").filter(|uid| !uid.is_empty())
            && Some(uid) != text(live, "/metadata/uid")
        {
            causes.push(Cause::invalid(
                "metadata.uid",
                &json!(uid),
                "field is immutable",
            ));
        }
        Ok(causes)
    }
}

fn keep_system_fields(live: &Value, new: &mut Value) {
    for key in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        match live["metadata"].get(key) {
            Some(value) => new["metadata"][key] = value.clone(),
            None => {
                if let Some(metadata) = new["metadata"].as_object_mut() {
                    metadata.remove(key);
                }
            }
        }
    }
    if let Some(metadata) = new["metadata"].as_object_mut() {
        metadata.retain(|key, value| {
            // An empty list of owners clears them.
            key == "managedFields" && value.is_array()
                || !value.is_null()
                    && value.as_object().is_none_or(|map| !map.is_empty())
                    && value.as_array().is_none_or(|items| !items.is_empty())
        });
    }
}

/// A write to `status` changes nothing else, and any other write no status.
fn keep_other_part(request: &Request, served: &Served, live: &Value, new: &mut Value) {
    let mut keep = |key: &str| match live.get(key) {
        Some(value) => new[key] = value.clone(),
        None => {
            if let Some(fields) = new.as_object_mut() {
                fields.remove(key);
            }
        }
    };
    if !served.status {
        return;
    }
    if !request.is_status() {
        return keep("status");
    }
    keep("spec");
    if served.is_custom() {
        keep("metadata");
    }
}

fn place_entries(new: &mut Value, entries: Vec<Value>) {
    if entries.is_empty() {
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
    } else {
        new["metadata"]["managedFields"] = Value::Array(entries);
    }
}

/// Equal but for the times in managedFields: such a write is none.
fn is_same(live: &Value, new: &Value) -> bool {
    if live == new {
        return true;
    }
    let timeless = |metadata: &Value| {
        let mut object = metadata.clone();
        let entries = object.get_mut("managedFields");
        for entry in entries.and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
        object
    };
    let (Some(before), Some(after)) = (live.as_object(), new.as_object()) else {
        return false;
    };
    let rest_is_same = before.len() == after.len()
        && before
            .iter()
            .all(|(key, value)| key == "metadata" || after.get(key) == Some(value));
    rest_is_same && timeless(&live["metadata"]) == timeless(&new["metadata"])
}
