//! Applications that name no database wait for all; those that name no queue either wait for all queues, too.

use std::collections::BTreeSet;

use ecow::EcoString;

use super::super::context::{Context, ready_step, write_step};
use super::super::links::{Is, servers};
use super::super::phases::phase;
use super::custom_reference::is_custom;
use super::reference_before_reader::makers;
use super::{Drawn, Rule, webhook_before_pods};
use crate::inventory::{Thing, ThingId};
use crate::run::{Confidence, Phase};

pub(super) const RULE: Rule = Rule {
    name: "DATABASES_BEFORE_UNKNOWN_CLIENT",
    reason: "which database or queue an application needs is not known if it names none: better it waits for one too many",
    confidence: &[Confidence::Medium],
    draw,
};

/// A database or a queue, and the step after which it works.
struct Server {
    step: EcoString,
    is: Is,
    /// Group of its kind: what else is of it belongs to the same operator.
    group: EcoString,
}

fn draw(context: &Context<'_>) -> Vec<Drawn> {
    let servers = all_servers(context);
    if servers.is_empty() {
        return Vec::new();
    }
    let run = running(context);
    let answering = webhook_before_pods::answering(context);
    let mut drawn = Vec::new();
    for (id, thing) in &context.things {
        let is_client = thing.pod_spec().is_some() || is_custom(id) && run.contains(id);
        if !is_client || phase(context, id, thing) != Phase::Applications {
            continue;
        }
        let named = named(context, id, thing);
        let is_unknown = |server: &&Server| match server.is {
            Is::Database => !named.contains(&Is::Database),
            // A broker may be made of other resources of its operator, which cannot wait for it.
            Is::Server | Is::Application => named.is_empty() && server.group != id.group,
        };
        let client = EcoString::from(write_step(id));
        // What answers a webhook about a database's pods is there before them.
        let others = servers
            .iter()
            .filter(is_unknown)
            .filter(|server| !answering.contains(&(id.clone(), server.step.to_string())));
        for server in others {
            let what = match server.is {
                Is::Database => "database",
                Is::Server | Is::Application => "queue",
            };
            let evidence = format!("which {what} it needs is not known: it waits for all");
            let edge = Drawn::new(client.clone(), server.step.clone(), evidence);
            drawn.push(edge.with(Confidence::Medium));
        }
    }
    drawn
}

/// Each once.
fn all_servers(context: &Context<'_>) -> Vec<Server> {
    let mut servers: Vec<Server> = context
        .engines()
        .map(|member| Server {
            step: EcoString::from(ready_step(&member.name)),
            is: Is::Database,
            group: EcoString::from(member.thing.group.as_str()),
        })
        .collect();
    let others = context.things.keys().filter_map(|id| {
        let served = servers::served(id)?;
        context.engine(id).is_none().then(|| Server {
            step: EcoString::from(write_step(id)),
            is: served.is,
            group: EcoString::from(id.group.as_str()),
        })
    });
    servers.extend(others);
    servers.sort_by(|a, b| a.step.cmp(&b.step));
    servers.dedup_by(|a, b| a.step == b.step);
    servers
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

/// What of databases and servers an application names.
fn named(context: &Context<'_>, id: &ThingId, thing: &Thing) -> BTreeSet<Is> {
    let links = context.links().get(id).into_iter().flatten();
    let linked = links.map(|link| link.is);
    let made = makers(context, thing);
    let made = made.iter().filter_map(servers::served).map(|one| one.is);
    let mut named: BTreeSet<Is> = linked.chain(made).collect();
    named.remove(&Is::Application);
    named
}
