//! Server-side apply: what is applied is merged into what is there, what was applied before and is no longer goes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::catalogue::Served;
use super::managers::{self, Writer};
use super::schema::{Shape, item_name, shape};
use super::update::{How, Update};
use super::{Reply, Request, Server, fields, list, status, text};

impl Server {
    pub(super) fn apply(&mut self, request: &Request) -> Result<Reply, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let mut configuration = request.body.clone().unwrap_or(Value::Null);
        if request.parameter("fieldManager").is_none_or(str::is_empty) {
            return Err(status::manager_required());
        }
        if !list(&configuration, "/metadata/managedFields").is_empty() {
            return Err(status::bad_request("metadata.managedFields must be nil"));
        }
        self.check_address(request, &configuration)?;
        let object = request.object(&served);
        let Some(live) = self.objects.get(&object).map(Arc::clone) else {
            if request.subresource.is_some() {
                return Err(status::not_found(&served, &object.name));
            }
            if let Some(uid) = text(&configuration, "/metadata/uid") {
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(status::conflict(&served, &object.name, &why));
            }
            if let Some(metadata) = configuration
                .get_mut("metadata")
                .and_then(Value::as_object_mut)
            {
                metadata.remove("resourceVersion");
            }
            return self.make(request, &served, configuration);
        };
        if configuration.get("metadata").is_none() {
            configuration["metadata"] = json!({});
        }
        self.apply_over(request, &served, &live, configuration)
    }

    fn apply_over(
        &mut self,
        request: &Request,
        served: &Served,
        live: &Arc<Value>,
        mut configuration: Value,
    ) -> Result<Reply, Reply> {
        let custom = served.is_custom();
        own_part_only(request, served, &mut configuration);
        let writer = Writer::of(request, &self.time());
        let applied = fields::applied(&configuration, custom);
        let entries = list(live, "/metadata/managedFields");
        let abandoned = managers::abandoned(entries, &applied, &writer);
        let mut merged = Value::clone(live);
        fields::take_out(&mut merged, &abandoned, custom);
        lay_over(&mut merged, &configuration, "", custom);
        let change = fields::difference(live, &merged, custom);
        let applying = managers::applied(entries, &change, &applied, &writer);
        if !applying.conflicts.is_empty() && request.parameter("force") != Some("true") {
            return Err(status::apply_conflict(&applying.conflicts));
        }
        self.finish(Update {
            request,
            served,
            live: Arc::clone(live),
            new: merged,
            how: How::Applied(applying.entries),
        })
    }
}

/// `status` belongs to its subresource, everything else to the object itself.
fn own_part_only(request: &Request, served: &Served, configuration: &mut Value) {
    let Some(fields) = configuration.as_object_mut().filter(|_| served.status) else {
        return;
    };
    if request.is_status() {
        fields
            .retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    } else {
        fields.remove("status");
    }
}

/// Lays an applied configuration over an object.
fn lay_over(object: &mut Value, configuration: &Value, field: &str, custom: bool) {
    match (shape(field, configuration, custom), configuration) {
        (Shape::Map, Value::Object(fields)) => {
            if !object.is_object() {
                *object = json!({});
            }
            for (key, value) in fields {
                if value.is_null() {
                    continue;
                }
                let slot = object
                    .as_object_mut()
                    .map(|map| map.entry(key.clone()).or_insert(Value::Null));
                if let Some(slot) = slot {
                    lay_over(slot, value, key, custom);
                }
            }
        }
        (kind @ (Shape::Keyed(_) | Shape::Set), Value::Array(items)) => {
            let mut all = object.as_array().cloned().unwrap_or_default();
            for item in items {
                let name = item_name(kind, item);
                let there = all
                    .iter_mut()
                    .find(|one| name.is_some() && item_name(kind, one) == name);
                match there {
                    Some(there) => lay_over(there, item, "[]", custom),
                    None => all.push(item.clone()),
                }
            }
            *object = Value::Array(all);
        }
        _ => *object = configuration.clone(),
    }
}
