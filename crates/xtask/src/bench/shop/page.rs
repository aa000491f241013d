//! The page of the results.

use super::Arguments;
use super::measure::{Measured, Return, Tool};
use crate::bench::velero::VERSIONS;

pub(super) fn page(arguments: &Arguments, measured: &Measured) -> String {
    let all = &measured.all;
    let velero = if all.iter().any(|back| back.tool == Tool::Velero) {
        format!(
            "\n{VERSIONS}; its server runs as a process of the same machine,\nand its memory is that of this process while it restores.\n"
        )
    } else {
        String::new()
    };
    let rows: Vec<String> = all.iter().map(row).collect();
    let unhappy: Vec<String> = all.iter().filter_map(unhappy).collect();
    format!(
        "# How soon an application works again

Written by `cargo xtask bench shop --size {} --runs {} --write`; times are of these runs.

Kubernetes {}. A shop: PostgreSQL with {} MiB on one volume, a web application that gives up when its database is not there, a custom resource with its definition
and its operator. One backup by each tool; then, in turn, everything of it is deleted in its cluster (the namespace, the definition, the operator's
rights) and one tool brings it back into the same cluster.

**They do not do the same with the data.** Velero makes the volume from the storage's own snapshot, which has outlived the disaster in the same
storage. Refloat carries every byte back from the vault, as it would at another site, where such a snapshot is not. To get the data to another site
Velero has a data mover; it needs Velero's own pods on every node, which this testbed does not have: it was not tried.

The shop *works* when its web application answers through its Service with the whole data, and then its operator does what its resource is changed
to. Both are asked from outside, five times a second at most, and anew when nothing came for three seconds, the same way for both tools. Restarts and events are counted 15 seconds after that.
{velero}
| | the tool's word | its end | the shop answers | its operator operates | restarts | bad events | highest memory |
|---|---|---|---|---|---|---|---|
{}
{}",
        arguments.size,
        arguments.runs,
        measured.kubernetes,
        arguments.size,
        rows.concat(),
        unhappy.concat(),
    )
}

fn name(tool: Tool) -> &'static str {
    match tool {
        Tool::Refloat => "refloat",
        Tool::Velero => "Velero",
    }
}

fn row(back: &Return) -> String {
    let seconds =
        |at: Option<f64>| at.map_or_else(|| "never".to_owned(), |at| format!("{at:.1} s"));
    let events: Vec<String> = back
        .left
        .events
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    let events = if events.is_empty() {
        "none".to_owned()
    } else {
        events.join(", ")
    };
    format!(
        "| {} | {} | {:.1} s | {} | {} | {} | {events} | {} MiB |\n",
        name(back.tool),
        back.ended.word,
        back.ended.seconds,
        seconds(back.seen.answers),
        seconds(back.seen.operates),
        back.left.restarts,
        back.ended.peak_kib.div_ceil(1024),
    )
}

/// What was seen instead of a shop that works.
fn unhappy(back: &Return) -> Option<String> {
    if back.seen.works().is_none() {
        let last = match back.seen.last.as_str() {
            "" => "nothing",
            last => last,
        };
        return Some(format!(
            "\n{}: the shop did not work while it was watched; what was said last: {last}\n",
            name(back.tool)
        ));
    }
    (!back.left.still_answers).then(|| {
        format!(
            "\n{}: the shop worked, and 15 seconds later did not any more.\n",
            name(back.tool)
        )
    })
}
