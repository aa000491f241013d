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
        arguments.primary_kubeconfig.is_none(),
        "the demo's own disaster needs the testbed; on your own clusters follow docs/src/guides/your-own-clusters.md by hand"
    );
    ensure!(
        arguments.size <= 1200,
        "--size {} does not fit the shop's volume of 2 GiB: at most 1200",
        arguments.size
    );
    let outcome = tell(&arguments.name, arguments.size, arguments.seed);
    if arguments.keep {
        say(format_args!(
            "kept: `cargo xtask testbed --name {} status` shows it, `down` removes it",
            arguments.name
        ));
    } else {
        Testbed::down(&arguments.name)?;
    }
    let story = outcome?;
    say(format_args!(
        "\nThe shop is back. Lost: the last {:.1} s before the disaster (RPA). Down: {:.1} s (RTA). All data verified.",
        story.rpa, story.rta
    ));
    Ok(ExitCode::SUCCESS)
}

/// The demo as a test: on a testbed of its own, which is gone afterwards.
pub(crate) fn scenario(name: &str) -> Result<()> {
    let told = tell(name, 320, 2);
    Testbed::down(name)?;
    let story = told?;
    ensure!(story.rpa > 0.0 && story.rta > 0.0, "no times: {story:?}");
    Ok(())
}

fn chapter(number: u32, title: &str) {
    say(format_args!("\n== {number}. {title}"));
}

/// The whole story on a testbed of this name; the testbed stays up.
pub(crate) fn tell(name: &str, size: u32, seed: u64) -> Result<Story> {
    let refloat_binary = build()?;
    chapter(1, "Two clusters and a vault at a third place");
    // One that an earlier demo kept has its vault and its shop already.
    Testbed::down(name)?;
    let testbed = Testbed::up(name)?;
    let refloat = Refloat::prepare(&testbed, refloat_binary, "demo")?;
    let shop = Shop::new(&testbed, Site::Primary);

    chapter(2, "A shop: PostgreSQL, a web application, an operator");
    shop.open(size)?;
    let mut writer = Writer::start(&testbed, seed)?;
    writer.wait_for(200)?;

    chapter(3, "A vault, and a key for each site");
    refloat.make_vault()?;

    chapter(4, "A backup while customers buy");
    let backup = refloat.backup(Site::Primary)?;
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
    testbed.kill(Site::Primary)?;
    let orders = writer.stop()?;
    say(format_args!(
        "  the primary is gone: processes killed, disks destroyed; {} orders were acknowledged in all",
        orders.len()
    ));

    chapter(7, "The plan, and why");
    refloat.show_plan(Site::Recovery)?;

    chapter(8, "Recover");
    let start = Instant::now();
    let recovery = refloat.recover(Site::Recovery)?;
    let answer = checks::web_answers(&testbed, Site::Recovery, Duration::from_mins(1))?;
    let rta = start.elapsed().as_secs_f64();
    say(format_args!("  the shop answers: {answer}"));

    chapter(9, "Is it really all there?");
    checks::all(&testbed, Site::Recovery, &orders, cut)?;
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
