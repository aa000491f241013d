//! Create, patch, delete; what stands in the way; what is never sent twice.

use refloat_core::driver::{
    Class, Effect, Effected, FieldOwner, ObjectRef, Patch, Precondition, Problem, Propagation,
};
use refloat_core::world::World as _;
use serde_json::{Value, json};

use crate::fake::{Say, Server, config_map, config_maps, status};

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const WEB: &str = "/api/v1/namespaces/shop/configmaps/web";

fn create(name: &str, apply: bool) -> Effect {
    Effect::Create {
        resource: config_maps(),
        object: config_map(name),
        owner: FieldOwner {
            manager: "helm 3".to_owned(),
            apply,
        },
    }
}

fn web() -> ObjectRef {
    ObjectRef::namespaced(config_maps(), "shop", "web")
}

fn precondition() -> Precondition {
    Precondition {
        uid: Some("u1".to_owned()),
        resource_version: Some("7".to_owned()),
    }
}

fn patch(patch: Patch) -> Effect {
    Effect::Patch {
        object: web(),
        patch,
        precondition: precondition(),
        subresource: None,
    }
}

fn conflict(reason: &str) -> Value {
    status(
        409,
        reason,
        "configmaps \"web\": no",
        &json!({"kind": "configmaps", "name": "web"}),
    )
}

#[tokio::test]
async fn a_plain_create_keeps_its_owner_and_tells_what_was_there() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "POST" if asked.body["metadata"]["name"] == "new" => {
            Some(Say::Json(201, config_map("new")))
        }
        "POST" => Some(Say::Json(409, conflict("AlreadyExists"))),
        "GET" if asked.path == WEB => Some(Say::Json(200, json!({"live": true}))),
        _ => None,
    })
    .await;
    let cluster = server.cluster().await;
    let created = cluster.perform(&create("new", false)).await;
    assert_eq!(created, Ok(Effected::Created(config_map("new"))));
    let existing = cluster.perform(&create("web", false)).await;
    assert_eq!(existing, Ok(Effected::Exists(json!({"live": true}))));
    // In the way, and gone again when it was read.
    let gone = cluster
        .perform(&create("flicker", false))
        .await
        .unwrap_err();
    assert_eq!((gone.code.as_str(), gone.class), ("conflict", Class::Retry));
    assert!(gone.message.contains("shop/flicker"), "{}", gone.message);
    let first = &server.calls()[0];
    assert!(first.is("POST", MAPS));
    assert_eq!(first.query, "fieldManager=helm%203");
}

#[tokio::test]
async fn an_apply_never_touches_what_is_there() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "PATCH" if asked.path.ends_with("/new") => Some(Say::Json(201, config_map("new"))),
        "PATCH" => Some(Say::Json(409, conflict("Conflict"))),
        "GET" if asked.path == WEB => Some(Say::Json(200, json!({"live": true}))),
        _ => None,
    })
    .await;
    let cluster = server.cluster().await;
    let mut effect = create("new", true);
    if let Effect::Create { object, .. } = &mut effect {
        object["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    }
    assert_eq!(
        cluster.perform(&effect).await,
        Ok(Effected::Created(config_map("new")))
    );
    let existing = cluster.perform(&create("web", true)).await;
    assert_eq!(existing, Ok(Effected::Exists(json!({"live": true}))));
    let calls = server.calls();
    assert_eq!(calls[0].content_type, "application/apply-patch+yaml");
    assert_eq!(calls[0].query, "fieldManager=helm%203");
    assert_eq!(calls[0].body["metadata"]["resourceVersion"], "1");
    assert!(calls[0].body["metadata"].get("managedFields").is_none());
}

#[tokio::test]
async fn a_server_that_applies_over_a_live_object_is_found_out() {
    let server =
        Server::start(|asked| (asked.method == "PATCH").then(|| Say::Json(200, config_map("web"))))
            .await;
    let problem = server
        .cluster()
        .await
        .perform(&create("web", true))
        .await
        .unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("apply-changed-existing", Class::Bug)
    );
}

#[tokio::test]
async fn patches_carry_their_preconditions() {
    let server =
        Server::start(|asked| (asked.method == "PATCH").then(|| Say::Json(200, config_map("web"))))
            .await;
    let cluster = server.cluster().await;
    let merge = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}, "data": {"x": "1"}}));
    cluster.perform(&patch(merge)).await.unwrap();
    let operation = json!({"op": "add", "path": "/data/x", "value": "1"});
    cluster
        .perform(&patch(Patch::Json(json!([operation]))))
        .await
        .unwrap();
    cluster
        .perform(&Effect::Patch {
            object: web(),
            patch: Patch::Merge(json!({"status": {}})),
            precondition: Precondition::default(),
            subresource: Some("status".to_owned()),
        })
        .await
        .unwrap();
    let calls = server.calls();
    assert_eq!(calls[0].content_type, "application/merge-patch+json");
    assert_eq!(
        calls[0].body["metadata"],
        json!({"labels": {"a": "b"}, "uid": "u1", "resourceVersion": "7"})
    );
    assert_eq!(calls[1].content_type, "application/json-patch+json");
    assert_eq!(
        calls[1].body,
        json!([
            {"op": "replace", "path": "/metadata/uid", "value": "u1"},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
            operation,
        ])
    );
    assert_eq!(calls[2].path, format!("{WEB}/status"));
    assert_eq!(calls[2].body, json!({"status": {}}));
}

/// What servers were seen to say when the object is another one than was read.
#[tokio::test]
async fn a_failed_precondition_is_a_conflict_in_each_of_its_forms() {
    let immutable = json!({"kind": "ConfigMap", "name": "web",
        "causes": [{"field": "metadata.uid", "message": "field is immutable"}]});
    let merge = || Patch::Merge(json!({}));
    let test = || Patch::Json(json!([{"op": "test", "path": "/data/x", "value": "1"}]));
    for (answer, patched, code) in [
        (conflict("Conflict"), merge(), "conflict"),
        (
            status(422, "Invalid", "is invalid", &immutable),
            merge(),
            "conflict",
        ),
        (
            status(422, "Invalid", "rejected our request", &json!({})),
            test(),
            "conflict",
        ),
        (
            status(422, "Invalid", "rejected our request", &json!({})),
            merge(),
            "invalid",
        ),
        (
            status(
                404,
                "NotFound",
                "no",
                &json!({"kind": "configmaps", "name": "web"}),
            ),
            merge(),
            "not-found",
        ),
    ] {
        let http_code = u16::try_from(answer["code"].as_u64().unwrap()).unwrap();
        let server = Server::start(move |asked| {
            (asked.method == "PATCH").then(|| Say::Json(http_code, answer.clone()))
        })
        .await;
        let problem = server
            .cluster()
            .await
            .perform(&patch(patched))
            .await
            .unwrap_err();
        assert_eq!(problem.code, code);
        let class = if code == "invalid" {
            Class::Stuck
        } else {
            Class::Retry
        };
        assert_eq!(problem.class, class, "{code}");
    }
}

#[tokio::test]
async fn a_delete_is_guarded_and_done_when_nothing_is_there() {
    let server = Server::start(|asked| {
        (asked.method == "DELETE" && asked.path == WEB)
            .then(|| Say::Json(409, conflict("Conflict")))
    })
    .await;
    let cluster = server.cluster().await;
    let delete = |object: ObjectRef| Effect::Delete {
        object,
        precondition: precondition(),
        propagation: Propagation::Background,
    };
    let problem = cluster.perform(&delete(web())).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.class),
        ("conflict", Class::Retry)
    );
    let absent = ObjectRef::namespaced(config_maps(), "shop", "absent");
    assert_eq!(
        cluster.perform(&delete(absent)).await,
        Ok(Effected::Deleted)
    );
    let body = &server.calls()[0].body;
    assert_eq!(body["propagationPolicy"], "Background");
    assert_eq!(
        body["preconditions"],
        json!({"uid": "u1", "resourceVersion": "7"})
    );
    // A delete without a name would be a delete of all.
    let all = ObjectRef::namespaced(config_maps(), "shop", "");
    assert_eq!(
        cluster.perform(&delete(all)).await.unwrap_err().code,
        "call-malformed"
    );
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_is_sent_once() {
    for say in [|| Say::Nothing, || Say::Text(504, "gateway timeout")] {
        let server = Server::start(move |asked| (asked.method == "POST").then(say)).await;
        let problem = server
            .cluster()
            .await
            .perform(&create("web", false))
            .await
            .unwrap_err();
        assert_eq!(problem.class, Class::Retry);
        assert!(["reply-lost", "server-error"].contains(&problem.code.as_str()));
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_batch_ends_at_its_first_failure_and_others_go_on() {
    let server = Server::start(|asked| match asked.body["metadata"]["name"].as_str() {
        Some("bad") => Some(Say::Json(422, status(422, "Invalid", "bad", &json!({})))),
        Some(name) => Some(Say::Json(201, config_map(name))),
        None => None,
    })
    .await;
    let cluster = server.cluster().await;
    let batches = [
        vec![
            create("a", false),
            create("bad", false),
            create("never", false),
        ],
        vec![create("b", false)],
        vec![Effect::StoreObjects],
    ];
    let answers = cluster.act(batches.into()).await;
    let codes: Vec<Vec<Result<(), &str>>> = answers
        .iter()
        .map(|batch| batch.iter().map(told).collect())
        .collect();
    assert_eq!(
        codes,
        [
            vec![Ok(()), Err("invalid")],
            vec![Ok(())],
            vec![Err("effect-not-mine")]
        ]
    );
    assert!(
        server
            .calls()
            .iter()
            .all(|call| call.body["metadata"]["name"] != "never")
    );
}

fn told(answer: &Result<Effected, Problem>) -> Result<(), &str> {
    answer
        .as_ref()
        .map(|_| ())
        .map_err(|problem| problem.code.as_str())
}
