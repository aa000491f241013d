//! The look at the target before anything is planned.

use refloat_core::inventory::{Inventory, Unread};
use refloat_world::{Cluster, InventoryScope, PASSING_MAX};

use crate::failure::Failure;
use crate::printer::Printer;
use crate::seat::existing_namespaces;

/// What is in these namespaces of the target, as far as there are any, and in no namespace. The recovery may bring what serves an API that
/// nobody serves: it is not waited for.
pub(super) async fn look(
    cluster: &Cluster,
    namespaces: Vec<String>,
    printer: Printer,
) -> Result<Inventory, Failure> {
    let namespaces = existing_namespaces(cluster, &namespaces).await?;
    let scope = InventoryScope { namespaces };
    let matters = |one: &Unread| !one.is_api();
    let told = |line: &str| printer.note(line);
    let inventory = cluster.patient_inventory(&scope, PASSING_MAX, matters, told);
    Ok(inventory.await?)
}
