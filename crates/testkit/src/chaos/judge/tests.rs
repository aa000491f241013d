//! The judge itself, where planted bugs do not reach: each promise broken by hand, each told.

use refloat_core::driver::{
    Class, Effect, FieldOwner, Patch, Precondition, Problem, Propagation, Repeat,
};
use refloat_core::driver::{ExecAnswer, ExecRequest};
use refloat_core::run::Record;
use serde_json::json;

use super::end::unsaid;
use super::order::not_ready;
use super::*;
use crate::chaos::ground::Ground;
use crate::chaos::lots::Lots;
use crate::chaos::scene::Story;
use crate::sim::resource;

/// Judges in the first site of an application, in which nothing was done yet.
pub(super) fn judged<T>(judge: impl FnOnce(&Scene<'_>) -> T) -> T {
    let ground = Ground::of(0).unwrap();
    let story = Story::default();
    let scene = Scene::new(
        ground.source(),
        &ground.backup,
        Vec::new(),
        Lots::new(0),
        &story,
    );
    judge(&scene)
}

fn map(name: &str, part: Option<&str>) -> Effect {
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "shop" },
    });
    if let Some(part) = part {
        object["metadata"]["annotations"] = json!({ "refloat.io/part": part });
        object["metadata"]["labels"] = json!({ LABEL_STEP: "move" });
    }
    Effect::Create {
        resource: resource("ConfigMap"),
        object,
        owner: FieldOwner::refloat(),
    }
}

fn announce(scene: &Scene<'_>, effect: &Effect) {
    scene.records.borrow_mut().push(Record::Intent {
        at: scene.now(),
        step: "any".to_owned(),
        effects: vec![effect.intention()],
    });
}

fn made(effect: &Effect) -> Effected {
    let Effect::Create { object, .. } = effect else {
        panic!("not a creation");
    };
    Effected::Created(object.clone())
}

#[test]
fn what_is_not_in_the_journal_or_follows_a_lost_journal_is_told() {
    judged(|scene| {
        let effect = map("one", None);
        assert!(
            before(scene, &effect)
                .unwrap()
                .contains("was not in the journal")
        );
        announce(scene, &effect);
        assert_eq!(before(scene, &effect), None);
        scene.script.borrow_mut().life.fenced = Some("another engine has its journal");
        assert!(before(scene, &effect).unwrap().contains("another engine"));
    });
}

#[test]
fn a_change_that_does_not_say_of_which_object_is_told() {
    judged(|scene| {
        let object = ObjectRef::namespaced(resource("ConfigMap"), "shop", "one");
        let change = |uid: Option<&str>| Effect::Patch {
            object: object.clone(),
            patch: Patch::Merge(json!({})),
            precondition: Precondition {
                uid: uid.map(str::to_owned),
                resource_version: None,
            },
            subresource: None,
        };
        announce(scene, &change(None));
        assert!(
            before(scene, &change(None))
                .unwrap()
                .contains("without saying")
        );
        assert_eq!(before(scene, &change(Some("uid-1"))), None);
    });
}

#[test]
fn what_is_created_twice_is_told_unless_it_was_removed_in_between() {
    judged(|scene| {
        let effect = map("one", None);
        assert_eq!(after(scene, &effect, &Ok(made(&effect))), None);
        let removal = Effect::Delete {
            object: reference(&effect).unwrap(),
            precondition: Precondition::default(),
            propagation: Propagation::Background,
        };
        assert_eq!(after(scene, &removal, &Ok(Effected::Deleted)), None);
        assert_eq!(after(scene, &effect, &Ok(made(&effect))), None);
        let again = after(scene, &effect, &Ok(made(&effect))).unwrap();
        assert!(again.contains("is created twice"), "{again}");
    });
}

#[test]
fn a_second_object_for_one_part_under_another_name_is_told() {
    judged(|scene| {
        let Effect::Create { object, .. } = map("one", Some("shop/data")) else {
            panic!("not a creation");
        };
        scene
            .world
            .with_store(|store| store.seed(&resource("ConfigMap"), object));
        let other = map("two", Some("shop/other"));
        assert_eq!(after(scene, &other, &Ok(made(&other))), None);
        let second = map("three", Some("shop/data"));
        let told = after(scene, &second, &Ok(made(&second))).unwrap();
        assert!(told.contains("is a second"), "{told}");
    });
}

#[test]
fn a_command_that_is_given_again_is_told() {
    judged(|scene| {
        let effect = Effect::Exec {
            request: ExecRequest {
                namespace: "shop".to_owned(),
                pod: "tally-0".to_owned(),
                container: None,
                command: vec!["tally".to_owned()],
                input: String::new(),
                limit_seconds: 1,
            },
            repeat: Repeat::Never,
        };
        let ran = Ok(Effected::Ran(ExecAnswer {
            code: Some(0),
            stdout: String::new(),
            stderr: String::new(),
        }));
        assert_eq!(after(scene, &effect, &ran), None);
        assert!(after(scene, &effect, &ran).unwrap().contains("given again"));
    });
}

#[test]
fn a_point_that_lacks_a_part_or_its_objects_is_told() {
    judged(|scene| {
        let objects = json!({ "tree": "tree-objects" });
        let part = json!({ "id": "shop/data", "snapshot_handle": "1@c", "snapshot": "snapshot of shop/data: 1" });
        let point = json!({ "parts": [part], "objects": objects });
        let told = order::incomplete(scene, &point).unwrap();
        assert!(told.contains("shop/data"), "{told}");
        let content = json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
            "metadata": { "name": "c" }, "status": { "snapshotHandle": "1@c" },
        });
        scene
            .world
            .with_store(|store| store.seed(&resource("VolumeSnapshotContent"), content));
        assert_eq!(order::incomplete(scene, &point), None);
        let bare = json!({ "parts": [], "objects": null });
        assert!(
            order::incomplete(scene, &bare)
                .unwrap()
                .contains("without its objects")
        );
    });
}

#[test]
fn readiness_is_what_the_controller_says_of_the_newest_spec() {
    let deployment = |observed: u64, available: u64| {
        json!({
            "metadata": { "generation": 2 }, "spec": { "replicas": 2 },
            "status": { "observedGeneration": observed, "availableReplicas": available },
        })
    };
    let told = |live| not_ready("Deployment", "apps", &live);
    assert_eq!(told(deployment(2, 2)), None);
    assert!(told(deployment(1, 2)).is_some());
    assert!(told(deployment(2, 1)).is_some());
    let definition = |status: &str| {
        let conditions = json!([{ "type": "Established", "status": status }]);
        not_ready(
            "CustomResourceDefinition",
            "",
            &json!({ "status": { "conditions": conditions } }),
        )
    };
    assert_eq!(definition("True"), None);
    assert!(definition("False").is_some());
    assert!(not_ready("Namespace", "", &json!({})).is_some());
}

#[test]
fn a_problem_without_words_or_of_our_own_fault_is_told() {
    let good = Problem::stuck("code", "message", "hint");
    assert_eq!(unsaid(&good), None);
    let mute = Problem::stuck("code", "message", " ");
    assert!(unsaid(&mute).unwrap().contains("next step"));
    let fault = Problem {
        class: Class::Bug,
        ..good
    };
    assert!(unsaid(&fault).unwrap().contains("a defect"));
}

#[test]
fn what_is_held_for_longer_than_its_limit_is_told() {
    use refloat_core::capture::{SessionOrder, Sessions, Until};
    judged(|scene| {
        let member = "shop/files";
        let order = SessionOrder {
            namespace: "shop".to_owned(),
            pod: "files-0".to_owned(),
            container: "files".to_owned(),
            command: Vec::new(),
            beat: None,
            seconds_max: 100,
        };
        scene.world.open(member, &order);
        scene.world.send(member, "", &Until::AnyLine);
        let session = (order, scene.world.now(), 1);
        let mut script = scene.script.borrow_mut();
        script.life.capturing = true;
        script.life.sessions.insert(member.to_owned(), session);
        drop(script);
        let limits = (member.to_owned(), (true, 100));
        scene.judge.borrow_mut().holds = BTreeMap::from([limits]);
        assert_eq!(look(scene), None);
        let later = std::time::Duration::from_secs(20);
        crate::sim::block_on(scene.world.pause(later, &[]));
        assert_eq!(look(scene), None);
        crate::sim::block_on(scene.world.pause(later, &[]));
        assert!(look(scene).unwrap().contains("shop/files is held"));
    });
}
