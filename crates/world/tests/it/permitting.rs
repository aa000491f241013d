//! What the own credentials may do.

use refloat_world::{Need, missing_permissions_problem};
use serde_json::json;

use crate::fake::{Say, Server};

fn need(resource: &str, verbs: &[&str], namespace: Option<&str>) -> Need {
    Need {
        group: String::new(),
        resource: resource.to_owned(),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        namespace: namespace.map(str::to_owned),
    }
}

#[tokio::test]
async fn all_missing_permissions_are_named_at_once() {
    let server = Server::start(|asked| {
        asked.path.ends_with("/selfsubjectaccessreviews").then(|| {
            let wanted = &asked.body["spec"]["resourceAttributes"];
            let allowed = wanted["verb"] == "get" && wanted["subresource"] == "";
            Say::Json(201, json!({"status": {"allowed": allowed}}))
        })
    })
    .await;
    let cluster = server.cluster().await;
    let needs = [
        need("secrets", &["get"], Some("shop")),
        need("pods/exec", &["create", "get"], Some("shop")),
        need("nodes", &["get", "list"], None),
        need("nodes", &["list"], None),
    ];
    let missing = cluster.missing_permissions(&needs).await.unwrap();
    assert_eq!(
        missing,
        [
            need("nodes", &["list"], None),
            need("pods/exec", &["create", "get"], Some("shop"))
        ]
    );
    let problem = missing_permissions_problem(&missing).unwrap();
    assert_eq!(problem.code, "forbidden");
    assert_eq!(
        problem.message,
        "these credentials lack: list nodes in the whole cluster; create,get pods/exec in shop"
    );
    assert!(problem.hint.contains(
        "- {apiGroups: [\"\"], resources: [\"pods/exec\"], verbs: [\"create\", \"get\"]}  # Role in namespace shop"
    ));
    assert_eq!(missing_permissions_problem(&[]), None);
}

#[tokio::test]
async fn an_answer_without_a_word_is_no_permission() {
    let server = Server::start(|asked| {
        asked
            .path
            .ends_with("/selfsubjectaccessreviews")
            .then(|| Say::Json(201, json!({})))
    })
    .await;
    let needs = [need("secrets", &["get"], None)];
    assert_eq!(
        server
            .cluster()
            .await
            .missing_permissions(&needs)
            .await
            .unwrap(),
        needs
    );
}
