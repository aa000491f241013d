//! Strategic merge, as the API server does it (a scenario compares some of these with a real one).

use serde_json::{Value, json};

use super::super::patches::strategic_merge;

/// `Ok` with the merged object, or the words of the refusal.
fn merged(group: &str, kind: &str, object: &Value, patch: &Value) -> Result<Value, String> {
    let mut object = object.clone();
    strategic_merge(&mut object, patch, group, kind).map(|()| object)
}

fn pod(spec: &Value) -> Value {
    json!({ "spec": { "template": { "spec": spec } } })
}

fn deployment(before: &Value, patch: &Value) -> Value {
    merged("apps", "Deployment", &pod(before), &pod(patch)).unwrap()["spec"]["template"]["spec"]
        .clone()
}

#[test]
fn lists_are_merged_by_the_keys_of_their_types() {
    let before = json!({ "containers": [
        { "name": "web", "image": "a", "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
          "ports": [{ "containerPort": 80, "name": "http" }], "volumeMounts": [{ "mountPath": "/a", "name": "x" }], "args": ["1"] },
        { "name": "side", "image": "s" },
    ], "tolerations": [{ "key": "a" }], "imagePullSecrets": [{ "name": "p" }], "volumes": [{ "name": "x", "emptyDir": {} }] });
    let patch = json!({ "containers": [
        { "name": "web", "env": [{ "name": "B", "value": "3" }, { "name": "C", "value": "4" }],
          "ports": [{ "containerPort": 80, "hostPort": 8080 }], "volumeMounts": [{ "mountPath": "/a", "readOnly": true }], "args": ["2"] },
        { "name": "new", "image": "n" },
    ], "tolerations": [{ "key": "b" }], "imagePullSecrets": [{ "name": "q" }], "volumes": [{ "name": "y", "emptyDir": {} }] });
    assert_eq!(
        deployment(&before, &patch),
        json!({ "containers": [
        { "name": "web", "image": "a",
          "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "3" }, { "name": "C", "value": "4" }],
          "ports": [{ "containerPort": 80, "name": "http", "hostPort": 8080 }],
          "volumeMounts": [{ "mountPath": "/a", "name": "x", "readOnly": true }], "args": ["2"] },
        { "name": "new", "image": "n" }, { "name": "side", "image": "s" },
    ], "tolerations": [{ "key": "b" }], "imagePullSecrets": [{ "name": "q" }, { "name": "p" }],
       "volumes": [{ "name": "y", "emptyDir": {} }, { "name": "x", "emptyDir": {} }] })
    );
}

#[test]
fn directives_delete_and_replace() {
    let before = json!({ "containers": [{ "name": "web", "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
        "resources": { "limits": { "cpu": "1" } } }, { "name": "side" }], "nodeSelector": { "a": "1" } });
    let patch = json!({ "containers": [{ "name": "side", "$patch": "delete" },
        { "name": "web", "env": [{ "name": "A", "$patch": "delete" }, { "name": "Z", "$patch": "delete" }],
          "resources": { "$patch": "replace", "requests": { "cpu": "1" } } }], "nodeSelector": null, "absent": null });
    assert_eq!(
        deployment(&before, &patch),
        json!({ "containers": [{ "name": "web", "env": [{ "name": "B", "value": "2" }],
        "resources": { "requests": { "cpu": "1" } } }] })
    );
    let all = json!({ "containers": [{ "$patch": "replace" }, { "name": "only" }] });
    assert_eq!(
        deployment(&before, &all)["containers"],
        json!([{ "name": "only" }])
    );
    let volumes = json!({ "volumes": [{ "name": "x", "emptyDir": {} }] });
    let retain = json!({ "volumes": [{ "name": "x", "$retainKeys": ["name", "secret"], "secret": { "secretName": "s" } }] });
    assert_eq!(
        deployment(&volumes, &retain)["volumes"],
        json!([{ "name": "x", "secret": { "secretName": "s" } }])
    );
}

#[test]
fn other_kinds_have_other_keys() {
    let ports = |ports: Value| json!({ "spec": { "ports": ports } });
    let is = merged(
        "",
        "Service",
        &ports(json!([{ "port": 80, "name": "a" }])),
        &ports(json!([{ "port": 80, "targetPort": 1 }, { "port": 81 }])),
    )
    .unwrap();
    assert_eq!(
        is,
        ports(json!([{ "port": 80, "name": "a", "targetPort": 1 }, { "port": 81 }]))
    );
    let rules = |rules: Value| json!({ "spec": { "rules": rules } });
    let is = merged(
        "networking.k8s.io",
        "Ingress",
        &rules(json!([{ "host": "a" }])),
        &rules(json!([{ "host": "b" }])),
    )
    .unwrap();
    assert_eq!(
        is,
        rules(json!([{ "host": "b" }])),
        "a list without a key is replaced"
    );
    let finalizers = |all: Value| json!({ "metadata": { "finalizers": all } });
    let is = merged("", "ConfigMap", &finalizers(json!(["a", "b"])), &json!({ "metadata": { "finalizers": ["b", "c"], "$deleteFromPrimitiveList/finalizers": ["a"] } })).unwrap();
    assert_eq!(is, finalizers(json!(["b", "c"])));
    let cron = |spec: Value| json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": spec } } } } });
    let is = merged(
        "batch",
        "CronJob",
        &cron(json!({ "containers": [{ "name": "a", "image": "1" }] })),
        &cron(json!({ "containers": [{ "name": "a", "image": "2" }] })),
    )
    .unwrap();
    assert_eq!(
        is,
        cron(json!({ "containers": [{ "name": "a", "image": "2" }] }))
    );
}

#[test]
fn what_cannot_be_merged_is_refused_with_its_place() {
    for (patch, words) in [
        (
            json!({ "containers": [{ "image": "a" }] }),
            "spec.template.spec.containers",
        ),
        (json!({ "containers": ["a"] }), "no map"),
        (
            json!({ "$setElementOrder/containers": [{ "name": "a" }] }),
            "$setElementOrder/containers",
        ),
        (json!({ "$patch": "explode" }), "explode"),
        (json!({ "$patch": 7 }), "is not known"),
        (json!({ "$retainKeys": "a" }), "$retainKeys"),
        (
            json!({ "$deleteFromPrimitiveList/finalizers": "a" }),
            "no list",
        ),
    ] {
        let before = pod(&json!({ "containers": [{ "name": "a" }] }));
        let why = merged("apps", "Deployment", &before, &pod(&patch)).unwrap_err();
        assert!(why.contains(words), "`{why}` does not say `{words}`");
    }
}
