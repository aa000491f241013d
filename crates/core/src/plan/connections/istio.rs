//! What Prometheus knows of Istio's connections: the answer to an instant or a range query.
//! Sources: Prometheus' HTTP API (`/api/v1/query`), Istio's standard metrics (labels `source_workload`, `destination_service_name`, …).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Client, Connection, Peer, Witness, Workload};

#[derive(Deserialize)]
struct Answer {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    /// Time and value.
    value: Option<(Value, String)>,
    #[serde(default)]
    values: Vec<(Value, String)>,
}

impl Series {
    /// Istio writes `unknown` where it knows nothing.
    fn label(&self, name: &str) -> Option<&str> {
        let text = self.metric.get(name).map(String::as_str)?;
        (!text.is_empty() && text != "unknown").then_some(text)
    }

    /// The greatest value, whole.
    fn times(&self) -> u64 {
        let all = self.value.iter().chain(&self.values);
        let all = all.filter_map(|(_, value)| value.parse::<f64>().ok());
        let most = all.filter(|value| value.is_finite()).fold(0.0, f64::max);
        // A count above 2^53 is as good as any.
        format!("{most:.0}").parse().unwrap_or(u64::MAX)
    }

    fn connection(&self) -> Option<Connection> {
        let workload = |side: &str| {
            Some(Workload {
                namespace: self
                    .label(&format!("{side}_workload_namespace"))?
                    .to_owned(),
                kind: None,
                name: self.label(&format!("{side}_workload"))?.to_owned(),
            })
        };
        let service = || {
            Some(Peer::Service {
                namespace: self.label("destination_service_namespace")?.to_owned(),
                name: self.label("destination_service_name")?.to_owned(),
            })
        };
        Some(Connection {
            client: Client::Workload(workload("source")?),
            peer: service().or_else(|| workload("destination").map(Peer::Workload))?,
            witness: Witness::Istio,
        })
    }
}

/// What an answer tells; `None` when it is none of Prometheus'.
pub(super) fn connections(document: &Value) -> Result<Option<Vec<(Connection, u64)>>, String> {
    if document.get("status").is_none() {
        return Ok(None);
    }
    let answer = Answer::deserialize(document)
        .map_err(|error| format!("an answer of Prometheus: {error}"))?;
    let data = match answer.data {
        Some(data) if answer.status == "success" => data,
        Some(_) | None => {
            let why = answer.error.unwrap_or(answer.status);
            return Err(format!("Prometheus answered an error: {why}"));
        }
    };
    let series = data.result.iter();
    let seen = series.filter_map(|one| Some((one.connection()?, one.times())));
    Ok(Some(seen.filter(|(_, times)| *times > 0).collect()))
}
