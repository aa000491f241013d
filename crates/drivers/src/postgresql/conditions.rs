//! The conditions of each mode of a server.

use refloat_core::driver::{ExecAnswer, Task};
use serde_json::Value;

use super::places::{self, Layout};
use super::servers::Server;
use crate::workload::{self, Conditions};

/// What `held` needs of primary and standby alike, and where everything lies.
pub(super) fn held_conditions(
    task: &Task<'_>,
    server: &Server<'_>,
) -> (Conditions, Option<Layout>) {
    let settings = &server.settings;
    let mut conditions = Conditions::default();
    if !workload::may_hold(task) {
        conditions.broken.push(workload::HOLDS_FORBIDDEN.to_owned());
    }
    conditions.setting("fsync", server.text("fsync"));
    let level = server.text("wal_level");
    conditions.add(
        matches!(level, "replica" | "logical"),
        format!("wal_level = {level}"),
        format!("wal_level = {level}: a held backup needs `replica`"),
    );
    let free = settings.get("slots_free").and_then(Value::as_i64);
    conditions.add(
        free.is_some_and(|free| free > 0),
        "a replication slot is free".to_owned(),
        "no replication slot is free (`max_replication_slots`): the WAL could not be pinned"
            .to_owned(),
    );
    let may = |key: &str| settings.get(key) == Some(&Value::Bool(true));
    let user = workload::setting(task, "user");
    conditions.add(
        may("may_replicate") && may("may_hold") && may("may_stop"),
        format!("user {user} may hold a backup"),
        format!("user {user} may not hold a backup: it needs REPLICATION and EXECUTE on pg_backup_start and pg_backup_stop"),
    );
    let layout = match places::layout(task, server.pod, server.places) {
        Ok(layout) => Some(layout),
        Err(why) => {
            conditions.broken.push(why);
            None
        }
    };
    if let Some(layout) = &layout {
        conditions.layout(layout, server);
    }
    (conditions, layout)
}

impl Conditions {
    pub(super) fn settings(&mut self, fsync: &str, full_page_writes: &str) {
        self.setting("fsync", fsync);
        self.setting("full_page_writes", full_page_writes);
    }

    fn setting(&mut self, name: &str, value: &str) {
        self.add(
            value == "on",
            format!("{name} = on"),
            format!("{name} = {value}: a crash may lose or tear committed pages"),
        );
    }

    /// WAL on a volume of its own is read up to the stop record. WAL that shares a volume is read to its end: what lies
    /// beside it was cut with it, after the stop, and must be like after a power cut.
    fn layout(&mut self, layout: &Layout, server: &Server<'_>) {
        self.held.push(format!(
            "data on {}, WAL on {}, {} tablespaces elsewhere",
            layout.data.part,
            layout.wal.part,
            layout.tablespaces.len()
        ));
        if layout.is_wal_apart() {
            return;
        }
        self.setting("full_page_writes", server.text("full_page_writes"));
        self.cut_at_one_moment(&layout.wal.part, server);
    }

    fn cut_at_one_moment(&mut self, part: &str, server: &Server<'_>) {
        for volume in &server.volumes {
            if volume.get("claim").and_then(Value::as_str) == Some(part) {
                self.one_moment(volume);
            }
        }
    }

    /// Of a standby `pg_control` must not be older than any page: data and tablespaces are cut at one moment.
    pub(super) fn standby(&mut self, layout: Option<&Layout>, server: &Server<'_>) {
        let Some(layout) = layout else { return };
        let apart = layout.tablespaces.iter();
        let apart = apart.filter(|place| place.part != layout.data.part).count();
        self.add(
            apart == 0,
            "data and tablespaces of the standby on one volume".to_owned(),
            format!("{apart} tablespaces of the standby lie on other volumes than its data"),
        );
        if layout.is_wal_apart() {
            self.cut_at_one_moment(&layout.data.part, server);
        }
    }

    pub(super) fn primary(&mut self, primary: bool) {
        self.add(
            primary,
            "not in recovery".to_owned(),
            "in recovery: a copy of a standby starts as a standby and takes no writes".to_owned(),
        );
    }

    /// Volumes of the workload that the server does not use do not matter.
    pub(super) fn one_volume(&mut self, server: &Server<'_>, layout: Option<&Layout>) {
        if let Some(only) = layout.filter(|layout| layout.parts().len() == 1) {
            self.held.push("one volume".to_owned());
            self.cut_at_one_moment(&only.data.part, server);
            return;
        }
        let count = server.volume_count;
        self.add(
            count == 1,
            "one volume".to_owned(),
            format!("{count} volumes: cuts of several volumes are not one moment"),
        );
        for volume in &server.volumes {
            self.one_moment(volume);
        }
        if server.volumes.is_empty() {
            self.broken.push("no volume of it is taken".to_owned());
        }
    }

    pub(super) fn one_file_system(
        &mut self,
        task: &Task<'_>,
        directory: &str,
        answer: &ExecAnswer,
    ) {
        let mounts = task.claim.settings.get("mounts").map_or("", String::as_str);
        let on_mount = mounts
            .split(',')
            .filter(|mount| !mount.is_empty())
            .any(|mount| {
                directory == mount
                    || directory.starts_with(&format!("{}/", mount.trim_end_matches('/')))
            });
        self.add(
            on_mount,
            format!("data directory {directory} is on the volume"),
            format!("data directory {directory} is under none of the mounts ({mounts})"),
        );
        if answer.code != Some(0) {
            self.broken.push(format!(
                "where WAL and tablespaces lie could not be seen: {}",
                answer.stderr.lines().next().unwrap_or("no answer")
            ));
            return;
        }
        let mut devices: Vec<&str> = places::lines(answer)
            .iter()
            .map(|line| line.device)
            .collect();
        let places = devices.len();
        if places < 2 {
            self.broken
                .push("where the WAL lies could not be seen".to_owned());
            return;
        }
        devices.sort_unstable();
        devices.dedup();
        self.add(
            devices.len() == 1,
            "data, WAL and tablespaces on one file system".to_owned(),
            format!(
                "data, WAL and tablespaces lie on {} file systems",
                devices.len()
            ),
        );
    }
}
