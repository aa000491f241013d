//! The calls that the bare loop makes about the many Secrets.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::bench::bare::{Verb, send};
use crate::ground::Ground;
use crate::testbed::Site;

/// Namespace of the many objects.
pub(super) const NAMESPACE: &str = "many";

/// What is done with the many objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// Created at the source, as an application would.
    CreatePlain,
    /// Created as a recovery creates them: with two annotations more.
    Create,
    /// Read.
    Get,
}

/// One Secret of about half a kilobyte, no two alike.
fn secret(number: u32, calls: Calls) -> Value {
    let name = format!("secret-{number:06}");
    let mut metadata = json!({
        "name": name, "namespace": NAMESPACE,
        "labels": { "app.kubernetes.io/name": "many", "app.kubernetes.io/instance": name },
    });
    if calls == Calls::Create {
        metadata["annotations"] = json!({
            "refloat.io/recovery": "restore-0123456789ab-1",
            "refloat.io/digest": format!("{number:064x}"),
        });
    }
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque",
        "stringData": { "username": format!("user-{number}"), "password": format!("{number:0128x}") },
    })
}

fn line(number: u32, calls: Calls) -> Value {
    let collection = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    match calls {
        Calls::CreatePlain => json!({ "path": collection, "body": secret(number, calls) }),
        Calls::Create => json!({
            "path": format!("{collection}?fieldManager=refloat-bare"), "body": secret(number, calls),
        }),
        Calls::Get => json!({ "path": format!("{collection}/secret-{number:06}") }),
    }
}

/// Seconds that the loop took.
pub(super) fn run(
    program: &Path,
    ground: &Ground,
    site: Site,
    secrets: u32,
    calls: Calls,
    in_flight: u32,
) -> Result<f64> {
    let verb = match calls {
        Calls::Get => Verb::Get,
        Calls::Create | Calls::CreatePlain => Verb::Post,
    };
    let lines = (0..secrets).map(|number| line(number, calls));
    send(program, (ground, site), verb, in_flight, lines)
}
