//! `cargo xtask demo`: the main job for real, told as it goes. A shop on one cluster, a backup under load, the cluster
//! destroyed, the shop back at another site, and every promise checked.
//!
//! Holds the order of the story. The shop, the writer that records what was acknowledged, and the checks are beside it.

mod checks;
mod writer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::ground::Ground;
use crate::printer::say;
use crate::refloat::{self, Refloat, build};
use crate::shop::Shop;
use crate::testbed::{Site, Testbed};
use writer::Writer;

/// A live PostgreSQL application, its cluster destroyed, back at another site.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Keep the testbed and the vault afterwards
    #[arg(long)]
    keep: bool,
    /// MiB of data in the shop's database
    #[arg(long, default_value_t = 320)]
    size: u32,
    /// Seed of the writer's orders
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name of the testbed that the demo makes for itself
    #[arg(long, default_value = "demo")]
    name: String,
    /// Your own first cluster instead of the testbed's; the demo destroys the namespace `shop` there
    #[arg(long, requires = "recovery_kubeconfig")]
    primary_kubeconfig: Option<PathBuf>,
    /// Your own second cluster instead of the testbed's
    #[arg(long, requires = "primary_kubeconfig")]
    recovery_kubeconfig: Option<PathBuf>,
    /// StorageClass of the shop's volume on your own clusters
    #[arg(long, requires = "primary_kubeconfig")]
    storage_class: Option<String>,
    /// Weakest consistency that the demo's backup accepts
    #[arg(long, default_value = "atomic-volume")]
    minimum_mode: String,
}

/// What the demo found, for the last lines and for scenarios that run it.
#[derive(Debug)]
pub(crate) struct Story {
    /// Seconds between the cut and the disaster: what was lost.
    pub(crate) rpa: f64,
    /// Seconds from the start of `recover` until the shop answered.
    pub(crate) rta: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(
        arguments.size <= 1200,
        "--size {} does not fit the shop's volume of 2 GiB: at most 1200",
        arguments.size
    );
    let tale = Tale {
        size: arguments.size,
        seed: arguments.seed,
        minimum_mode: &arguments.minimum_mode,
    };
    let outcome = match (
        &arguments.primary_kubeconfig,
        &arguments.recovery_kubeconfig,
    ) {
        (Some(primary), Some(recovery)) => {
            let ground = Ground::own(primary, recovery, arguments.storage_class.as_deref())?;
            on_own_clusters(&ground, &tale, arguments.keep)
        }
        _ => on_testbed(&arguments.name, &tale, arguments.keep),
    };
    let story = outcome?;
    say(format_args!(
        "\nThe shop is back. Lost: the last {:.1} s before the disaster (RPA). Down: {:.1} s (RTA). All data verified.",
        story.rpa, story.rta
    ));
    Ok(ExitCode::SUCCESS)
}

/// What is told.
struct Tale<'a> {
    size: u32,
    seed: u64,
    minimum_mode: &'a str,
}

fn on_testbed(name: &str, tale: &Tale<'_>, keep: bool) -> Result<Story> {
    let binary = build()?;
    chapter(1, "Two clusters and a vault at a third place");
    // One that an earlier demo kept has its vault and its shop already.
    Testbed::down(name)?;
    let told = Testbed::up(name).and_then(|testbed| {
        testbed.load_refloat(&binary)?;
        let ground = Ground::of_testbed(&testbed)?;
        let disaster = || {
            testbed.kill(Site::Primary)?;
            Ok("the primary is gone: processes killed, disks destroyed")
        };
        tell(&ground, binary, tale, &disaster)
    });
    if keep {
        say(format_args!(
            "kept: `cargo xtask testbed --name {name} status` shows it, `down` removes it"
        ));
    } else {
        Testbed::down(name)?;
    }
    told
}

/// Nobody's cluster is destroyed: the disaster is that everything of the shop is deleted.
fn on_own_clusters(ground: &Ground, tale: &Tale<'_>, keep: bool) -> Result<Story> {
    let binary = build()?;
    chapter(1, "Two clusters of your own");
    let disaster = || {
        ground.clear(Site::Primary)?;
        Ok("everything of the shop is deleted at the primary")
    };
    let told = tell(ground, binary, tale, &disaster);
    if !keep {
        for site in Site::ALL {
            ground.clear(site)?;
        }
        say("the shop is removed from both clusters; the vault stays in your bucket");
    }
    told
}

/// The demo as a test: on a testbed of its own, which is gone afterwards.
pub(crate) fn scenario(name: &str) -> Result<()> {
    let tale = Tale {
        size: 320,
        seed: 2,
        minimum_mode: "atomic-volume",
    };
    let told = on_testbed(name, &tale, false);
    let story = told?;
    ensure!(story.rpa > 0.0 && story.rta > 0.0, "no times: {story:?}");
    Ok(())
}

fn chapter(number: u32, title: &str) {
    say(format_args!("\n== {number}. {title}"));
}

/// The whole story.
fn tell(
    ground: &Ground,
    binary: PathBuf,
    tale: &Tale<'_>,
    disaster: &dyn Fn() -> Result<&'static str>,
) -> Result<Story> {
    let vault = format!("demo-{}", jiff::Timestamp::now().as_second());
    let refloat = Refloat::prepare(ground, binary, &vault)?;
    let shop = Shop::new(ground, Site::Primary);

    chapter(2, "A shop: PostgreSQL, a web application, an operator");
    shop.open(tale.size)?;
    let mut writer = Writer::start(ground, tale.seed)?;
    writer.wait_for(200)?;

    chapter(3, "A vault, and a key for each site");
    refloat.make_vault()?;

    chapter(4, "A backup while customers buy");
    let backup = refloat.backup(Site::Primary, tale.minimum_mode)?;
    say(format_args!("  {}", one_line(&backup)));

    chapter(5, "The recovery site proves that it can read the point");
    refloat.verify(Site::Recovery)?;
    let point = refloat.newest_point()?;
    let cut = point
        .get("earliest_cut")
        .and_then(Value::as_str)
        .context("`refloat points` names no cut")?
        .parse::<jiff::Timestamp>()?;

    chapter(6, "More customers, then the disaster");
    let acknowledged = writer.acknowledged();
    writer.wait_for(acknowledged + 300)?;
    let died = jiff::Timestamp::now();
    let happened = disaster()?;
    let orders = writer.stop()?;
    say(format_args!(
        "  {happened}; {} orders were acknowledged in all",
        orders.len()
    ));

    chapter(7, "The plan, and why");
    refloat.show_plan(Site::Recovery)?;

    chapter(8, "Recover");
    let start = Instant::now();
    let recovery = refloat.recover(Site::Recovery)?;
    let answer = checks::web_answers(ground, Site::Recovery, Duration::from_mins(1))?;
    let rta = start.elapsed().as_secs_f64();
    say(format_args!("  the shop answers: {answer}"));

    chapter(9, "Is it really all there?");
    checks::all(ground, Site::Recovery, &orders, cut)?;
    refloat::tell_times(&recovery);
    Ok(Story {
        rpa: died.duration_since(cut).as_secs_f64(),
        rta,
    })
}

fn one_line(value: &Value) -> String {
    let text = |key: &str| value.get(key).map(ToString::to_string).unwrap_or_default();
    format!(
        "point {}, mode {}, cut {}",
        text("point"),
        text("mode"),
        text("earliest_cut")
    )
}
