//! Where on which volume a path in a container lies.

use refloat_core::driver::Task;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A directory on a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// `shop/data-db-0`.
    pub(crate) part: String,
    /// Below the volume's root, without a slash at either end.
    pub(crate) path: String,
}

/// The volume and the path on it of a path in the container.
pub(crate) fn place(task: &Task<'_>, pod: &Value, path: &str) -> Result<Place, String> {
    let container = task
        .claim
        .settings
        .get("container")
        .map_or("", String::as_str);
    let mounts = list(pod, "/spec/containers")
        .find(|one| text(one, "/name") == Some(container))
        .map(|one| list(one, "/volumeMounts"));
    let mount = mounts
        .into_iter()
        .flatten()
        .filter_map(|mount| {
            let at = text(mount, "/mountPath")?.trim_end_matches('/');
            let rest = path.strip_prefix(at)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((at.len(), mount, rest))
        })
        .max_by_key(|(length, ..)| *length);
    let Some((_, mount, rest)) = mount else {
        return Err(format!("{path} is under none of the mounts"));
    };
    if mount.get("subPathExpr").is_some() {
        return Err(format!("{path} is below a `subPathExpr`"));
    }
    let volume = text(mount, "/name").unwrap_or_default();
    let claim = list(pod, "/spec/volumes")
        .find(|one| text(one, "/name") == Some(volume))
        .and_then(|one| text(one, "/persistentVolumeClaim/claimName"))
        .ok_or_else(|| format!("{path} is on no PersistentVolumeClaim"))?;
    let namespace = task.claim.thing.namespace.as_deref().unwrap_or_default();
    let part = format!("{namespace}/{claim}");
    let is_taken = task
        .inputs
        .get("volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|one| text(one, "/claim") == Some(part.as_str()));
    if !is_taken {
        return Err(format!("{path} is on {part}, which is not taken"));
    }
    let below = text(mount, "/subPath").unwrap_or_default();
    let path: Vec<&str> = below
        .split('/')
        .chain(rest.split('/'))
        .filter(|name| !name.is_empty())
        .collect();
    Ok(Place {
        part,
        path: path.join("/"),
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
