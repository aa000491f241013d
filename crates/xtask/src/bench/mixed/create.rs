//! The objects of the applications come to be at the source, and the cluster comes to rest.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::objects::{self, DEFINITION, LATER, SELECTOR, Size};
use crate::bench::bare::{Verb, send};
use crate::bench::watched::Requests;
use crate::ground::Ground;
use crate::printer::say;
use crate::shop::Shop;
use crate::testbed::Site;

/// Calls in flight.
const IN_FLIGHT: u32 = 32;
/// Objects that one kubectl applies.
const AT_A_TIME: usize = 1000;
/// At rest are controllers that make no more requests a second than this.
const REST: f64 = 20.0;
/// So long it is looked whether they are.
const LOOK: Duration = Duration::from_secs(10);
/// Longer than this it is not waited for.
const PATIENCE: Duration = Duration::from_mins(30);

/// Makes all at the primary site, and the definition at the recovery site, too: nobody in the namespaces answers for it.
///
/// Seconds from the first call until the cluster's own controllers had every Deployment available.
pub(super) fn create(size: Size, ground: &Ground, bare: &Path) -> Result<f64> {
    for site in Site::ALL {
        send(bare, (ground, site), Verb::Post, 1, [objects::definition()])?;
        is_served(ground, site)?;
    }
    let at = (ground, Site::Primary);
    send(bare, at, Verb::Post, 1, objects::namespaces(size))?;
    let begun = Instant::now();
    send(bare, at, Verb::Post, IN_FLIGHT, objects::contents(size))?;
    let made = begun.elapsed().as_secs_f64();
    all_available(size, ground)?;
    let available = begun.elapsed().as_secs_f64();
    for (manager, of_each) in LATER {
        let all = objects::applied(size, manager, of_each);
        apply(ground, manager, &all).with_context(|| format!("what {manager} applies"))?;
    }
    say(format_args!(
        "  {} objects in {} namespaces made in {made:.1} s, their Deployments available after {available:.1} s",
        size.objects(),
        size.namespaces,
    ));
    Ok(available)
}

/// Waits until every Deployment says that it is available.
fn all_available(size: Size, ground: &Ground) -> Result<()> {
    let words = [
        "get",
        "deployments.apps",
        "--all-namespaces",
        "-l",
        SELECTOR,
        "-o",
        "jsonpath={.items[*].status.conditions[?(@.type==\"Available\")].status}",
    ];
    let (begun, hands) = (Instant::now(), Shop::new(ground, Site::Primary));
    loop {
        let said = hands.kubectl(&words, "")?;
        let count = said.split_whitespace().filter(|word| *word == "True");
        let count = count.count();
        if count >= size.applications as usize {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "only {count} Deployments of {} are available",
            size.applications
        );
        thread::sleep(Duration::from_secs(1));
    }
}

/// Waits until the API server takes the custom resources: a moment after it says that they are established.
fn is_served(ground: &Ground, site: Site) -> Result<()> {
    let begun = Instant::now();
    loop {
        let hands = Shop::new(ground, site);
        match hands.kubectl(&["get", DEFINITION, "--all-namespaces"], "") {
            Ok(_) => return Ok(()),
            Err(error) => ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "the custom resources are not served at {site}: {error}"
            ),
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Server-side apply by a manager, on two threads.
fn apply(ground: &Ground, manager: &str, all: &[Value]) -> Result<()> {
    let manager = format!("--field-manager={manager}");
    let words = [
        "apply",
        "--server-side",
        "--validate=false",
        &manager,
        "-o",
        "name",
        "-f",
        "-",
    ];
    let half = all.len().div_ceil(2).max(1);
    thread::scope(|scope| {
        let lanes: Vec<_> = all
            .chunks(half)
            .map(|lane| {
                scope.spawn(move || -> Result<()> {
                    let hands = Shop::new(ground, Site::Primary);
                    for items in lane.chunks(AT_A_TIME) {
                        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
                        hands.kubectl(&words, &list.to_string())?;
                    }
                    Ok(())
                })
            })
            .collect();
        lanes
            .into_iter()
            .try_for_each(|lane| lane.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// Waits until the controllers of a cluster have done what follows from its objects; the requests a second that it gets at rest.
pub(super) fn at_rest(ground: &Ground, site: Site) -> Result<f64> {
    let begun = Instant::now();
    loop {
        let (before, start) = (Requests::until_now(ground, site)?, Instant::now());
        thread::sleep(LOOK);
        let count = Requests::until_now(ground, site)?.since(&before).all();
        let rate = count / start.elapsed().as_secs_f64();
        if rate <= REST {
            return Ok(rate);
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the {site} cluster does not come to rest: {rate:.0} requests/s"
        );
    }
}
