//! What holds for every selection, tried on many.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::selecting;
use crate::inventory::ThingId;
use crate::plan::tests::fixture::Case;
use crate::run::{Step, Work};

const WORDS: &[&str] = &[
    "pvc/data-db-0",
    "sts/db",
    "deployment/web",
    "deployment/operator",
    "secret/database",
    "cm/web",
    "svc/web",
    "ing/web",
    "sa/operator",
    "kind:role",
    "kind:Cache",
    "crd/caches.shop.example.com",
    "phase:namespaces",
    "phase:applications",
    "label:app=web",
    "namespace:shop",
];

fn words(mask: u32) -> Vec<&'static str> {
    WORDS
        .iter()
        .enumerate()
        .filter(|(place, word)| mask >> place & 1 == 1 && !word.starts_with("label:"))
        .map(|(_, word)| *word)
        .collect()
}

fn bare(only: &[&str], skip: &[&str]) -> Case {
    let mut case = selecting(only, skip);
    case.target
        .remove(&ThingId::cluster("", "Namespace", "shop"));
    case
}

fn about(steps: &[Step]) -> BTreeSet<String> {
    let own = |step: &&Step| {
        !matches!(
            step.work,
            Work::SystemNamespace | Work::VaultAccess | Work::VaultAccessEnd
        )
    };
    steps
        .iter()
        .filter(own)
        .map(|step| step.id.clone())
        .collect()
}

/// Puts what a plan writes at the target, as if it had been carried out.
fn carry_out(steps: &[Step], onto: &mut Case) {
    for step in steps {
        let id = match &step.work {
            Work::Write(writing) => writing.target().id(),
            Work::Driver { claim, .. } => claim.thing.clone(),
            _ => continue,
        };
        let found = onto.objects.get(&id).cloned();
        if let Some(thing) = found {
            if id.kind == "CustomResourceDefinition" {
                let caches = crate::plan::tests::fixture::resource("Cache");
                onto.target.served.push(caches);
            }
            onto.target.insert(thing);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Drawn in with all that it needs a selection is closed: into an empty site, nothing stands against it.
    #[test]
    fn what_is_chosen_and_its_needs_are_closed(mask in 1_u32..(1 << 16)) {
        let only = words(mask);
        prop_assume!(!only.is_empty());
        let mut case = bare(&only, &[]);
        case.goal.selection.with_needs = true;
        let planned = case.plan().unwrap();
        for step in &planned.plan.steps {
            for edge in &step.needs {
                prop_assert!(planned.plan.step(&edge.on).is_some(), "{}: {edge:?}", step.id);
            }
        }
        let whole = bare(&[], &[]).plan().unwrap();
        prop_assert!(about(&planned.plan.steps).is_subset(&about(&whole.plan.steps)));
        for step in &planned.plan.steps {
            let whole = &whole.plan.step(&step.id).unwrap().needs;
            for edge in whole.iter().filter(|edge| !step.needs.contains(edge)) {
                let orders = edge.on == "vault-access" || edge.evidence.contains("is not known");
                prop_assert!(orders, "{} lost {edge:?}", step.id);
            }
        }
    }

    /// First only some with their needs, then all but those: together that is the whole, nothing twice.
    #[test]
    fn some_and_then_the_others_are_the_whole(mask in 1_u32..(1 << 16)) {
        let only = words(mask);
        prop_assume!(!only.is_empty());
        let mut case = bare(&only, &[]);
        case.goal.selection.with_needs = true;
        let first = case.plan().unwrap();
        let mut skip: Vec<String> = Vec::new();
        for step in &first.plan.steps {
            let id = match &step.work {
                Work::Write(writing) => writing.target().id(),
                Work::Driver { claim, .. } => claim.thing.clone(),
                _ => continue,
            };
            let kind = if id.group.is_empty() { id.kind.clone() } else { format!("{}.{}", id.kind, id.group) };
            let namespace = id.namespace.as_deref().map_or(String::new(), |one| format!("{one}/"));
            skip.push(format!("{kind}/{namespace}{}", id.name));
        }
        let skip: Vec<&str> = skip.iter().map(String::as_str).collect();
        let whole = bare(&[], &[]).plan().unwrap();
        let mut rest = bare(&[], &skip);
        carry_out(&first.plan.steps, &mut rest);
        let first = about(&first.plan.steps);
        let rest = match rest.plan() {
            Ok(rest) => about(&rest.plan.steps),
            // All of it was there by then.
            Err(problems) => {
                prop_assert_eq!(&problems[0].code, "selection-empty", "{:?}", problems);
                BTreeSet::new()
            }
        };
        let both: BTreeSet<String> = first.union(&rest).cloned().collect();
        prop_assert_eq!(both, about(&whole.plan.steps));
        prop_assert!(first.is_disjoint(&rest), "twice: {:?}", first.intersection(&rest));
    }
}
