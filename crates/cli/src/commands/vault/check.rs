//! `refloat vault check`: every signature, every chain, every part of every point. What the store does not give is no damage.

use clap::Args;
use refloat_core::driver::Problem;
use refloat_core::names::ProtectionName;
use refloat_vault::error::VaultError;
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::seat::{Access, open_vault};

/// Arguments of `refloat vault check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Read and hash every byte, too
    #[arg(long)]
    read_data: bool,
}

pub(super) async fn check(
    arguments: &Check,
    config: &Config,
    printer: Printer,
) -> Result<(), Failure> {
    let access = open_vault(config).await?;
    let checked = check_all(&access, arguments.read_data, printer).await?;
    printer.result(&json!({ "points": checked }), || {
        format!("{checked} points checked: signatures, chains and parts are good\n")
    });
    Ok(())
}

/// What a check has found.
#[derive(Default)]
struct Found {
    checked: u64,
    damage: Vec<String>,
    /// Of the store.
    failures: Vec<Problem>,
}

/// How many points are good, or what is not.
async fn check_all(access: &Access, read_data: bool, printer: Printer) -> Result<u64, Failure> {
    let mut found = Found::default();
    for (entry, trusted) in access.vault.sites() {
        if !trusted {
            let text = format!("the key of site {} is not signed by the root", entry.site);
            found.damage.push(text);
        }
    }
    match access.protections(None).await {
        Err(failure) => found.failures.extend(failure.problems),
        Ok(protections) => {
            for protection in &protections {
                if !found.look_at(access, protection, read_data, printer).await {
                    break;
                }
            }
        }
    }
    if !found.damage.is_empty() {
        let mut failure = damaged(&found.damage);
        failure.problems.extend(found.failures);
        return Err(failure);
    }
    if !found.failures.is_empty() {
        return Err(found.failures.into());
    }
    Ok(found.checked)
}

impl Found {
    /// Looks at the points of a protection. False when the store does not answer at all any more.
    async fn look_at(
        &mut self,
        access: &Access,
        protection: &ProtectionName,
        read_data: bool,
        printer: Printer,
    ) -> bool {
        let chain = match access.chain(protection).await {
            Ok(chain) => chain,
            Err(failure) => {
                self.failures.extend(failure.problems);
                return access.protections(None).await.is_ok();
            }
        };
        self.damage.extend(chain.warnings);
        for listed in chain.points {
            self.checked += 1;
            let withheld = listed.withheld().map(VaultError::problem);
            self.failures.extend(withheld);
            let point = match listed.point {
                Ok(point) => point,
                Err(error) if error.is_of_object() => {
                    self.damage.push(error.to_string());
                    continue;
                }
                Err(_) => continue,
            };
            let document = &point.document;
            let verified =
                crate::commands::verify::check_point(access, document, read_data, printer).await;
            let Err(failure) = verified else {
                continue;
            };
            let is_of_store = is_of_store(&failure);
            for mut problem in failure.problems {
                problem.message = format!("{}: {}", listed.id, problem.message);
                if is_of_store {
                    self.failures.push(problem);
                } else {
                    self.damage.push(problem.message);
                }
            }
            if is_of_store && access.protections(None).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// The store is what failed, not what it holds: nothing is known to be damaged.
fn is_of_store(failure: &Failure) -> bool {
    let codes = [
        "mover-store-failed",
        "mover-store-timeout",
        "mover-store-denied",
        "mover-store-credentials",
    ];
    let mut problems = failure.problems.iter();
    problems.any(|one| codes.contains(&one.code.as_str()))
}

/// One problem for each damage: a program that reads the answer reads one document.
fn damaged(found: &[String]) -> Failure {
    let hint = "do not prune anything; recover from points that verify, and find out who could write to the bucket";
    let problems: Vec<Problem> = found
        .iter()
        .map(|message| Problem::stuck("vault-damaged", message, hint))
        .collect();
    problems.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::StreamExt;
    use jiff::Timestamp;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt};
    use refloat_core::names::{RunId, SiteName};
    use refloat_mover::PartError;
    use refloat_vault::store::Vault;

    use super::*;
    use crate::config::Output;
    use crate::seat::part_problem;
    use crate::seat::points::content;
    use crate::seat::refusing::vault_in_memory;

    #[test]
    fn a_store_that_fails_is_no_damage() {
        let is_of_store = |error: &PartError| is_of_store(&part_problem(error).into());
        assert!(is_of_store(&PartError::StoreTimeout {
            operation: "read",
            object: "data/00".to_owned(),
            seconds: 60,
        }));
        let gone = PartError::PackMissing {
            part: "shop/data".to_owned(),
            pack: "00".to_owned(),
        };
        assert!(!is_of_store(&gone));
        assert!(!is_of_store(&PartError::Panicked {
            step: "reading",
            message: "damaged".to_owned(),
        }));
    }

    #[tokio::test]
    async fn damage_is_told_although_the_store_fails_afterwards() {
        let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (prefix, now) = (Path::from(""), Timestamp::UNIX_EPOCH);
        let created = Vault::init_begin(&memory, &prefix).await.expect("a store");
        let made = Vault::init_finish(Arc::clone(&memory), prefix.clone(), &created, now).await;
        let mut vault = made.expect("a vault");
        let site = SiteName::new("a").expect("a site");
        let joined = vault.join(&created.root, &created.recovery, &site, now);
        let key = joined.await.expect("a key");
        for run in ["backup-1", "backup-2"] {
            let mut content = content();
            content.run = RunId::new(run).expect("a run");
            let sealed = vault.seal(&key, content, "0.0.0", now).await;
            sealed.expect("a point");
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
        for object in memory.list(None).collect::<Vec<_>>().await {
            let path = object.expect("an object").location;
            let found = memory.get(&path).await.expect("an object");
            let bytes = found.bytes().await.expect("bytes");
            store.put(&path, bytes.into()).await.expect("a copy");
        }
        let mut access = vault_in_memory().await;
        let opened = Vault::open(Arc::new(store), prefix, &created.recovery).await;
        access.vault = opened.expect("a vault");
        access.recovery = created.recovery;
        // Nothing below a file can be read.
        std::fs::write(directory.path().join("repository"), "").expect("a file");
        let printer = Printer::new(Output::Json);
        let codes = async || {
            let failure = check_all(&access, false, printer)
                .await
                .expect_err("failing");
            let codes = failure.problems.into_iter().map(|one| one.code);
            codes.collect::<Vec<_>>()
        };
        assert_eq!(codes().await, ["mover-store-failed"; 2]);

        let first = directory.path().join("points/shop/0000000001");
        std::fs::write(first, "{}").expect("a file");
        // It cannot be read, and the next does not follow it.
        let both = ["vault-damaged", "vault-damaged", "mover-store-failed"];
        assert_eq!(codes().await, both);
    }
}
