//! Where a story plays: two clusters, a store and a place for files; the testbed's, or the user's own.
//!
//! Holds how to reach them. Called by the demo and the scenarios.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::testbed::{Site, Testbed, output};

/// Two clusters, a store, a place for files.
pub(crate) struct Ground {
    kubectl: PathBuf,
    primary: PathBuf,
    recovery: PathBuf,
    scratch: PathBuf,
    /// What refloat is told by its environment: store, credentials, image.
    environment: Vec<(&'static str, String)>,
    /// Address of the bucket and what is below it.
    vault: String,
    /// StorageClass of the shop's volume.
    pub(crate) storage_class: String,
}

impl Ground {
    /// A testbed.
    pub(crate) fn of_testbed(testbed: &Testbed) -> Result<Self> {
        let store = testbed.object_store()?;
        Ok(Self {
            kubectl: testbed.state().programs().join("kubectl"),
            primary: testbed.kubeconfig(Site::Primary),
            recovery: testbed.kubeconfig(Site::Recovery),
            scratch: testbed.scratch(),
            vault: format!("s3://{}", store.bucket),
            environment: vec![
                ("REFLOAT_S3_ENDPOINT", store.endpoint),
                ("AWS_REGION", store.region),
                ("AWS_ACCESS_KEY_ID", store.access_key),
                ("AWS_SECRET_ACCESS_KEY", store.secret_key),
                (
                    "REFLOAT_MOVER_IMAGE",
                    "refloat.local/refloat:dev".to_owned(),
                ),
            ],
            storage_class: "btrfs".to_owned(),
        })
    }

    /// Two clusters of the user's own; store, credentials and image come from the environment, as refloat reads them.
    pub(crate) fn own(
        primary: &Path,
        recovery: &Path,
        storage_class: Option<&str>,
    ) -> Result<Self> {
        let missing: Vec<&str> = [
            "REFLOAT_VAULT",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "REFLOAT_MOVER_IMAGE",
        ]
        .into_iter()
        .filter(|name| std::env::var(name).is_err())
        .collect();
        ensure!(
            missing.is_empty(),
            "on your own clusters the demo needs {}: see docs/src/guides/your-own-clusters.md",
            missing.join(", ")
        );
        let Some(storage_class) = storage_class else {
            bail!(
                "on your own clusters the demo needs `--storage-class NAME` for the shop's volume"
            );
        };
        let scratch = std::env::temp_dir().join(format!("refloat-demo-{}", std::process::id()));
        fs::create_dir_all(&scratch)?;
        let ground = Self {
            kubectl: "kubectl".into(),
            primary: primary.to_owned(),
            recovery: recovery.to_owned(),
            scratch,
            vault: std::env::var("REFLOAT_VAULT").context("REFLOAT_VAULT")?,
            environment: Vec::new(),
            storage_class: storage_class.to_owned(),
        };
        for site in Site::ALL {
            let mut command = ground.kubectl(site);
            command.args([
                "get",
                "namespace",
                "shop",
                "--ignore-not-found",
                "-o",
                "name",
            ]);
            let found =
                output(command).with_context(|| format!("the {site} cluster does not answer"))?;
            ensure!(
                found.trim().is_empty(),
                "the {site} cluster has a namespace `shop` already; the demo would destroy it"
            );
        }
        Ok(ground)
    }

    /// A site's kubeconfig.
    pub(crate) fn kubeconfig(&self, site: Site) -> &Path {
        match site {
            Site::Primary => &self.primary,
            Site::Recovery => &self.recovery,
        }
    }

    /// A kubectl that talks to a site.
    pub(crate) fn kubectl(&self, site: Site) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(self.kubeconfig(site));
        command
    }

    /// What a site's API server says that it is: `v1.34.4`.
    pub(crate) fn kubernetes_version(&self, site: Site) -> Result<String> {
        let mut command = self.kubectl(site);
        command.args(["version", "-o", "json"]);
        let version: Value = serde_json::from_str(&output(command)?)?;
        let text = version.pointer("/serverVersion/gitVersion");
        let text = text.and_then(Value::as_str);
        Ok(text.context("a cluster tells no version")?.to_owned())
    }

    /// A directory for a story's own files.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// What refloat is told: a vault of this name.
    pub(crate) fn environment(&self, vault: &str) -> Vec<(&'static str, String)> {
        let mut all = self.environment.clone();
        all.push(("REFLOAT_VAULT", format!("{}/{vault}", self.vault)));
        all
    }

    /// Takes the shop away from a cluster of the user's own: its namespace and what it has in the cluster.
    pub(crate) fn clear(&self, site: Site) -> Result<()> {
        for arguments in [
            &[
                "delete",
                "namespace",
                "shop",
                "--ignore-not-found",
                "--timeout=180s",
            ][..],
            &[
                "delete",
                "clusterrole/campaign-operator",
                "clusterrolebinding/campaign-operator",
                "customresourcedefinition/campaigns.shop.example.com",
                "--ignore-not-found",
            ][..],
        ] {
            let mut command = self.kubectl(site);
            command.args(arguments);
            output(command)?;
        }
        Ok(())
    }
}
