//! Asks the cluster what the own credentials may do, so that all missing rules are named at once and before the work.

use futures::StreamExt as _;
use refloat_core::driver::Problem;
use refloat_core::inventory::Resource;
use serde_json::{Value, json};

use crate::Cluster;
use crate::cluster::CALLS_MAX;
use crate::problem::{problem, rule_line};
use crate::transport::{Call, Verb, send};

/// A permission that is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// API group, empty for the core group.
    pub group: String,
    /// `pods`, `pods/exec`.
    pub resource: String,
    /// `get`, `list`, …
    pub verbs: Vec<String>,
    /// Where; `None` for the whole cluster.
    pub namespace: Option<String>,
}

impl Need {
    /// The rule of RBAC that grants it, as one line of YAML.
    pub fn rule(&self) -> String {
        let verbs: Vec<&str> = self.verbs.iter().map(String::as_str).collect();
        rule_line(&self.group, &self.resource, &verbs)
    }
}

impl Cluster {
    /// Those of the needed permissions that the own credentials lack, each with the verbs that are missing.
    pub async fn missing_permissions(&self, needs: &[Need]) -> Result<Vec<Need>, Problem> {
        let mut questions: Vec<(Need, String)> = needs
            .iter()
            .flat_map(|need| need.verbs.iter().map(|verb| (need.clone(), verb.clone())))
            .collect();
        questions.sort();
        questions.dedup();
        let answers: Vec<(Need, String, Result<bool, Problem>)> = futures::stream::iter(questions)
            .map(|(need, verb)| async move {
                let allowed = self.may(&need, &verb).await;
                (need, verb, allowed)
            })
            .buffered(CALLS_MAX)
            .collect()
            .await;
        let mut missing: Vec<Need> = Vec::new();
        for (need, verb, allowed) in answers {
            if allowed? {
                continue;
            }
            let same = |other: &&mut Need| {
                (&other.group, &other.resource, &other.namespace)
                    == (&need.group, &need.resource, &need.namespace)
            };
            match missing.iter_mut().find(same) {
                Some(other) if other.verbs.contains(&verb) => {}
                Some(other) => other.verbs.push(verb),
                None => missing.push(Need {
                    verbs: vec![verb],
                    ..need
                }),
            }
        }
        Ok(missing)
    }

    async fn may(&self, need: &Need, verb: &str) -> Result<bool, Problem> {
        let (resource, subresource) = need
            .resource
            .split_once('/')
            .unwrap_or((need.resource.as_str(), ""));
        let mut attributes = json!({
            "group": need.group,
            "resource": resource,
            "subresource": subresource,
            "verb": verb,
        });
        if let Some(namespace) = &need.namespace {
            attributes["namespace"] = namespace.as_str().into();
        }
        let review = Resource::cluster(
            "authorization.k8s.io/v1",
            "SelfSubjectAccessReview",
            "selfsubjectaccessreviews",
        );
        let call = Call::on_kind(Verb::Create, &review, None).body(json!({
            "apiVersion": review.api_version(),
            "kind": review.kind,
            "spec": {"resourceAttributes": attributes},
        }));
        let answer = send(&self.client, &call)
            .await
            .and_then(|reply| reply.json())
            .map_err(|failure| problem(&call, failure))?;
        Ok(answer
            .pointer("/status/allowed")
            .and_then(Value::as_bool)
            .unwrap_or(false))
    }
}

/// One problem that names all missing permissions, `None` when none is missing.
pub fn missing_permissions_problem(missing: &[Need]) -> Option<Problem> {
    if missing.is_empty() {
        return None;
    }
    let lacks: Vec<String> = missing
        .iter()
        .map(|need| {
            let place = need.namespace.as_deref().unwrap_or("the whole cluster");
            format!("{} {} in {place}", need.verbs.join(","), need.resource)
        })
        .collect();
    let mut rules: Vec<String> = missing
        .iter()
        .map(|need| match &need.namespace {
            Some(namespace) => format!("{}  # Role in namespace {namespace}", need.rule()),
            None => format!("{}  # ClusterRole", need.rule()),
        })
        .collect();
    rules.sort();
    Some(Problem::stuck(
        "forbidden",
        format!("these credentials lack: {}", lacks.join("; ")),
        format!("add to what is bound to them:\n{}", rules.join("\n")),
    ))
}
