//! Puts the hard objects where they are needed, and takes them away.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Hard, SHARED};
use crate::testbed::Site;

const HARD: &str = include_str!("../../../../../testbed/scenarios/hard/hard.yaml");
const TARGET: &str = include_str!("../../../../../testbed/scenarios/hard/target.yaml");

impl Hard<'_> {
    /// The application at its first site, each part in the state in which it is to be found.
    pub(super) fn open(&mut self) -> Result<()> {
        let first = [
            "get",
            "service/kubernetes",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ];
        let first = self.kubectl(Site::Primary, &first)?;
        let (range, _) = first.rsplit_once('.').context("an address without dots")?;
        self.address = format!("{range}.201");
        self.create(Site::Primary, SHARED)?;
        self.create(Site::Primary, &HARD.replace("THE-ADDRESS", &self.address))?;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": { "generated": "yes" },
            "metadata": { "generateName": "report-", "namespace": "hard" },
        });
        let made = self.create(Site::Primary, &map.to_string())?;
        self.generated = made.replace("configmap/", "");
        let by_hand = [
            "-n",
            "hard",
            "create",
            "job",
            "nightly-1",
            "--from=cronjob/nightly",
        ];
        self.kubectl(Site::Primary, &by_hand)?;
        for (what, until) in [
            ("job/seed", "condition=Complete"),
            ("job/nightly-1", "condition=Complete"),
            ("job/migrate", "condition=Failed"),
            ("job/import", "jsonpath={.status.ready}=1"),
            ("job/sweep", "jsonpath={.status.ready}=1"),
            ("pod/once", "jsonpath={.status.phase}=Succeeded"),
            ("pod/runner", "condition=Ready"),
            ("pod/keeper-0", "condition=Ready"),
            ("secret/worker-token", "jsonpath={.data.token}"),
        ] {
            self.wait(Site::Primary, "hard", what, until)?;
        }
        Ok(())
    }

    /// A point of the two namespaces.
    pub(super) fn back_up(&self) -> Result<()> {
        let of = ["--protection", "hard", "-n", "hard", "-n", "hard-peer"];
        let backup = [&["backup", "--minimum-mode", "crash"], &of[..]].concat();
        let made = self
            .stage
            .refloat
            .answer(Some(Site::Primary), &backup, &[])?;
        ensure!(
            made.code == Some(0),
            "a backup: {} {}",
            made.value,
            made.said
        );
        self.stage.nothing_left(Site::Primary)
    }

    /// The target: somebody has the port, and the namespace is going.
    pub(super) fn prepare(&self) -> Result<()> {
        self.create(Site::Recovery, TARGET)?;
        self.kubectl(
            Site::Recovery,
            &["delete", "namespace", "hard", "--wait=false"],
        )?;
        Ok(())
    }

    /// Everything goes again; its volume is retained, and released.
    pub(super) fn destroy(&self) -> Result<()> {
        let both = ["delete", "namespace", "hard", "hard-peer", "--timeout=120s"];
        self.kubectl(Site::Recovery, &both)?;
        let own = [
            "delete",
            "clusterrole/hard-own",
            "clusterrolebinding/hard-own",
        ];
        self.kubectl(Site::Recovery, &own)?;
        Ok(())
    }

    /// Takes everything of this story away from a site.
    pub(super) fn clear(&self, site: Site) -> Result<()> {
        // Nothing of these may be there, and one that is held must be let go.
        for namespace in ["hard", "hard-drill"] {
            let free = [
                "-n",
                namespace,
                "patch",
                "configmap/held",
                "--type=merge",
                "-p",
                "{\"metadata\":{\"finalizers\":null}}",
            ];
            drop(self.kubectl(site, &free));
        }
        let cluster = [
            "delete",
            "--ignore-not-found",
            "apiservice/v1beta1.external.metrics.k8s.io",
            "clusterrole/hard-own",
            "clusterrole/hard-shared",
            "clusterrolebinding/hard-own",
            "clusterrolebinding/hard-mixed",
            "storageclass/hard-slow",
        ];
        self.kubectl(site, &cluster)?;
        let namespaces = [
            "delete",
            "namespace",
            "hard",
            "hard-peer",
            "hard-outside",
            "hard-theirs",
            "hard-drill",
            "hard-peer-drill",
            "--ignore-not-found",
            "--timeout=120s",
        ];
        self.kubectl(site, &namespaces)?;
        for name in self
            .volumes(site)?
            .iter()
            .map(|volume| &volume["metadata"]["name"])
        {
            let name = name.as_str().unwrap_or_default();
            self.kubectl(site, &["delete", "persistentvolume", name, "--timeout=60s"])?;
        }
        Ok(())
    }
}
