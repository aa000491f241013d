//! Points as a listing tells them. Tests only.

use jiff::Timestamp;
use refloat_core::backup::PointContent;
use refloat_core::names::SiteName;
use refloat_vault::error::VaultError;
use refloat_vault::format::{PointDocument, PointId};
use refloat_vault::store::{Listed, SealedPoint};
use serde_json::json;

/// What a point of `shop`, made at site `a`, holds.
pub(crate) fn content() -> PointContent {
    let at = Timestamp::UNIX_EPOCH;
    let content = json!({
        "protection": "shop", "site": "a", "run": "backup-1", "namespaces": ["shop"], "spec": {}, "kubernetes_version": "v1.34.4",
        "cluster_uid": "here", "began": at, "members": [], "required": [], "owned": [], "findings": [],
        "parts": [{
            "id": "shop/data", "driver": "csi-snapshot", "claim": {}, "storage_class": "", "csi_driver": "", "capacity": "1Gi",
            "cut": at, "snapshot_handle": "", "snapshot": "a".repeat(64), "tree": "b".repeat(64), "files": 1, "bytes": 1, "bytes_added": 1,
        }],
        "objects": { "snapshot": "c".repeat(64), "tree": "d".repeat(64), "count": 1, "listed": at },
    });
    serde_json::from_value(content).expect("a point of today is read for ever")
}

fn listed(sequence: u64, point: impl FnOnce(PointId) -> Result<SealedPoint, VaultError>) -> Listed {
    let id: PointId = format!("shop/{sequence}").parse().expect("a point");
    Listed {
        point: point(id.clone()),
        id,
        verified: Vec::new(),
        unread: Vec::new(),
    }
}

/// One that can be recovered.
pub(crate) fn good(sequence: u64) -> Listed {
    listed(sequence, |id| {
        Ok(SealedPoint {
            signer: SiteName::new("a").expect("a site"),
            envelope: String::new(),
            document: PointDocument {
                format: 1,
                id,
                previous: None,
                sealed: Timestamp::UNIX_EPOCH,
                refloat_version: String::new(),
                content: content(),
            },
        })
    })
}

/// One that the store does not give.
pub(crate) fn withheld(sequence: u64) -> Listed {
    listed(sequence, |id| {
        Err(VaultError::Withheld {
            path: id.path(),
            source: object_store::Error::PermissionDenied {
                path: id.path(),
                source: "InvalidObjectState".into(),
            },
        })
    })
}
