//! Which volumes are this driver's: bound claims of a CSI driver in filesystem mode.

use std::collections::BTreeMap;

use refloat_core::driver::{Claim, Role};
use refloat_core::inventory::{Inventory, Thing, ThingId};

/// CSI drivers whose snapshot of one volume is a single point in time, by their documentation; the btrfs one is the
/// testbed's. A driver that is not here still gets its snapshots, but no more than `crash`.
const ATOMIC_DRIVERS: &[&str] = &[
    "btrfs.csi.refloat.io",
    "cinder.csi.openstack.org",
    "csi.vsphere.vmware.com",
    "disk.csi.azure.com",
    "driver.longhorn.io",
    "ebs.csi.aws.com",
    "linstor.csi.linbit.com",
    "pd.csi.storage.gke.io",
    "pxd.portworx.com",
    "rook-ceph.rbd.csi.ceph.com",
    "topolvm.io",
    "zfs.csi.openebs.io",
];

/// Claims a PersistentVolumeClaim whose volume or class names a CSI driver.
pub(super) fn claim(thing: &Thing, inventory: &Inventory) -> Option<Claim> {
    if !thing.id().is("", "PersistentVolumeClaim") {
        return None;
    }
    if thing.text("/spec/volumeMode") == Some("Block") {
        return None;
    }
    let csi_driver = csi_driver(thing, inventory)?;
    let atomic = ATOMIC_DRIVERS.contains(&csi_driver.as_str());
    let mut settings = BTreeMap::from([
        ("csi_driver".to_owned(), csi_driver),
        ("atomic".to_owned(), atomic.to_string()),
    ]);
    if let Some(class) = thing.text("/spec/storageClassName") {
        settings.insert("storage_class".to_owned(), class.to_owned());
    }
    Some(Claim {
        driver: super::FACTS.id.to_owned(),
        role: Role::Volume,
        thing: thing.id(),
        volumes: vec![thing.id()],
        settings,
        notes: Vec::new(),
    })
}

fn csi_driver(claim: &Thing, inventory: &Inventory) -> Option<String> {
    let of_volume = claim
        .text("/spec/volumeName")
        .and_then(|name| inventory.get(&ThingId::cluster("", "PersistentVolume", name)))
        .and_then(|volume| volume.text("/spec/csi/driver"));
    if let Some(driver) = of_volume {
        return Some(driver.to_owned());
    }
    let class = claim.text("/spec/storageClassName")?;
    let id = ThingId::cluster("storage.k8s.io", "StorageClass", class);
    let provisioner = inventory.get(&id)?.text("/provisioner")?;
    (!provisioner.starts_with("kubernetes.io/")).then(|| provisioner.to_owned())
}
