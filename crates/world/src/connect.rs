//! Finds the kubeconfig, connects, and learns who the cluster is. Every way to fail has its own `ConnectError`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use refloat_core::driver::{ObjectRef, Problem};
use refloat_core::inventory::Resource;
use serde_json::Value;
use tower::limit::RateLimitLayer;

use crate::connect_error::ConnectError;
use crate::failure::{Failure, causes, chain};
use crate::session::HeldSessions;
use crate::watch::Watches;
use crate::{Cluster, read};

/// A connection that does not stand after this time is given up.
const CONNECT_SECONDS_MAX: u64 = 5;
/// All of `connect` ends within this time.
const ANSWER_SECONDS_MAX: u64 = 10;

/// Which cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The kubeconfig file; `None` for the usual places (`KUBECONFIG`, `~/.kube/config`, the pod's own account).
    pub kubeconfig: Option<PathBuf>,
    /// A context in it; `None` for the current one.
    pub context: Option<String>,
    /// At most so many requests in a second; `None` for as many as the API server takes.
    pub requests_per_second: Option<NonZeroU32>,
}

/// Makes ring the TLS implementation of this process; each binary calls it first. Calling it again does nothing.
pub fn install_tls_provider() {
    let installed = rustls::crypto::ring::default_provider().install_default();
    if installed.is_err() {
        tracing::debug!("a TLS implementation is installed already");
    }
}

impl Cluster {
    /// Connects, and asks for the version and for the uid of the kube-system namespace.
    ///
    /// # Guarantees
    /// Answers within about ten seconds.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        install_tls_provider();
        let config = configuration(&options).await?;
        let server = config.cluster_url.to_string();
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        let rate = options.requests_per_second;
        match tokio::time::timeout(limit, Self::learn(config, server.clone(), rate)).await {
            Ok(answer) => answer,
            Err(_) => Err(ConnectError::Unreachable {
                server,
                cause: format!("no answer within {ANSWER_SECONDS_MAX} s"),
            }),
        }
    }

    /// Learns who the cluster behind a ready client is. For a client that was made in another way.
    pub async fn over(client: Client, server: &str) -> Result<Self, ConnectError> {
        let version = client
            .apiserver_version()
            .await
            .map_err(|error| refusal(server, &error))?;
        let namespace = ObjectRef::cluster(
            Resource::cluster("v1", "Namespace", "namespaces"),
            "kube-system",
        );
        let refused = |problem| ConnectError::Refused {
            server: server.to_owned(),
            problem,
        };
        let found = read::object(&client, &namespace).await.map_err(refused)?;
        let uid = found
            .as_ref()
            .and_then(|found| found.pointer("/metadata/uid"))
            .and_then(Value::as_str)
            .ok_or_else(|| ConnectError::NotKubernetes {
                server: server.to_owned(),
                cause: "it has no namespace kube-system".to_owned(),
            })?;
        Ok(Self {
            sessions: Arc::new(HeldSessions::new(client.clone())),
            watches: Arc::new(Watches::new()),
            commands: Arc::default(),
            rehearsals: Arc::default(),
            pages: Arc::default(),
            connected: std::time::Instant::now(),
            client,
            server: server.to_owned(),
            uid: uid.to_owned(),
            version: version.git_version,
        })
    }

    async fn learn(
        config: Config,
        server: String,
        rate: Option<NonZeroU32>,
    ) -> Result<Self, ConnectError> {
        let client = client(config, &server, rate).await?;
        Self::over(client, &server).await
    }
}

/// Builds the client on a thread of its own: a credential command of the kubeconfig runs there and may hang.
async fn client(
    config: Config,
    server: &str,
    rate: Option<NonZeroU32>,
) -> Result<Client, ConnectError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let _entered = runtime.enter();
        if sender.send(limited(config, rate)).is_err() {
            tracing::debug!("the credentials came too late");
        }
    });
    match receiver.await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(refusal(server, &error)),
        Err(_) => Err(ConnectError::Credentials {
            server: server.to_owned(),
            cause: "the client could not be made".to_owned(),
        }),
    }
}

/// A client that sends no more than this; the others wait their turn.
fn limited(config: Config, rate: Option<NonZeroU32>) -> kube::Result<Client> {
    let Some(rate) = rate else {
        return Client::try_from(config);
    };
    let layer = RateLimitLayer::new(u64::from(rate.get()), Duration::from_secs(1));
    Ok(ClientBuilder::try_from(config)?.with_layer(&layer).build())
}

async fn configuration(options: &ConnectOptions) -> Result<Config, ConnectError> {
    let (kubeconfig, path) = match &options.kubeconfig {
        Some(path) => (named_file(path)?, path.display().to_string()),
        None => match Kubeconfig::read() {
            Ok(found) => (found, "of this user".to_owned()),
            Err(error) => {
                return usual_places_failed(&error, options.context.is_some()).map(bounded);
            }
        },
    };
    let known = || {
        let names = kubeconfig.contexts.iter();
        names.map(|context| context.name.clone()).collect()
    };
    let wanted = options
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref());
    let missing = wanted
        .filter(|wanted| kubeconfig.contexts.iter().all(|one| one.name != **wanted))
        .cloned();
    if wanted.is_none() || missing.is_some() {
        return Err(ConnectError::ContextMissing {
            path,
            context: missing.unwrap_or_else(|| "(current)".to_owned()),
            known: known(),
        });
    }
    let chosen = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(kubeconfig, &chosen)
        .await
        .map(bounded)
        .map_err(|error| ConnectError::KubeconfigInvalid {
            path,
            cause: causes(&error),
        })
}

fn named_file(path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|error| match &error {
        KubeconfigError::ReadConfig(source, _) if source.kind() == std::io::ErrorKind::NotFound => {
            ConnectError::KubeconfigMissing {
                path: path.to_owned(),
            }
        }
        _ => ConnectError::KubeconfigInvalid {
            path: path.display().to_string(),
            cause: causes(&error),
        },
    })
}

/// Without a kubeconfig there may still be the account of the pod that this runs in.
fn usual_places_failed(
    error: &KubeconfigError,
    context_wanted: bool,
) -> Result<Config, ConnectError> {
    match error {
        KubeconfigError::ReadConfig(source, _) if source.kind() == std::io::ErrorKind::NotFound => {
        }
        KubeconfigError::FindPath => {}
        _ => {
            return Err(ConnectError::KubeconfigInvalid {
                path: "of this user".to_owned(),
                cause: causes(error),
            });
        }
    }
    let nowhere = || ConnectError::KubeconfigNowhere {
        cause: causes(error),
    };
    if context_wanted {
        return Err(nowhere());
    }
    Config::incluster().map_err(|_| nowhere())
}

/// Time limits of ours, and no retry layer: it would repeat writes, up to fifteen times.
fn bounded(mut config: Config) -> Config {
    config.connect_timeout = Some(Duration::from_secs(CONNECT_SECONDS_MAX));
    config.default_retry = false;
    config
}

fn refusal(server: &str, error: &kube::Error) -> ConnectError {
    let server = server.to_owned();
    let tls = chain(error)
        .into_iter()
        .find_map(|level| level.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return ConnectError::Certificate {
            server,
            cause: tls.to_string(),
        };
    }
    if let kube::Error::RustlsTls(tls) = error {
        return ConnectError::Certificate {
            server,
            cause: causes(tls),
        };
    }
    match Failure::of_client(error) {
        Failure::Credentials(cause) => ConnectError::Credentials { server, cause },
        Failure::NeverSent(cause) | Failure::Lost(cause) => {
            ConnectError::Unreachable { server, cause }
        }
        Failure::Refused { code, status, .. } => match code {
            401 => ConnectError::Unauthorized {
                server,
                cause: status.message,
            },
            403 => ConnectError::Refused {
                server,
                problem: Problem::stuck(
                    "forbidden",
                    format!("not allowed to read its version: {}", status.message),
                    "bind the ClusterRole `system:public-info-viewer` to this user",
                ),
            },
            500.. => ConnectError::Unreachable {
                server,
                cause: status.message,
            },
            _ => ConnectError::NotKubernetes {
                server,
                cause: format!("HTTP {code} {}", status.message),
            },
        },
        Failure::Garbled(cause) | Failure::Unsendable(cause) => {
            ConnectError::NotKubernetes { server, cause }
        }
        Failure::Late(_) => ConnectError::Unreachable {
            server,
            cause: causes(error),
        },
    }
}
