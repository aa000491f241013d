//! POST, and what an apply does when there is nothing yet.

use refloat_core::driver::ObjectRef;
use serde_json::{Value, json};

use super::catalogue::Served;
use super::managers::{self, Writer};
use super::read::versioned;
use super::status::Cause;
use super::{
    Reply, Request, Server, addresses, admission, defaults, definitions, list, status, text,
    validation,
};

impl Server {
    pub(super) fn create(&mut self, request: &Request) -> Result<Reply, Reply> {
        let served = self.kinds.served(&request.resource)?;
        let object = request.body.clone().unwrap_or(Value::Null);
        self.check_address(request, &object)?;
        if text(&object, "/metadata/resourceVersion").is_some_and(|version| !version.is_empty()) {
            return Err(status::internal_plain(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        self.make(request, &served, object)
    }

    /// The body has to fit the address.
    pub(super) fn check_address(&self, request: &Request, object: &Value) -> Result<(), Reply> {
        let resource = &request.resource;
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        if version != Some(&resource.api_version()) || kind != Some(&resource.kind) {
            let (version, kind) = (version.unwrap_or_default(), kind.unwrap_or_default());
            return Err(status::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {}",
                resource.kind
            )));
        }
        let namespace = text(object, "/metadata/namespace");
        if resource.namespaced && namespace.is_some() && namespace != request.namespace.as_deref() {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(status::bad_request(why));
        }
        if let (Some(asked), Some(name)) = (&request.name, text(object, "/metadata/name"))
            && asked != name
        {
            return Err(status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({asked})"
            )));
        }
        Ok(())
    }

    /// Creates an object, with everything that the server adds to it.
    pub(super) fn make(
        &mut self,
        request: &Request,
        served: &Served,
        object: Value,
    ) -> Result<Reply, Reply> {
        let mut applied = object.clone();
        let mut object = object;
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        self.name(request, &mut object);
        let place = ObjectRef::of(
            served.resource.clone(),
            request.namespace.as_deref(),
            text(&object, "/metadata/name").unwrap_or_default(),
        );
        if let (Some(namespace), Some(metadata)) =
            (&place.namespace, object["metadata"].as_object_mut())
        {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        admission::namespace(self, served, &place)?;
        if served.is_going() {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(status::not_allowed(why));
        }
        let fresh = ["status", "managedFields"];
        strip(served, &mut object, fresh);
        if served.is_custom() {
            definitions::prepare(served, &request.resource.version, &mut object);
        }
        defaults::on_create(served, &mut object);
        admission::mutate(served, &mut object);
        admission::webhooks(self, served, "CREATE", "Mutating", &object)?;
        let mut causes = validation::of_new(served, &object);
        causes.extend(definitions::against_schema(
            served,
            &request.resource.version,
            &object,
        ));
        if !served.is_custom() {
            causes.extend(addresses::assign(self, &place, &mut object, None));
        }
        refuse(served, &place.name, &causes)?;
        admission::webhooks(self, served, "CREATE", "Validating", &object)?;
        if self.objects.get(&place).is_some() {
            return Err(status::already_exists(served, &place.name));
        }
        let writer = Writer::of(request, &self.time());
        let entries = if request.verb == super::Verb::Apply {
            strip(served, &mut applied, fresh);
            managers::created(&applied, &writer, served.is_custom())
        } else {
            managers::created(&object, &writer, served.is_custom())
        };
        self.sign(served, &mut object, entries);
        if request.is_dry() {
            return Ok(Reply::of(201, versioned(request, &object)));
        }
        object["metadata"]["uid"] = json!(self.objects.new_uid());
        object["apiVersion"] = json!(served.resource.api_version());
        let stored = self.objects.put(&place, object);
        Ok(Reply::of(201, versioned(request, &stored)))
    }

    fn name(&mut self, request: &Request, object: &mut Value) {
        if text(object, "/metadata/name").is_some_and(|name| !name.is_empty()) {
            return;
        }
        if let Some(name) = &request.name {
            object["metadata"]["name"] = json!(name);
        } else if let Some(prefix) = text(object, "/metadata/generateName") {
            self.names += 1;
            let letters: String = format!("{:05}", self.names * 7919 % 100_000)
                .chars()
                .filter_map(|digit| "bcdfghjklm".chars().nth(digit.to_digit(10)? as usize))
                .collect();
            let name = format!("{prefix}{letters}");
            object["metadata"]["name"] = json!(name);
        }
    }

    /// What only the server writes.
    fn sign(&mut self, served: &Served, object: &mut Value, entries: Vec<Value>) {
        let time = self.time();
        let metadata = &mut object["metadata"];
        metadata["creationTimestamp"] = json!(time);
        metadata["uid"] = json!("");
        if let Some(metadata) = metadata.as_object_mut() {
            for key in [
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "selfLink",
                "resourceVersion",
                "managedFields",
            ] {
                metadata.remove(key);
            }
            metadata.retain(|_, value| {
                !value.is_null()
                    && value.as_object().is_none_or(|map| !map.is_empty())
                    && value.as_array().is_none_or(|items| !items.is_empty())
            });
        }
        if served.generation {
            metadata["generation"] = json!(1);
        }
        if !entries.is_empty() {
            metadata["managedFields"] = Value::Array(entries);
        }
    }
}

fn strip(served: &Served, object: &mut Value, what: [&str; 2]) {
    let [status, managed] = what;
    if let Some(fields) = object.as_object_mut().filter(|_| served.status) {
        fields.remove(status);
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove(managed);
    }
}

pub(super) fn refuse(served: &Served, name: &str, causes: &[Cause]) -> Result<(), Reply> {
    if causes.is_empty() {
        Ok(())
    } else {
        Err(status::invalid(served, name, causes))
    }
}

/// True when a finalizer holds an object.
pub(super) fn is_held(object: &Value) -> bool {
    !list(object, "/metadata/finalizers").is_empty()
        || !list(object, "/spec/finalizers").is_empty()
            && object.get("kind") == Some(&json!("Namespace"))
}
