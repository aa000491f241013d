//! Which run a recovery is: made of the point, the cluster and the variant, so that the same command goes on with what it began. Called by
//! `plan`, `recover` and `rollback`.

use refloat_core::names::RunId;
use refloat_core::plan::Selection;
use refloat_core::run::Progress;
use refloat_vault::format::{PointDocument, PointId};
use refloat_vault::store::RunJournal;
use refloat_world::Cluster;
use sha2::{Digest, Sha256};

use super::Given;
use crate::failure::Failure;
use crate::seat::{Access, vault_failure, writer_name};

/// What makes another recovery of two of one point: other names, and what of it is wanted. Empty for a whole point as it was taken.
pub(crate) fn variant(given: &Given, selection: &Selection) -> String {
    let parts = [Some(given.variant()), selection.identity()];
    let said: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|one| !one.is_empty())
        .collect();
    said.join("\n")
}

/// The same as the options that were given.
pub(crate) fn options_of(selection: &Selection, given: &Given) -> String {
    let said: Vec<String> = [selection.options(), given.options()]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    said.join(" ")
}

/// How the ids of all recoveries of this point into this cluster begin.
pub(crate) fn run_stem(point: &str, cluster_uid: &str) -> String {
    let digest = Sha256::digest(format!("{point}\n{cluster_uid}"));
    format!("restore-{}-", &hex::encode(digest)[..12])
}

/// How the ids of recoveries of one variant begin; a number follows. A whole point as it was taken has no part for it.
pub(super) fn variant_stem(point: &PointId, cluster_uid: &str, variant: &str) -> String {
    let stem = run_stem(&point.to_string(), cluster_uid);
    if variant.is_empty() {
        return stem;
    }
    let digest = hex::encode(Sha256::digest(variant));
    format!("{stem}{}-", &digest[..8])
}

/// The run that recovers this point so into this cluster: the unfinished one, or the next.
pub(crate) async fn run_of(
    access: &Access,
    cluster: &Cluster,
    point: &PointDocument,
    variant: &str,
) -> Result<(RunId, RunJournal), Failure> {
    let stem = variant_stem(&point.id, cluster.cluster_uid(), variant);
    let writer = writer_name();
    let mut number = 1_u32;
    loop {
        let run = RunId::new(format!("{stem}{number}"))?;
        number += 1;
        // Journals of what is over are long, and of no use here.
        let over = access.vault.has_ended(&run).await;
        if over.map_err(|error| vault_failure(&error))? {
            continue;
        }
        let journal = RunJournal::open(&access.vault, &run, &writer)
            .await
            .map_err(|error| vault_failure(&error))?;
        if Progress::of(journal.records()).ended().is_none() {
            return Ok((run, journal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recoveries_of_different_selections_are_different_runs_and_a_whole_one_is_as_before() {
        let point: PointId = "shop/12".parse().expect("a point");
        let of = |only: &str, name: Option<&str>| {
            let selection = Selection {
                only: vec![only.parse().expect("words")],
                renamed: name.map(|name| name.parse().expect("a name")),
                ..Selection::default()
            };
            variant_stem(&point, "uid", &variant(&Given::default(), &selection))
        };
        let whole = variant_stem(
            &point,
            "uid",
            &variant(&Given::default(), &Selection::default()),
        );
        // What an older Refloat makes of it.
        let before = hex::encode(Sha256::digest("shop/12\nuid"));
        assert_eq!(whole, format!("restore-{}-", &before[..12]));
        assert!(of("pvc/data-0", None).starts_with(&whole), "found with it");
        let all = [
            whole,
            of("pvc/data-0", None),
            of("pvc/data-1", None),
            of("pvc/data-0", Some("a")),
            of("pvc/data-0", Some("b")),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[place + 1..].contains(one), "{place}");
        }
        assert_eq!(
            of("pvc/data-0", None),
            of("persistentvolumeclaim/data-0", None)
        );
    }
}
