//! The page of the results.

use super::Arguments;
use super::measure::{Measured, Phase};
use super::objects::{LATER, Size};
use crate::bench::limits::{MEMORY_MIB_MAX, is_within};

/// Resources of which a command's requests are told, the most asked for first.
const TOLD: usize = 4;

pub(super) fn page(arguments: &Arguments, size: Size, measured: &Measured) -> String {
    let characters: usize = measured.kinds.iter().map(|kind| kind.characters).sum();
    let [argo, hotfix] = LATER.map(|(manager, of_each)| {
        format!("`{manager}` owns fields of {}", of_each * size.applications)
    });
    let [primary, recovery] = measured.at_rest;
    format!(
        "# What many objects of many kinds cost

Written by `cargo xtask bench mixed --objects {} --write`; times are of that one run.

Kubernetes {}. {} objects of {} made-up applications in {} namespaces, {} MB as JSON; API server, etcd (without fsync), vault and the tool share
two cores.
{argo} ConfigMaps beside `helm`, which made all; {hotfix} of these. No Deployment has
replicas, every CronJob is suspended, and nobody acts on the custom resources, whose definition is at both sites before: it is about objects, not
about what they start.

| Kind | Objects |
|---|---|
{}
## Commands
Each is a process of its own, from nothing to its end. The inventory of the cluster is no command of its own: `backup` reads it, and `plan` and
`recover` look at the target. The API server counted the requests: all of its clients', watches left out. At rest the primary's gets {primary:.1} a second,
the recovery site's {recovery:.1}; the controllers' for what is created are among those of `recover`. Unless `--preflight quick` says so, the API server
tries up to 5,000 of the writes without doing them.

| `refloat …` | time | objects/s | requests | highest memory | limit of {MEMORY_MIB_MAX} MiB |
|---|---|---|---|---|---|
{}
Requests by resource, the {TOLD} most asked for:

{}
## Where the recovery's time went
A step is done when what it wrote is ready: a Deployment when the cluster's own controller says that it is available. That controller may ask the
API server 20 times a second (its default), so it is a limit for everybody: at the source the same Deployments were available {:.1} s after a bare loop
began to create the same objects. The lines are as `refloat recover` tells them; phases overlap.

| Phase | steps | time |
|---|---|---|
{}
After the recovery every object of every kind was compared with the one at the source: labels, annotations, content, and who owns which fields of a
ConfigMap; Refloat's own two annotations aside. All are the same.
",
        arguments.objects,
        measured.kubernetes,
        size.objects(),
        size.applications,
        size.namespaces,
        characters.div_ceil(1_000_000),
        kinds(measured),
        commands(size, measured),
        resources(measured),
        measured.available,
        phases(measured),
    )
}

fn kinds(measured: &Measured) -> String {
    let row = |(name, count): (&str, usize)| format!("| {name} | {count} |\n");
    let rows = measured.kinds.iter().map(|kind| (kind.name, kind.count));
    rows.map(row).collect()
}

fn commands(size: Size, measured: &Measured) -> String {
    let rows = measured.commands.iter().map(|(what, went)| {
        let mebibytes = went.peak_kib.div_ceil(1024);
        let verdict = if is_within(went.peak_kib) {
            "within"
        } else {
            "beyond"
        };
        format!(
            "| `{what}` | {:.1} s | {:.0} | {:.0} | {mebibytes} MiB | {verdict} |\n",
            went.seconds,
            f64::from(size.objects()) / went.seconds,
            went.requests.all()
        )
    });
    rows.collect()
}

fn resources(measured: &Measured) -> String {
    let rows = measured.commands.iter().map(|(what, went)| {
        let most: Vec<String> = went
            .requests
            .most()
            .into_iter()
            .take(TOLD)
            .map(|(resource, count)| format!("{resource} {count:.0}"))
            .collect();
        format!("- `{what}`: {}\n", most.join(", "))
    });
    rows.collect()
}

fn phases(measured: &Measured) -> String {
    let row = |phase: &Phase| {
        format!(
            "| {} | {} | {:.1} s |\n",
            phase.name, phase.steps, phase.seconds
        )
    };
    measured.phases.iter().map(row).collect()
}
