//! Where a server's data, WAL and tablespaces lie: on which volume, and where on it.

use std::collections::BTreeMap;

use refloat_core::driver::{ExecAnswer, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workload::{Place, place};

/// Says, for the data directory, the WAL and each tablespace, a line: device, kind, real path.
pub(super) const SCRIPT: &str = r#"cd "$1" || exit 1
say() { echo "$(stat -L -c %d "$2") $1 $(cd "$2" && pwd -P)"; }
say data . && say wal pg_wal || exit 1
for one in pg_tblspc/*; do [ -e "$one" ] || continue; say tablespace "$one" || exit 1; done"#;

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

    /// The same on parts of other names.
    pub(super) fn renamed(self, names: &BTreeMap<String, String>) -> Self {
        let renamed = |place: Place| Place {
            part: names.get(&place.part).cloned().unwrap_or(place.part),
            path: place.path,
        };
        Self {
            data: renamed(self.data),
            wal: renamed(self.wal),
            tablespaces: self.tablespaces.into_iter().map(renamed).collect(),
        }
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
