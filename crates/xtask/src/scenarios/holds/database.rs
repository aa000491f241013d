//! Databases that go away, refuse, or end our session while they are held.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::super::Stage;
use super::super::bad_input::refused;
use super::{AFTER_DEATH_SECONDS_MAX, Scene};
use crate::ledger::now;
use crate::testbed::Site;

/// Cuts take so long that what breaks a hold comes before MariaDB is let go, on a slow machine too: below the hold's own limit.
pub(super) const CUT_DELAY_SECONDS: u32 = 4;

/// A session that ends between the cuts and the proof: its client killed, its backend terminated.
pub(in crate::scenarios) fn broken_sessions(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    let clients = |pod: &str, program: &str| {
        let script = format!(
            "for one in /proc/[0-9]*; do [ \"$(readlink $one/exe)\" = \"$(readlink -f \"$(command -v {program})\")\" ] && kill -9 \"${{one#/proc/}}\"; done; true"
        );
        scene
            .ledger
            .in_pod(Site::Primary, pod, &["sh", "-c", &script])
    };
    let end_backend = || {
        scene.ledger.postgres(
            Site::Primary,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'refloat %';",
        )
    };
    let end_connection = || {
        let ours = scene.ledger.mariadb(
            Site::Primary,
            "SELECT CONCAT('KILL ', ID, ';') FROM information_schema.PROCESSLIST WHERE USER = 'root' AND HOST = 'localhost' \
             AND ID <> CONNECTION_ID() ORDER BY ID LIMIT 1;",
        )?;
        scene.ledger.mariadb(Site::Primary, &ours)
    };
    let breaks: [(&str, &dyn Fn() -> Result<String>); 4] = [
        ("the backend of PostgreSQL ended", &end_backend),
        ("the connection of MariaDB killed", &end_connection),
        ("psql killed", &|| {
            clients("pg-0", "/usr/lib/postgresql/15/bin/psql")
        }),
        ("the client of MariaDB killed", &|| {
            clients("maria-0", "mariadb")
        }),
    ];
    for (what, end) in breaks {
        let points = scene.points()?;
        scene.faults(&json!({ "cut_delay_seconds": CUT_DELAY_SECONDS }))?;
        let mut running = scene.begin()?;
        scene.until_cutting(&mut running)?;
        thread::sleep(Duration::from_millis(600));
        end()?;
        let moment = now();
        let answer = running.finish()?;
        refused(what, &answer, "hold-lost", &["ledger/"])?;
        scene.writers_back(what, moment, AFTER_DEATH_SECONDS_MAX)?;
        scene.sound(what, points)?;
    }
    Ok(())
}

/// What breaks a hold, in which pod, and how.
type Break<'a> = (&'a str, &'a str, &'a dyn Fn() -> Result<String>);

/// The pod deleted while it is held, the server crashing and restarting in place, and archiving that fails for hours.
pub(in crate::scenarios) fn databases(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    let delete = |pod: &str| {
        let delete = [
            "-n",
            "ledger",
            "delete",
            "pod",
            pod,
            "--grace-period=1",
            "--wait=false",
        ];
        stage.shop.kubectl(&delete, "")
    };
    // What comes up after this has an archiver that never succeeds.
    scene.ledger.postgres(
        Site::Primary,
        "ALTER SYSTEM SET archive_mode = on; ALTER SYSTEM SET archive_command = '/bin/false';",
    )?;
    let crash = || {
        // The brackets keep the shell from finding itself; processes come and go while it looks.
        let walwriter = "for one in /proc/[0-9]*; do if grep -q 'postgres: [w]alwriter' $one/cmdline 2>/dev/null; then kill -9 ${one#/proc/}; fi; done; true";
        scene
            .ledger
            .in_pod(Site::Primary, "pg-0", &["sh", "-c", walwriter])
    };
    let breaks: [Break<'_>; 3] = [
        ("pod of PostgreSQL deleted", "pg-0", &|| delete("pg-0")),
        ("pod of MariaDB deleted", "maria-0", &|| delete("maria-0")),
        ("PostgreSQL crashes and restarts", "pg-0", &crash),
    ];
    for (what, pod, fault) in breaks {
        let (uid, _) = scene.ledger.pod(pod)?;
        let points = scene.points()?;
        scene.faults(&json!({ "cut_delay_seconds": CUT_DELAY_SECONDS }))?;
        let mut running = scene.begin()?;
        scene.until_cutting(&mut running)?;
        fault()?;
        let answer = running.finish()?;
        refused(what, &answer, "hold-lost", &["ledger/"])?;
        if what.ends_with("deleted") {
            scene.ledger.until_replaced(pod, &uid)?;
        } else {
            scene.ledger.ready(Site::Primary)?;
            let (now, _) = scene.ledger.pod(pod)?;
            ensure!(now == uid, "{what}: the pod was {uid} and is {now}");
        }
        scene.sound(what, points)?;
    }
    let mode = scene.ledger.postgres(
        Site::Primary,
        "SELECT current_setting('archive_mode') || failed_count::text FROM pg_stat_archiver;",
    )?;
    ensure!(
        mode.starts_with("on") && mode != "on0",
        "no archiving failed meanwhile: {mode}"
    );
    scene.ledger.postgres(
        Site::Primary,
        "ALTER SYSTEM RESET archive_mode; ALTER SYSTEM RESET archive_command;",
    )?;
    let (uid, _) = scene.ledger.pod("pg-0")?;
    delete("pg-0")?;
    scene.ledger.until_replaced("pg-0", &uid)
}

/// No connection is free. Those who hold them run beside the writer: an orphan in the server's own pod becomes the postmaster's child, and
/// one that ends with anything but 0 or 1 counts as a server process that crashed, which throws everybody out.
pub(in crate::scenarios) fn no_connections(stage: &Stage<'_>) -> Result<()> {
    let scene = Scene::open(stage)?;
    let points = scene.points()?;
    let in_writer = |script: &str| {
        let ask = "export PGPASSWORD=$POSTGRES_PASSWORD; ask='psql -XqAt -h pg.ledger -U ledger -d ledger'; end=$(($(date +%s) + 180));";
        let script = format!("{ask} {script}");
        let exec = ["-n", "writer", "exec", "writer", "--", "sh", "-c", &script];
        scene.ledger.kubectl(Site::Primary, &exec, "")
    };
    // They read from one who sleeps, longer than any refusal takes, and end with it.
    in_writer(
        "mkfifo /tmp/asleep; sleep 1200 </dev/null >/tmp/asleep 2>/dev/null & echo $! >/tmp/sleeper; \
        for one in $(seq 110); do $ask </tmp/asleep >/dev/null 2>&1 & done; \
        while [ $(date +%s) -lt $end ]; do $ask -c 'SELECT 1' 2>&1 | grep -q 'too many clients' && exit; sleep 0.1; done; exit 1",
    )?;
    let answer = scene.begin()?.finish()?;
    in_writer(
        "kill $(cat /tmp/sleeper); \
        while [ $(date +%s) -lt $end ]; do $ask -c 'SELECT 1' >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1",
    )?;
    refused(
        "no connection is free",
        &answer,
        "database-full-timeout",
        &["too many clients", "ledger/pg"],
    )?;
    scene.sound("after the connections", points)
}
