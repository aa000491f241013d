//! Applications that name no database wait for all.

use std::collections::BTreeSet;

use ecow::EcoString;

use super::super::context::{Context, ready_step, write_step};
use super::super::links::{How, Is, servers};
use super::super::phases::phase;
use super::custom_reference::is_custom;
use super::reference_before_reader::makers;
use super::{Drawn, Rule, webhook_before_pods};
use crate::inventory::{Thing, ThingId};
use crate::run::{Confidence, Phase};

pub(super) const RULE: Rule = Rule {
    name: "DATABASES_BEFORE_UNKNOWN_CLIENT",
    reason: "which database an application needs is not known if it names none: better it waits for one too many",
    confidence: &[Confidence::Medium],
    draw,
};

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let databases: BTreeSet<EcoString> = context
        .engines()
        .map(|member| ready_step(&member.name))
        .chain(
            context
                .things
                .keys()
                .filter(|id| servers::is_database(id) && context.engine(id).is_none())
                .map(write_step),
        )
        .map(EcoString::from)
        .collect();
    if databases.is_empty() {
        return Vec::new();
    }
    let run = running(context);
    let answering = webhook_before_pods::answering(context);
    let evidence = EcoString::from("which database it needs is not known: it waits for all");
    let mut drawn = Vec::new();
    for (id, thing) in &context.things {
        let is_client = thing.pod_spec().is_some() || is_custom(id) && run.contains(id);
        if !is_client
            || phase(context, id, thing) != Phase::Applications
            || names_one(context, id, thing)
        {
            continue;
        }
        let client = EcoString::from(write_step(id));
        // What answers a webhook about a database's pods is there before them.
        let others = databases
            .iter()
            .filter(|database| !answering.contains(&(id.clone(), database.to_string())));
        for database in others {
            let edge = Drawn::new(client.clone(), database.clone(), evidence.clone());
            drawn.push(edge.with(Confidence::Medium));
        }
    }
    drawn
}

/// Things whose operators run pods for them: other custom resources are settings, which ask no database.
fn running(context: &Context<'_>) -> BTreeSet<ThingId> {
    let children = context.objects.iter().filter(|child| {
        let runs = child.pod_spec().is_some();
        runs && !context.has(&child.id)
    });
    let roots = children.filter_map(|child| context.root(child));
    roots.map(Thing::id).collect()
}

fn names_one(context: &Context<'_>, id: &ThingId, thing: &Thing) -> bool {
    let links = context.links().get(id).into_iter().flatten();
    // Who had an address may not be who has it by now: that alone takes no guess away.
    links
        .into_iter()
        .any(|link| link.is == Is::Database && link.how != How::SeenByAddress)
        || makers(context, thing).iter().any(servers::is_database)
}
