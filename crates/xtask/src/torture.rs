//! `cargo xtask torture`: copies of the ledger under full load, each recovered and judged; and the same without holds, to
//! show that the judge can fail.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;

use crate::captured::Captured;
use crate::ground::Ground;
use crate::ledger::{Ledger, Load};
use crate::printer::{print, say};
use crate::refloat::{Refloat, build_release};
use crate::testbed::{Site, Testbed, output};

/// Rounds of the torture.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Copies that are held, recovered and judged
    #[arg(long, default_value_t = 30)]
    rounds: u32,
    /// Copies of the same without holds
    #[arg(long, default_value_t = 6)]
    unheld: u32,
}

/// Volumes of which one is cut late each round, and by how many seconds: cuts are never of one moment.
const LATE: [(&str, f64); 4] = [
    ("data-pg-0", 0.7),
    ("wal-pg-0", 0.7),
    ("data-maria-0", 0.7),
    ("data-pg-0", 0.0),
];
/// So many copies without holds are made while none of them is torn.
const UNHELD_MAX: u32 = 6;
/// How long a recovery of a held copy may take: it must come up, on a busy machine too.
const HELD_LIMIT: Duration = Duration::from_mins(4);
/// A recovery without holds that is not done after this time never will be: the database does not come up.
const UNHELD_LIMIT: Duration = Duration::from_secs(75);

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let binary = build_release()?;
    Testbed::down("torture")?;
    let outcome = on_testbed(arguments, &binary);
    Testbed::down("torture")?;
    let (held, unheld) = outcome?;
    print(format_args!(
        "held: {} of {} copies sound; without holds: {} of {} copies torn, and caught",
        held.sound,
        held.rounds,
        unheld.rounds - unheld.sound,
        unheld.rounds
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn on_testbed(arguments: &Arguments, binary: &Path) -> Result<(Tally, Tally)> {
    let testbed = Testbed::up("torture")?;
    testbed.load_refloat(binary)?;
    let ground = Ground::of_testbed(&testbed)?;
    torture(
        &testbed,
        &ground,
        binary,
        arguments.rounds,
        arguments.unheld,
    )
}

/// How many copies were judged, and how many of them were sound.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u32,
    pub(crate) sound: u32,
}

/// Both halves. Fails when a held copy is not sound, or when no torn one is caught.
pub(crate) fn torture(
    testbed: &Testbed,
    ground: &Ground,
    binary: &Path,
    rounds: u32,
    unheld: u32,
) -> Result<(Tally, Tally)> {
    let ledger = Ledger::new(ground);
    ledger.open_once()?;
    ledger.write(Load {
        engines: "pg,maria",
        workers: 4,
        pause: Duration::ZERO,
    })?;
    let torture = Torture {
        testbed,
        ground,
        ledger: &ledger,
    };
    let _checkpoints = Checkpoints::begin(ground, &ledger)?;
    let refloat = Refloat::prepare(ground, binary.to_owned(), "torture")?;
    refloat.make_vault()?;
    let mut held = Tally::default();
    for round in 0..rounds {
        let wrong = torture.round(&refloat, round, "when-needed")?;
        held.rounds += 1;
        held.sound += u32::from(wrong.is_empty());
        ensure!(
            wrong.is_empty(),
            "held copy {round} is not sound: {}",
            wrong.join("; ")
        );
    }
    let mut torn = Tally::default();
    // None may be torn by chance: a few more are made then.
    let more = |torn: &Tally| torn.sound == torn.rounds && torn.rounds < UNHELD_MAX;
    while torn.rounds < unheld || (unheld > 0 && more(&torn)) {
        let round = torn.rounds;
        // A recovery that never ends belongs to a vault of its own.
        let refloat = Refloat::prepare(ground, binary.to_owned(), &format!("unheld-{round}"))?;
        refloat.make_vault()?;
        let wrong = torture.round(&refloat, round, "never")?;
        torn.rounds += 1;
        torn.sound += u32::from(wrong.is_empty());
    }
    ledger.quiet()?;
    ensure!(
        unheld == 0 || torn.sound < torn.rounds,
        "{} copies without holds were all found sound: the judge sees nothing",
        torn.rounds
    );
    Ok((held, torn))
}

/// Checkpoints one after the other, for as long as this lives: a data volume that is cut later than the WAL then points
/// beyond it. What runs in the pod outlives its kubectl: it goes on while a file is there.
struct Checkpoints<'a> {
    ledger: &'a Ledger<'a>,
    kubectl: Child,
}

/// While it is in PostgreSQL's pod, checkpoints are made there.
const CHECKPOINTS: &str = "/tmp/refloat-checkpoints";

impl<'a> Checkpoints<'a> {
    fn begin(ground: &Ground, ledger: &'a Ledger<'a>) -> Result<Self> {
        ledger.in_pod(Site::Primary, "pg-0", &["touch", CHECKPOINTS])?;
        let on = format!(
            "while [ -e {CHECKPOINTS} ]; do psql -Xq -U ledger -d ledger -c CHECKPOINT; sleep 0.1; done"
        );
        let mut command = ground.kubectl(Site::Primary);
        command
            .args(["-n", "ledger", "exec", "pg-0", "--", "sh", "-c", &on])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let kubectl = command.spawn().context("cannot start kubectl")?;
        Ok(Self { ledger, kubectl })
    }
}

impl Drop for Checkpoints<'_> {
    fn drop(&mut self) {
        let end = ["rm", "-f", CHECKPOINTS];
        drop(self.ledger.in_pod(Site::Primary, "pg-0", &end));
        drop(self.kubectl.kill());
        drop(self.kubectl.wait());
    }
}

struct Torture<'a> {
    testbed: &'a Testbed,
    ground: &'a Ground,
    ledger: &'a Ledger<'a>,
}

impl Torture<'_> {
    /// One copy, recovered at the other site and judged; what is wrong with it.
    fn round(&self, refloat: &Refloat<'_>, round: u32, holds: &str) -> Result<Vec<String>> {
        let late = LATE[round as usize % LATE.len()];
        let faults =
            json!({ "cut_delay_seconds": late.1, "only_volume": self.ledger.volume(late.0)? });
        fs::write(self.testbed.control_file(Site::Primary), faults.to_string())?;
        let file = self.protection(holds)?;
        let captured = Captured {
            testbed: self.testbed,
            refloat,
            protection: "ledger",
        };
        let runs = self.ledger.runs()?;
        // Of a capture that is taken again the last one is measured.
        let begun = Cell::new(Instant::now());
        let take = || {
            begun.set(Instant::now());
            refloat.answer(Some(Site::Primary), &["backup", "-f", &file], &[])
        };
        let backup = captured.take(&take, &|| self.ledger.let_go_in(&runs));
        fs::write(self.testbed.control_file(Site::Primary), "{}")?;
        let backup = backup?;
        ensure!(
            backup.code == Some(0),
            "backup: {} {}",
            backup.value,
            backup.said
        );
        let expected = if holds == "never" { "crash" } else { "held" };
        let mode = backup.value.get("mode").and_then(|mode| mode.as_str());
        ensure!(mode == Some(expected), "its mode is {mode:?}");
        let taken = begun.get().elapsed();
        let wrong = match self.recover(refloat, holds)? {
            Some(problem) => vec![problem],
            None => self.ledger.judge(Site::Recovery),
        };
        say(format_args!(
            "  copy {round}, holds {holds}, {} {:.1} s late: taken in {:.1} s, judged after {:.1} s: {}",
            late.0,
            late.1,
            taken.as_secs_f64(),
            begun.get().elapsed().as_secs_f64(),
            if wrong.is_empty() {
                "sound".to_owned()
            } else {
                wrong
                    .join("; ")
                    .replace('\n', ", ")
                    .chars()
                    .take(700)
                    .collect()
            }
        ));
        self.clear(holds)?;
        Ok(wrong)
    }

    fn protection(&self, holds: &str) -> Result<String> {
        let minimum = if holds == "never" { "crash" } else { "held" };
        let path = self.ground.scratch().join(format!("torture-{holds}.yaml"));
        let file = json!({
            "apiVersion": "refloat.io/v1alpha1", "kind": "Protection",
            "metadata": { "name": "ledger" },
            "spec": { "namespaces": ["ledger"], "minimumMode": minimum, "capture": { "holds": holds } },
        });
        fs::write(&path, file.to_string())?;
        Ok(path.display().to_string())
    }

    /// Recovers the newest point; what hindered it.
    fn recover(&self, refloat: &Refloat<'_>, holds: &str) -> Result<Option<String>> {
        let limit = if holds == "never" {
            UNHELD_LIMIT
        } else {
            HELD_LIMIT
        };
        let mut child = refloat
            .command(
                Some(Site::Recovery),
                &["recover", "--protection", "ledger", "--isolated", "--yes"],
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start refloat")?;
        let begun = Instant::now();
        loop {
            if let Some(ended) = child.try_wait()? {
                return Ok((!ended.success()).then(|| format!("its recovery failed ({ended})")));
            }
            if begun.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                return Ok(Some(self.why_not_up()));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the databases say that do not come up.
    fn why_not_up(&self) -> String {
        let last = |pod: &str| {
            let mut command = self.ground.kubectl(Site::Recovery);
            command.args(["-n", "ledger", "logs", pod, "--tail=40"]);
            let said = output(command).unwrap_or_default();
            let bad = |line: &&str| {
                ["FATAL", "PANIC", "ERROR"]
                    .iter()
                    .any(|word| line.contains(word))
            };
            said.lines().rfind(bad).map(str::to_owned)
        };
        let said: Vec<String> = ["pg-0", "maria-0"].into_iter().filter_map(last).collect();
        format!("it does not come up: {}", said.join("; "))
    }

    /// Takes the copy away again.
    fn clear(&self, holds: &str) -> Result<()> {
        self.ledger.clear(Site::Recovery)?;
        if holds == "never" {
            let mut command = self.ground.kubectl(Site::Recovery);
            command.args([
                "delete",
                "namespace",
                "refloat-system",
                "--ignore-not-found",
                "--timeout=120s",
            ]);
            output(command)?;
        }
        let begun = Instant::now();
        loop {
            let mut command = self.ground.kubectl(Site::Recovery);
            command.args(["get", "persistentvolumes", "-o", "name"]);
            if output(command)?.trim().is_empty() {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_mins(1) {
                bail!("volumes are left at the recovery site");
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}
