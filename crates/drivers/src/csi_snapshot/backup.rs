//! Cutting a volume, and exposing the cut to a mover in Refloat's namespace.

use jiff::Timestamp;
use refloat_core::driver::{
    Effect, FieldOwner, ObjectRef, Outcome, Patch, Precondition, Problem, Query, Seen, Task,
    Verdict, Why,
};
use serde_json::{Value, json};

use super::types::{self, text};

pub(super) fn check_look(task: &Task<'_>) -> Vec<Query> {
    vec![
        Query::Object(types::claim(task)),
        Query::List(types::classes()),
    ]
}

/// Bound, and exactly one class to cut it with.
pub(super) fn check(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let id = &task.claim.thing;
    let claim = seen.object(&types::claim(task))?.ok_or_else(|| {
        Problem::stuck(
            "volume-gone",
            format!("{id} does not exist any more"),
            "run the backup again",
        )
    })?;
    let phase = text(claim, "/status/phase").unwrap_or("unknown");
    if phase != "Bound" {
        return Err(Problem::stuck(
            "volume-not-bound",
            format!("{id} is not bound (phase {phase}): there is nothing to cut yet"),
            "wait until it is bound, or leave it out with `exclude.volumes`",
        ));
    }
    let class = class(task, seen.list(&types::classes())?)?;
    Ok(Verdict::Done(
        Outcome::default().with("snapshot_class", class),
    ))
}

/// The class to cut with: the one asked for, or the default one of the volume's driver.
fn class(task: &Task<'_>, classes: &[Value]) -> Result<String, Problem> {
    let driver = task
        .claim
        .settings
        .get("csi_driver")
        .map_or("", String::as_str);
    let name = |class: &Value| text(class, "/metadata/name").unwrap_or_default().to_owned();
    let fitting: Vec<&Value> = classes
        .iter()
        .filter(|class| text(class, "/driver") == Some(driver))
        .collect();
    if let Some(wanted) = task.input("snapshot_class") {
        return fitting
            .iter()
            .map(|class| name(class))
            .find(|name| name == wanted)
            .ok_or_else(|| {
                Problem::stuck(
                    "snapshot-class-missing",
                    format!(
                        "there is no VolumeSnapshotClass `{wanted}` for the CSI driver {driver}"
                    ),
                    "check the name with `kubectl get volumesnapshotclass`",
                )
            });
    }
    let default: Vec<String> = fitting
        .iter()
        .filter(|class| {
            class
                .pointer("/metadata/annotations")
                .and_then(|all| all.get(types::DEFAULT_CLASS))
                .and_then(Value::as_str)
                == Some("true")
        })
        .map(|class| name(class))
        .collect();
    match (default.as_slice(), fitting.as_slice()) {
        ([one], _) => Ok(one.clone()),
        ([], [one]) => Ok(name(one)),
        ([], []) => Err(Problem::stuck(
            "snapshot-class-missing",
            format!(
                "{}: no VolumeSnapshotClass for the CSI driver {driver}",
                task.claim.thing
            ),
            format!("create a VolumeSnapshotClass with `driver: {driver}`"),
        )),
        ([], many) => Err(Problem::stuck(
            "snapshot-class-ambiguous",
            format!(
                "{}: {} VolumeSnapshotClasses for the CSI driver {driver} and none is the default",
                task.claim.thing,
                many.len()
            ),
            "name one with `snapshotClass` (or `--snapshot-class`), or mark one as default",
        )),
        (several, _) => Err(Problem::stuck(
            "snapshot-class-ambiguous",
            format!(
                "{}: two default VolumeSnapshotClasses for the CSI driver {driver}: {}",
                task.claim.thing,
                several.join(", ")
            ),
            format!(
                "take the annotation {} off all but one",
                types::DEFAULT_CLASS
            ),
        )),
    }
}

pub(super) fn capture_look(task: &Task<'_>) -> Vec<Query> {
    vec![Query::Object(types::snapshot(task))]
}

/// Which content is our snapshot's: the one that it is bound to, or, before the controller has said so, the one that it
/// will make (external-snapshotter `pkg/utils/util.go`, `GetDynamicSnapshotContentNameForSnapshot`).
fn content_of(snapshot: &Value) -> ObjectRef {
    let bound = text(snapshot, "/status/boundVolumeSnapshotContentName");
    let made = || {
        let uid = text(snapshot, "/metadata/uid").unwrap_or_default();
        format!("snapcontent-{uid}")
    };
    let name = bound.map_or_else(made, str::to_owned);
    ObjectRef::cluster(types::content_resource(), &name)
}

/// Our content: the one that our snapshot is bound to, or that names it.
pub(super) fn content<'a>(task: &Task<'_>, contents: &'a [Value]) -> Option<&'a Value> {
    let snapshot = types::snapshot(task);
    contents.iter().find(|content| {
        text(content, "/spec/volumeSnapshotRef/name") == Some(snapshot.name.as_str())
            && text(content, "/spec/volumeSnapshotRef/namespace") == snapshot.namespace.as_deref()
            && content.pointer("/spec/source/volumeHandle").is_some()
    })
}

/// Creates the snapshot and waits for the cut.
pub(super) fn capture(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let object = types::snapshot(task);
    let Some(snapshot) = seen.object(&object)? else {
        return Ok(create_snapshot(task));
    };
    let content = content_of(snapshot);
    if !seen.has(&Query::Object(content.clone())) {
        return Ok(Verdict::Look(vec![Query::Object(content)]));
    }
    let Some(content) = seen.object(&content)? else {
        let said = text(snapshot, "/status/error/message").unwrap_or("no content yet");
        return Ok(Verdict::Wait(Why::new(
            "waiting-for-cut",
            format!(
                "{}: the snapshot is not taken up: {said}",
                types::part(task)
            ),
        )));
    };
    let handle = text(content, "/status/snapshotHandle");
    let nanoseconds = content
        .pointer("/status/creationTime")
        .and_then(Value::as_i64);
    let (Some(handle), Some(nanoseconds)) = (handle, nanoseconds) else {
        let said = text(content, "/status/error/message")
            .or(text(snapshot, "/status/error/message"))
            .unwrap_or("the driver has not cut it yet");
        return Ok(Verdict::Wait(Why::new(
            "waiting-for-cut",
            format!("{}: {said}", types::part(task)),
        )));
    };
    let bound = text(content, "/spec/volumeSnapshotRef/uid") == text(snapshot, "/metadata/uid");
    if !bound {
        return Err(Problem::stuck(
            "snapshot-binding",
            format!(
                "{}: the VolumeSnapshotContent belongs to another VolumeSnapshot",
                types::part(task)
            ),
            "remove the foreign content, then try again",
        ));
    }
    let cut = Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(|error| {
        Problem::stuck(
            "cut-time",
            format!("{}: creationTime {nanoseconds}: {error}", types::part(task)),
            "the CSI driver reports an impossible time",
        )
    })?;
    Ok(Verdict::Done(
        Outcome::default()
            .with("cut", cut.to_string())
            .with("snapshot_handle", handle)
            .with(
                "content",
                text(content, "/metadata/name").unwrap_or_default(),
            )
            .with(
                "source_mode",
                text(content, "/spec/sourceVolumeMode").unwrap_or("Filesystem"),
            ),
    ))
}

fn create_snapshot(task: &Task<'_>) -> Verdict {
    let class = task
        .prior_fact("snapshot_class")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .or_else(|| task.input("snapshot_class").map(str::to_owned));
    let object = types::snapshot(task);
    let mut spec = json!({ "source": { "persistentVolumeClaimName": task.claim.thing.name } });
    if let Some(class) = class {
        spec["volumeSnapshotClassName"] = json!(class);
    }
    Verdict::Act(vec![Effect::Create {
        object: json!({
            "apiVersion": types::SNAPSHOT_API,
            "kind": "VolumeSnapshot",
            "metadata": types::metadata(task, &object, "cut"),
            "spec": spec,
        }),
        resource: object.resource,
        owner: FieldOwner::refloat(),
    }])
}

pub(super) fn expose_look(task: &Task<'_>) -> Vec<Query> {
    vec![
        Query::Object(types::snapshot(task)),
        Query::Object(types::claim(task)),
        Query::List(types::contents()),
        Query::Object(types::exposed_snapshot(task)),
        Query::Object(types::exposed_content(task)),
        Query::Object(types::mover_claim(task)),
    ]
}

/// Retain, second content, second snapshot, claim: each from what exists.
pub(super) fn expose(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    if seen.object(&types::mover_claim(task))?.is_some() {
        return Ok(Verdict::Done(
            Outcome::default().with("mover_claim", types::own_name(task)),
        ));
    }
    let Some(content) = content(task, seen.list(&types::contents())?) else {
        return Err(Problem::stuck(
            "cut-lost",
            format!("{}: the cut snapshot is gone", types::part(task)),
            "run the backup again",
        ));
    };
    let name = text(content, "/metadata/name").unwrap_or_default();
    if text(content, "/spec/deletionPolicy") != Some("Retain") {
        return Ok(Verdict::Act(vec![Effect::Patch {
            object: ObjectRef::cluster(types::content_resource(), name),
            patch: Patch::Merge(json!({ "spec": { "deletionPolicy": "Retain" } })),
            precondition: Precondition::same_uid(content),
            subresource: None,
        }]));
    }
    let exposed = seen.object(&types::exposed_snapshot(task))?;
    let Some(exposed) = exposed else {
        let mut effects = Vec::new();
        if seen.object(&types::exposed_content(task))?.is_none() {
            effects.push(exposed_content(task, content));
        }
        effects.push(exposed_snapshot(task, content));
        return Ok(Verdict::Act(effects));
    };
    if exposed.pointer("/status/readyToUse") != Some(&json!(true)) {
        let said = text(exposed, "/status/error/message").unwrap_or("the storage is not ready");
        return Ok(Verdict::Wait(Why::new(
            "snapshot-not-ready",
            format!("{}: {said}", types::part(task)),
        )));
    }
    let Some(claim) = seen.object(&types::claim(task))? else {
        return Err(Problem::stuck(
            "volume-gone",
            format!("{} does not exist any more", task.claim.thing),
            "run the backup again",
        ));
    };
    Ok(Verdict::Act(vec![mover_claim(task, claim, exposed)]))
}

fn exposed_content(task: &Task<'_>, content: &Value) -> Effect {
    let object = types::exposed_content(task);
    let exposed = types::exposed_snapshot(task);
    let mut spec = json!({
        "deletionPolicy": "Retain",
        "driver": content.pointer("/spec/driver"),
        "source": { "snapshotHandle": content.pointer("/status/snapshotHandle") },
        "sourceVolumeMode": text(content, "/spec/sourceVolumeMode").unwrap_or("Filesystem"),
        "volumeSnapshotRef": { "name": exposed.name, "namespace": exposed.namespace },
    });
    if let Some(class) = text(content, "/spec/volumeSnapshotClassName") {
        spec["volumeSnapshotClassName"] = json!(class);
    }
    Effect::Create {
        object: json!({
            "apiVersion": types::SNAPSHOT_API,
            "kind": "VolumeSnapshotContent",
            "metadata": types::metadata(task, &object, "expose"),
            "spec": spec,
        }),
        resource: object.resource,
        owner: FieldOwner::refloat(),
    }
}

fn exposed_snapshot(task: &Task<'_>, content: &Value) -> Effect {
    let object = types::exposed_snapshot(task);
    let mut spec = json!({
        "source": { "volumeSnapshotContentName": types::exposed_content(task).name },
    });
    if let Some(class) = text(content, "/spec/volumeSnapshotClassName") {
        spec["volumeSnapshotClassName"] = json!(class);
    }
    Effect::Create {
        object: json!({
            "apiVersion": types::SNAPSHOT_API,
            "kind": "VolumeSnapshot",
            "metadata": types::metadata(task, &object, "expose"),
            "spec": spec,
        }),
        resource: object.resource,
        owner: FieldOwner::refloat(),
    }
}

/// At least the size of the source: a smaller claim than the snapshot's `restoreSize` is refused by the provisioner.
fn mover_claim(task: &Task<'_>, claim: &Value, exposed: &Value) -> Effect {
    let object = types::mover_claim(task);
    let size = text(claim, "/status/capacity/storage")
        .or(text(exposed, "/status/restoreSize"))
        .unwrap_or("1Gi");
    Effect::Create {
        object: json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": types::metadata(task, &object, "expose"),
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": text(claim, "/spec/storageClassName"),
                "resources": { "requests": { "storage": size } },
                "dataSource": {
                    "apiGroup": "snapshot.storage.k8s.io",
                    "kind": "VolumeSnapshot",
                    "name": types::exposed_snapshot(task).name,
                },
            },
        }),
        resource: object.resource,
        owner: FieldOwner::refloat(),
    }
}
