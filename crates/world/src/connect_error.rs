//! Why a cluster cannot be reached: a stable code and the next step for each cause.

use std::path::PathBuf;

use refloat_core::driver::{Class, Problem};

/// A cluster could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no such kubeconfig file.
    #[error("there is no kubeconfig file {}", path.display())]
    KubeconfigMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// No kubeconfig was named and none is in the usual places.
    #[error(
        "no kubeconfig was given, and there is none in $KUBECONFIG, ~/.kube/config or this pod: {cause}"
    )]
    KubeconfigNowhere {
        /// What each place said.
        cause: String,
    },
    /// The kubeconfig makes no sense, or lacks a part.
    #[error("the kubeconfig {path} cannot be used: {cause}")]
    KubeconfigInvalid {
        /// Which one.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig {path} has no context `{context}`; it has: {}", known.join(", "))]
    ContextMissing {
        /// Which kubeconfig.
        path: String,
        /// The context that was asked for.
        context: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The command that makes credentials failed.
    #[error("no credentials for {server}: {cause}")]
    Credentials {
        /// Address of the API server.
        server: String,
        /// What the command said.
        cause: String,
    },
    /// One of the two sides does not trust the other's certificate.
    #[error("the certificate of {server} is not accepted: {cause}")]
    Certificate {
        /// Address of the API server.
        server: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The server does not accept the credentials.
    #[error("{server} does not accept these credentials: {cause}")]
    Unauthorized {
        /// Address of the API server.
        server: String,
        /// What it said.
        cause: String,
    },
    /// Nobody answers.
    #[error("{server} does not answer: {cause}")]
    Unreachable {
        /// Address of the API server.
        server: String,
        /// What happened instead.
        cause: String,
    },
    /// Somebody answers, but no API server.
    #[error("{server} answers, but not as a Kubernetes API server: {cause}")]
    NotKubernetes {
        /// Address of what answers.
        server: String,
        /// What it said.
        cause: String,
    },
    /// The server answers, and refuses what Refloat must know.
    #[error("{server}: {problem}")]
    Refused {
        /// Address of the API server.
        server: String,
        /// What it said.
        #[source]
        problem: Problem,
    },
}

impl ConnectError {
    /// Stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::KubeconfigMissing { .. } | Self::KubeconfigNowhere { .. } => "kubeconfig-missing",
            Self::KubeconfigInvalid { .. } => "kubeconfig-invalid",
            Self::ContextMissing { .. } => "context-missing",
            Self::Credentials { .. } => "credentials-failed",
            Self::Certificate { .. } => "certificate-invalid",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Unreachable { .. } => "unreachable",
            Self::NotKubernetes { .. } => "not-kubernetes",
            Self::Refused { problem, .. } => &problem.code,
        }
    }

    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Self::KubeconfigMissing { .. } => "check the path".to_owned(),
            Self::KubeconfigNowhere { .. } => {
                "name the kubeconfig of the cluster, or set KUBECONFIG".to_owned()
            }
            Self::KubeconfigInvalid { .. } => {
                "does `kubectl --kubeconfig … version` work with it?".to_owned()
            }
            Self::ContextMissing { .. } => {
                "take one of these, or none for the current context".to_owned()
            }
            Self::Credentials { .. } => {
                "run the credential command of the kubeconfig by hand and see what it says"
                    .to_owned()
            }
            Self::Certificate { .. } => {
                "is this the right server, and is `certificate-authority` in the kubeconfig that of this cluster? \
                 A cluster that was made anew has a new one"
                    .to_owned()
            }
            Self::Unauthorized { .. } => {
                "renew the credentials in the kubeconfig (expired, or of another cluster?)".to_owned()
            }
            Self::Unreachable { .. } => {
                "check that the cluster lives and that this machine may reach it (VPN, firewall, proxy)"
                    .to_owned()
            }
            Self::NotKubernetes { .. } => {
                "check `server` in the kubeconfig: a proxy or another service is there".to_owned()
            }
            Self::Refused { problem, .. } => problem.hint.clone(),
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        Self::of(Class::Stuck, error.code(), error.to_string(), error.hint())
    }
}
