//! SimWorld as a server that the checks of `fidelity` run against.

use serde_json::Value;

use super::SimWorld;
use super::server::{Reply, Request};
use crate::fidelity::Api;

impl Api for SimWorld {
    async fn call(&self, request: &Request) -> Reply {
        self.with_store(|store| store.call(request))
    }

    async fn watch(&self, request: &Request, _seconds: u64) -> Vec<Value> {
        self.with_store(|store| store.watch(request))
    }

    async fn pause(&self) {
        self.settle(1);
    }

    async fn forget(&self) -> bool {
        self.with_store(super::Store::compact);
        true
    }

    fn suffix(&self) -> String {
        self.suffixes.set(self.suffixes.get() + 1);
        self.suffixes.get().to_string()
    }
}
