//! The World of a seat: the cluster's hands, and the three effects that need the vault.

use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use refloat_core::backup::PointContent;
use refloat_core::capture::{SessionEvent, SessionOrder, Sessions, Until};
use refloat_core::driver::{Effect, Effected, Outcome, Problem, Query, Seen};
use refloat_core::inventory::ThingId;
use refloat_core::run::RunPlan;
use refloat_core::world::{Batches, Changed, Results, World};
use refloat_world::Cluster;

use super::access::Access;
use super::alive::Alive;
use super::{credentials, objects};

/// Batches that are performed at once.
const BATCHES_MAX: usize = 16;

/// A seat: cluster and vault.
pub(crate) struct Seat<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) access: &'a Access,
    pub(crate) plan: &'a RunPlan,
    /// Protected namespaces, for a backup.
    pub(crate) namespaces: Vec<String>,
    /// Cluster-scoped things that the point carries, for a backup.
    pub(crate) owned: Vec<ThingId>,
    /// Says to others that this engine lives.
    _alive: Alive,
}

impl<'a> Seat<'a> {
    /// A seat for a recovery or a clean-up.
    pub(crate) fn new(cluster: &'a Cluster, access: &'a Access, plan: &'a RunPlan) -> Self {
        Self {
            cluster,
            access,
            plan,
            namespaces: Vec::new(),
            owned: Vec::new(),
            _alive: Alive::keep(&access.vault, &plan.run),
        }
    }

    /// A seat for a backup of these namespaces and cluster-scoped things.
    pub(crate) fn of_backup(
        cluster: &'a Cluster,
        access: &'a Access,
        plan: &'a RunPlan,
        namespaces: Vec<String>,
        owned: Vec<ThingId>,
    ) -> Self {
        let mut seat = Self::new(cluster, access, plan);
        seat.namespaces = namespaces;
        seat.owned = owned;
        seat
    }

    async fn perform(&self, effect: &Effect) -> Result<Effected, Problem> {
        match effect {
            Effect::GrantVault {
                namespace,
                name,
                labels,
            } => {
                let create = credentials::secret(
                    namespace,
                    name,
                    labels,
                    &self.access.location,
                    &self.access.recovery.repository,
                );
                self.cluster.perform(&create).await
            }
            Effect::StoreObjects => self.store_objects().await.map(Effected::Stored),
            Effect::Seal(point) => self.seal(point).await.map(Effected::Sealed),
            Effect::Create { .. }
            | Effect::Patch { .. }
            | Effect::Delete { .. }
            | Effect::Capture(_)
            | Effect::Keep(_)
            | Effect::Exec { .. } => self.cluster.perform(effect).await,
        }
    }

    async fn store_objects(&self) -> Result<Outcome, Problem> {
        let labels = objects::labels(
            self.plan.site.as_str(),
            self.plan.protection.as_str(),
            self.plan.run.as_str(),
        );
        objects::store(
            self.cluster,
            &self.access.vault,
            &self.access.recovery.repository,
            labels,
            &self.namespaces,
            &self.owned,
        )
        .await
    }

    async fn seal(&self, point: &serde_json::Value) -> Result<Outcome, Problem> {
        let content: PointContent = serde_json::from_value(point.clone()).map_err(|error| {
            Problem::of(
                refloat_core::driver::Class::Bug,
                "point-malformed",
                error.to_string(),
                "this is a defect of Refloat: please report it",
            )
        })?;
        let key = self.access.site_key.as_ref().ok_or_else(|| {
            Problem::stuck(
                "site-key-missing",
                "a point is signed by a site",
                "give `--site-key FILE`",
            )
        })?;
        let version = env!("CARGO_PKG_VERSION");
        let sealed = self
            .access
            .vault
            .seal(key, content, version, Timestamp::now())
            .await
            .map_err(|error| error.problem())?;
        Ok(Outcome::default()
            .with("point", sealed.document.id.to_string())
            .with("envelope", sealed.envelope))
    }

    async fn batch(&self, effects: &[Effect]) -> Vec<Result<Effected, Problem>> {
        let mut results = Vec::with_capacity(effects.len());
        for effect in effects {
            let result = self.perform(effect).await;
            let failed = result.is_err();
            results.push(result);
            if failed {
                break;
            }
        }
        results
    }
}

/// The cluster alone can do it.
fn is_of_cluster(effect: &Effect) -> bool {
    match effect {
        Effect::GrantVault { .. } | Effect::StoreObjects | Effect::Seal(_) => false,
        Effect::Create { .. }
        | Effect::Patch { .. }
        | Effect::Delete { .. }
        | Effect::Capture(_)
        | Effect::Keep(_)
        | Effect::Exec { .. } => true,
    }
}

impl Sessions for Seat<'_> {
    fn open(&self, name: &str, order: &SessionOrder) {
        self.cluster.open(name, order);
    }

    fn send(&self, name: &str, text: &str, until: &Until) {
        self.cluster.send(name, text, until);
    }

    fn close(&self, name: &str) {
        self.cluster.close(name);
    }

    async fn next(&self, at_most: Duration) -> Option<(String, SessionEvent)> {
        self.cluster.next(at_most).await
    }
}

impl World for Seat<'_> {
    async fn see(&self, queries: &[Query]) -> Seen {
        self.cluster.see(queries).await
    }

    async fn see_first(&self, queries: &[Query]) -> Seen {
        self.cluster.see_first(queries).await
    }

    async fn act(&self, batches: Batches) -> Results {
        if batches.iter().flatten().all(is_of_cluster) {
            return self.cluster.act(batches).await;
        }
        futures::stream::iter(batches.iter())
            .map(|effects| self.batch(effects))
            .buffered(BATCHES_MAX)
            .collect()
            .await
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.cluster.elapsed()
    }

    async fn pause(&self, at_most: Duration, on: &[Query]) -> Changed {
        self.cluster.pause(at_most, on).await
    }
}
