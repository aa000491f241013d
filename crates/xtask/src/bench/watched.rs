//! A command of refloat, watched from outside: its time, its highest memory, and what the API server was asked meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::ground::Ground;
use crate::printer::say;
use crate::refloat::Refloat;
use crate::testbed::{Site, output};

/// A child, watched until it ends.
pub(crate) struct Watched {
    stop: Arc<AtomicBool>,
    watcher: Option<thread::JoinHandle<u64>>,
}

impl Watched {
    /// Watches the resident size of a process.
    pub(crate) fn of(process: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let watcher = thread::spawn(move || {
            let mut peak = 0;
            while !told.load(Ordering::Relaxed) {
                peak = peak.max(resident(process).unwrap_or(0));
                thread::sleep(Duration::from_millis(20));
            }
            peak
        });
        Self {
            stop,
            watcher: Some(watcher),
        }
    }

    /// Watches a process that has lived before: the kernel forgets its highest size until now.
    pub(crate) fn from_now(process: u32) -> Result<Self> {
        // Documented in proc(5): 5 sets the highest size back to the present one.
        fs::write(format!("/proc/{process}/clear_refs"), "5")
            .context("cannot make the kernel forget a highest size")?;
        Ok(Self::of(process))
    }

    /// The highest size in KiB.
    pub(crate) fn peak(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher
            .take()
            .and_then(|watcher| watcher.join().ok())
            .unwrap_or(0)
    }
}

/// `VmHWM` of a process: the kernel's own account of its highest size, in KiB.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().split(' ').next()?.parse().ok()
}

/// Requests that an API server has answered by resource, watches left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(BTreeMap<String, f64>);

impl Requests {
    /// All until now.
    pub(crate) fn until_now(ground: &Ground, site: Site) -> Result<Self> {
        let mut command = ground.kubectl(site);
        command.args(["get", "--raw", "/metrics"]);
        Ok(Self::read(&output(command)?))
    }

    /// Those of an API server's metrics, in Prometheus' text format.
    pub(crate) fn read(metrics: &str) -> Self {
        let mut all = Self::default();
        for line in metrics.lines() {
            let Some(labels) = line.strip_prefix("apiserver_request_total{") else {
                continue;
            };
            let label = |name: &str| {
                let start = format!("{name}=\"");
                let found = labels.split(',').find_map(|one| one.strip_prefix(&start));
                found.map(|rest| rest.split('"').next().unwrap_or_default())
            };
            let count = line
                .rsplit(' ')
                .next()
                .and_then(|word| word.parse::<f64>().ok());
            let (Some(resource), Some(count)) = (label("resource"), count) else {
                continue;
            };
            if label("verb") != Some("WATCH") {
                *all.0.entry(resource.to_owned()).or_default() += count;
            }
        }
        all
    }

    /// Those since an earlier count.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        for (resource, count) in &earlier.0 {
            *self.0.entry(resource.clone()).or_default() -= count;
        }
        self
    }

    /// Those about all.
    pub(crate) fn all(&self) -> f64 {
        self.0.values().sum()
    }

    /// Resources with their counts, the most asked for first; requests about no resource are called so.
    pub(crate) fn most(&self) -> Vec<(&str, f64)> {
        let counts = self.0.iter().filter(|(_, count)| **count > 0.0);
        let mut all: Vec<(&str, f64)> = counts
            .map(|(resource, count)| match resource.as_str() {
                "" => ("no resource", *count),
                resource => (resource, *count),
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }

    /// Those about one resource: `secrets`.
    pub(crate) fn about(&self, resource: &str) -> f64 {
        self.0.get(resource).copied().unwrap_or(0.0)
    }
}

/// How a command went.
#[derive(Debug)]
pub(crate) struct Went {
    pub(crate) seconds: f64,
    pub(crate) peak_kib: u64,
    pub(crate) requests: Requests,
    /// What it printed.
    pub(crate) said: Vec<u8>,
}

/// Runs refloat to its good end.
pub(crate) fn run(
    ground: &Ground,
    refloat: &Refloat<'_>,
    what: &str,
    site: Site,
    words: &[&str],
) -> Result<Went> {
    let before = Requests::until_now(ground, site)?;
    let messages = ground.scratch().join("messages.txt");
    let begun = Instant::now();
    let mut child = refloat
        .command(Some(site), words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&messages).context("cannot write messages")?)
        .spawn()
        .context("cannot start refloat")?;
    let watched = Watched::of(child.id());
    let mut said = Vec::new();
    child
        .stdout
        .take()
        .context("no stdout")?
        .read_to_end(&mut said)?;
    let status = child.wait()?;
    let seconds = begun.elapsed().as_secs_f64();
    let peak_kib = watched.peak();
    ensure!(
        status.success(),
        "{what}: {status}: {}\nits last messages: {}",
        first(&said),
        last(&fs::read(&messages).unwrap_or_default())
    );
    say(format_args!("  {what}: {seconds:.1} s"));
    Ok(Went {
        seconds,
        peak_kib,
        requests: Requests::until_now(ground, site)?.since(&before),
        said,
    })
}

/// Characters of a failed command that are shown.
const SHOWN: usize = 2000;

fn first(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(SHOWN).collect()
}

fn last(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let skipped = text.chars().count().saturating_sub(SHOWN);
    text.chars().skip(skipped).collect()
}
