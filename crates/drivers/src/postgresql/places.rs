//! Where a server's data, WAL and tablespaces lie: on which volume, and where on it.

use refloat_core::driver::{ExecAnswer, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Says, for the data directory, the WAL and each tablespace, a line: device, kind, real path.
pub(super) const SCRIPT: &str = r#"cd "$1" || exit 1
say() { echo "$(stat -L -c %d "$2") $1 $(cd "$2" && pwd -P)"; }
say data . && say wal pg_wal || exit 1
for one in pg_tblspc/*; do [ -e "$one" ] || continue; say tablespace "$one" || exit 1; done"#;

/// A directory on a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// `shop/data-db-0`.
    pub(super) part: String,
    /// Below the volume's root, without a slash at either end.
    pub(super) path: String,
}

/// Where everything of one server lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout {
    pub(super) data: Place,
    pub(super) wal: Place,
    pub(super) tablespaces: Vec<Place>,
}

impl Layout {
    /// The WAL has a volume of its own.
    pub(super) fn is_wal_apart(&self) -> bool {
        self.wal.part != self.data.part
            && self
                .tablespaces
                .iter()
                .all(|place| place.part != self.wal.part)
    }

    /// Every volume, once.
    pub(super) fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = [&self.data, &self.wal]
            .into_iter()
            .chain(&self.tablespaces)
            .map(|place| place.part.as_str())
            .collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

/// One line of the script's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen<'a> {
    pub(super) device: &'a str,
    pub(super) kind: &'a str,
    pub(super) path: &'a str,
}

/// The lines of the script's answer.
pub(super) fn lines(answer: &ExecAnswer) -> Vec<Seen<'_>> {
    answer
        .stdout
        .lines()
        .filter_map(|line| {
            let mut words = line.trim().splitn(3, ' ');
            Some(Seen {
                device: words.next().filter(|word| !word.is_empty())?,
                kind: words.next().unwrap_or_default(),
                path: words.next().unwrap_or_default(),
            })
        })
        .collect()
}

/// Where everything lies, or which place is on no volume that is taken.
pub(super) fn layout(task: &Task<'_>, pod: &Value, answer: &ExecAnswer) -> Result<Layout, String> {
    let (mut data, mut wal, mut tablespaces) = (None, None, Vec::new());
    for seen in lines(answer) {
        let place = place(task, pod, seen.path)?;
        match seen.kind {
            "data" => data = Some(place),
            "wal" => wal = Some(place),
            "tablespace" => tablespaces.push(place),
            other => return Err(format!("`{other}` lies at {}", seen.path)),
        }
    }
    match (data, wal) {
        (Some(data), Some(wal)) => Ok(Layout {
            data,
            wal,
            tablespaces,
        }),
        _ => Err("where data and WAL lie could not be seen".to_owned()),
    }
}

/// The volume and the path on it of a path in the container.
fn place(task: &Task<'_>, pod: &Value, path: &str) -> Result<Place, String> {
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
