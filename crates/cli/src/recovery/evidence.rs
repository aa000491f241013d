//! Why the source cannot write any more: a person's word, or what is seen at the source itself. Called when a recovery is planned, and
//! again when one goes on.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use refloat_core::backup::PointContent;
use refloat_core::driver::ListRequest;
use refloat_core::inventory::Resource;
use refloat_core::plan::Evidence;
use refloat_world::{Cluster, ConnectOptions};
use serde_json::Value;

use super::Options;
use super::going_on::{Again, Target, Word, again, of_before};
use crate::failure::Failure;

/// Evidence that the source is dead.
#[derive(Debug, Args)]
pub(super) struct SourceEvidence {
    /// The source is dead, and why: your word, recorded with the recovery
    #[arg(long, value_name = "REASON", conflicts_with_all = ["isolated", "source_kubeconfig"])]
    source_dead: Option<String>,
    /// The copy will not meet users or the source's peers
    #[arg(long, conflicts_with = "source_kubeconfig")]
    isolated: bool,
    /// Kubeconfig of the source: looked at for running pods
    #[arg(long, value_name = "FILE")]
    source_kubeconfig: Option<PathBuf>,
    /// Context in that kubeconfig
    #[arg(long, value_name = "NAME", requires = "source_kubeconfig")]
    source_context: Option<String>,
}

impl SourceEvidence {
    /// What was said.
    fn said(&self) -> Word {
        if self.isolated {
            Word::Isolated
        } else if self.source_dead.is_some() || self.source_kubeconfig.is_some() {
            Word::OfSource
        } else {
            Word::Nothing
        }
    }

    /// The options with which the source is looked at again; empty for a word, which a person must give anew.
    pub(super) fn look_again(&self) -> String {
        let file = self.source_kubeconfig.iter();
        let file =
            file.map(|path| format!("--source-kubeconfig {}", quoted(&path.to_string_lossy())));
        let context = self.source_context.iter();
        let context = context.map(|name| format!("--source-context {}", quoted(name)));
        let words: Vec<String> = file.chain(context).collect();
        words.join(" ")
    }
}

impl Options {
    /// Whether anything is said of the source.
    pub(crate) fn speaks_of_source(&self) -> bool {
        self.evidence.said() != Word::Nothing
    }
}

/// A word as a shell reads it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What is known of the source of a recovery that goes on.
pub(crate) struct Judged {
    /// What is said now, to be recorded.
    pub(crate) evidence: Option<Evidence>,
    /// What a person should know of it.
    pub(crate) warning: Option<String>,
}

/// Judges anew what is said of the source of a recovery that goes on: the source may have been started again since. Who says nothing goes
/// on by what was said before.
pub(crate) async fn judge_again(
    options: &Options,
    point: &PointContent,
    cluster: &Cluster,
    written: &[String],
    before: Option<(Timestamp, &Evidence)>,
) -> Result<Judged, Failure> {
    let target = Target {
        cluster_uid: cluster.cluster_uid(),
        written,
    };
    let looks = options.evidence.source_kubeconfig.is_some();
    let namespaces = match again(options.evidence.said(), point, &target)? {
        Again::Judge { namespaces } if !(looks && namespaces.is_empty()) => namespaces,
        // A look at nothing shows nothing: it must not stand in the journal before what was said and seen.
        Again::AsSaidBefore | Again::Judge { .. } => {
            return Ok(Judged {
                evidence: None,
                warning: before.and_then(|said| of_before(said, point, &target)),
            });
        }
    };
    let evidence = judge(&options.evidence, point, &namespaces).await?;
    let warning = evidence.as_ref().and_then(Evidence::warning);
    Ok(Judged { evidence, warning })
}

/// Judges what is said; these namespaces are looked at in the source.
pub(super) async fn judge(
    arguments: &SourceEvidence,
    point: &PointContent,
    namespaces: &[String],
) -> Result<Option<Evidence>, Failure> {
    if let Some(reason) = &arguments.source_dead {
        let reason = reason.trim().to_owned();
        if reason.is_empty() {
            return Err(Failure::refuse(
                "reason-missing",
                "`--source-dead` is recorded and needs a reason",
                "say in a few words how you know it",
            ));
        }
        return Ok(Some(Evidence::SourceDead { reason }));
    }
    if arguments.isolated {
        return Ok(Some(Evidence::Isolated));
    }
    let Some(kubeconfig) = &arguments.source_kubeconfig else {
        return Ok(None);
    };
    let source = Cluster::connect(ConnectOptions {
        kubeconfig: Some(kubeconfig.clone()),
        context: arguments.source_context.clone(),
        ..ConnectOptions::default()
    })
    .await
    .map_err(|error| {
        Failure::refuse(
            "source-unreachable",
            format!("the source cannot be asked ({error}): unreachable is not dead"),
            "fence it, then say so with `--source-dead REASON`",
        )
    })?;
    stopped(&source, point, namespaces).await.map(Some)
}

async fn stopped(
    source: &Cluster,
    point: &PointContent,
    namespaces: &[String],
) -> Result<Evidence, Failure> {
    let uid = source.cluster_uid();
    if uid != point.cluster_uid {
        return Err(Failure::refuse(
            "source-other-cluster",
            format!(
                "{} is not the cluster that the point was made in (site {})",
                source.server(),
                point.site
            ),
            "give the kubeconfig of that cluster",
        ));
    }
    let mut running = Vec::new();
    for namespace in namespaces {
        let request = ListRequest {
            resource: Resource::namespaced("v1", "Pod", "pods"),
            namespace: Some(namespace.clone()),
            labels: std::collections::BTreeMap::new(),
        };
        for pod in source.list(&request).await? {
            let phase = pod.pointer("/status/phase").and_then(Value::as_str);
            if !matches!(phase, Some("Succeeded" | "Failed")) {
                let name = pod.pointer("/metadata/name").and_then(Value::as_str);
                running.push(format!("{namespace}/{}", name.unwrap_or_default()));
            }
        }
    }
    if let Some(first) = running.first() {
        return Err(Failure::refuse(
            "source-alive",
            format!(
                "the source is alive: {} pods are there in site {}, {first} among them",
                running.len(),
                point.site
            ),
            "scale its workloads to zero first, or recover with `--isolated`",
        ));
    }
    Ok(Evidence::SourceStopped {
        proof: format!(
            "no pod is left in {} of cluster {uid} at {}",
            namespaces.join(", "),
            jiff::Timestamp::now()
        ),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::seat::refusing::refusing_cluster;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        evidence: SourceEvidence,
    }

    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        options: Options,
    }

    /// What is recorded and told when a recovery goes on that began after a look at its source.
    async fn again_with(words: &[&str]) -> (Option<Evidence>, Option<String>) {
        let looked = Evidence::SourceStopped {
            proof: "no pod is left".to_owned(),
        };
        again_after(&looked, "source", words).await
    }

    /// The same for one that began with this evidence, of a source that has this uid; the target has `here`.
    async fn again_after(
        said: &Evidence,
        source: &str,
        words: &[&str],
    ) -> (Option<Evidence>, Option<String>) {
        let always = ["recover", "--point", "shop/1", "--mover-image", "x"];
        let whole = Whole::try_parse_from(always.iter().chain(words)).expect("options");
        let content = serde_json::json!({
            "protection": "shop", "site": "a", "cluster_uid": source, "kubernetes_version": "1.34", "run": "backup-1",
            "began": "2026-01-01T00:00:00Z", "namespaces": ["shop"], "members": [], "parts": [], "objects": null,
            "required": [], "owned": [], "findings": [], "spec": {},
        });
        let point = serde_json::from_value(content).expect("a point of today is read for ever");
        let before = Some((Timestamp::UNIX_EPOCH, said));
        let cluster = refusing_cluster().await;
        let written = ["shop".to_owned()];
        let judged = judge_again(&whole.options, &point, &cluster, &written, before).await;
        let judged = judged.expect("it goes on");
        (judged.evidence, judged.warning)
    }

    #[tokio::test]
    async fn what_is_said_when_a_recovery_goes_on_is_recorded_and_silence_is_told() {
        let (evidence, warning) = again_with(&[]).await;
        assert_eq!(evidence, None);
        let warning = warning.expect("the look is old");
        assert!(
            warning.contains("look again with `--source-kubeconfig"),
            "{warning}"
        );
        let (evidence, warning) = again_with(&["--source-dead", "fire"]).await;
        let word = Evidence::SourceDead {
            reason: "fire".to_owned(),
        };
        assert_eq!(warning, word.warning());
        assert_eq!(evidence, Some(word));
    }

    #[tokio::test]
    async fn a_look_at_nothing_is_no_evidence() {
        let word = Evidence::SourceDead {
            reason: "fire".to_owned(),
        };
        let look = ["--source-kubeconfig", "nowhere.yaml"];
        let (evidence, warning) = again_after(&word, "here", &look).await;
        assert_eq!(evidence, None, "all that runs there is what came back");
        assert_eq!(warning, word.warning(), "the word goes on standing");
        let anew = ["--source-dead", "flood"];
        let (evidence, _) = again_after(&word, "here", &anew).await;
        let reason = "flood".to_owned();
        assert_eq!(evidence, Some(Evidence::SourceDead { reason }));
    }

    fn of(words: &[&str]) -> (Word, String) {
        let command = Command::try_parse_from([&["recover"], words].concat()).expect("options");
        let evidence = command.evidence;
        (evidence.said(), evidence.look_again())
    }

    #[test]
    fn what_can_be_looked_at_again_is_part_of_the_command_that_goes_on() {
        assert_eq!(of(&[]), (Word::Nothing, String::new()));
        assert_eq!(of(&["--isolated"]), (Word::Isolated, String::new()));
        let word = of(&["--source-dead", "fire"]);
        assert_eq!(word, (Word::OfSource, String::new()));
        let look = [
            "--source-kubeconfig",
            "a b.yaml",
            "--source-context",
            "it's",
        ];
        let again = r"--source-kubeconfig 'a b.yaml' --source-context 'it'\''s'";
        assert_eq!(of(&look), (Word::OfSource, again.to_owned()));
    }
}
