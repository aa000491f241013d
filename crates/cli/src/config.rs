//! What every command may be told: which cluster, which vault, which keys, how to print. Read once, from flags and
//! environment; nothing else reads the environment.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For people, with more columns where there are any.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// A picture for Graphviz; of `refloat plan` only.
    Dot,
    /// A picture for Mermaid; of `refloat plan` only.
    Mermaid,
}

impl Output {
    /// Whether it is one document for programs.
    pub(crate) fn is_document(self) -> bool {
        match self {
            Self::Json | Self::Yaml => true,
            Self::Table | Self::Wide | Self::Dot | Self::Mermaid => false,
        }
    }

    /// Whether it is a picture, which only a plan has.
    pub(crate) fn is_picture(self) -> bool {
        match self {
            Self::Dot | Self::Mermaid => true,
            Self::Table | Self::Wide | Self::Json | Self::Yaml => false,
        }
    }
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Config {
    /// How results are printed; progress and messages go to standard error.
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Output,
    /// Kubeconfig of the cluster that the command works on.
    #[arg(long, global = true, env = "KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context in that kubeconfig.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Send the API server no more requests in a second; without it as many as it takes.
    #[arg(
        long,
        global = true,
        env = "REFLOAT_REQUESTS_PER_SECOND",
        value_name = "NUMBER"
    )]
    pub(crate) requests_per_second: Option<NonZeroU32>,
    #[command(flatten)]
    pub(crate) vault: VaultConfig,
}

/// Where the vault is and who may open it.
#[derive(Debug, Args)]
pub(crate) struct VaultConfig {
    /// The vault: `s3://BUCKET/PREFIX`.
    #[arg(
        long = "vault",
        global = true,
        env = "REFLOAT_VAULT",
        value_name = "URL"
    )]
    pub(crate) url: Option<String>,
    /// URL of the S3 server, when it is not Amazon's.
    #[arg(long, global = true, env = "REFLOAT_S3_ENDPOINT", value_name = "URL")]
    pub(crate) s3_endpoint: Option<String>,
    /// Region of the bucket.
    #[arg(
        long,
        global = true,
        env = "AWS_REGION",
        default_value = "us-east-1",
        value_name = "NAME"
    )]
    pub(crate) s3_region: String,
    /// Access key id of the S3 server.
    #[arg(
        long,
        global = true,
        env = "AWS_ACCESS_KEY_ID",
        value_name = "ID",
        hide_env_values = true
    )]
    pub(crate) s3_access_key_id: Option<String>,
    /// Secret access key of the S3 server.
    #[arg(skip = std::env::var("AWS_SECRET_ACCESS_KEY").ok())]
    pub(crate) s3_secret_access_key: Option<String>,
    /// Key of the site that the command works for (made by `refloat vault join`).
    #[arg(long, global = true, env = "REFLOAT_SITE_KEY", value_name = "FILE")]
    pub(crate) site_key: Option<PathBuf>,
    /// The recovery key (made by `refloat vault init`): opens the vault when no site key is left.
    #[arg(long, global = true, env = "REFLOAT_RECOVERY_KEY", value_name = "FILE")]
    pub(crate) recovery_key: Option<PathBuf>,
}
