//! What goes wrong with a vault: a stable code, the cause and the next step for each.

use refloat_core::driver::{Class, Problem};

/// A vault operation failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The vault's address is no address.
    #[error("`{text}` is no vault address: {why}")]
    Location {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store does not answer.
    #[error("the vault's store does not answer ({path}): {source}")]
    Unreachable {
        /// What was asked for.
        path: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The store refuses the credentials.
    #[error("the vault's store refuses the credentials ({path}): {source}")]
    Credentials {
        /// What was asked for.
        path: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The store gives other objects, and not this one.
    #[error("{path} cannot be read now, other objects can: {source}")]
    Withheld {
        /// Which object.
        path: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The bucket does not exist.
    #[error("the vault's bucket does not exist: {source}")]
    BucketMissing {
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The store lets a second create of one key pass.
    #[error("this store lets a second create of the same key pass: {seen}")]
    NoConditionalCreate {
        /// What was tried and seen.
        seen: String,
    },
    /// There is a vault already.
    #[error("there is a vault at this address already (made {created})")]
    Exists {
        /// When it was made.
        created: String,
    },
    /// There is no vault.
    #[error("there is no vault at this address")]
    Missing,
    /// The key belongs to another vault.
    #[error("the key belongs to vault {key}, and this is vault {vault}")]
    WrongVault {
        /// Vault of the key.
        key: String,
        /// Vault at the address.
        vault: String,
    },
    /// A signature or a chain does not hold.
    #[error("{path} is not trustworthy: {why}")]
    Untrusted {
        /// Which object.
        path: String,
        /// What does not hold.
        why: String,
    },
    /// An object is not what it should be.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// Which object.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Written by a newer Refloat.
    #[error("{path} has format `{format}`, which this refloat does not know")]
    Newer {
        /// Which object.
        path: String,
        /// Its format.
        format: String,
    },
    /// There is no such object.
    #[error("{path} is not in the vault")]
    NotFound {
        /// Which object.
        path: String,
    },
    /// A site of this name has joined.
    #[error("a site `{site}` has joined this vault already")]
    SiteExists {
        /// Its name.
        site: String,
    },
    /// Another engine drives this run: its record came first.
    #[error("run {run} is being driven by {writer}")]
    Driven {
        /// Which run.
        run: String,
        /// Who wrote.
        writer: String,
    },
    /// Another writer took the sequence number.
    #[error("{path} was written by somebody else in the meantime")]
    Taken {
        /// Which object.
        path: String,
    },
}

impl VaultError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Location { .. } => "vault-location",
            Self::Unreachable { .. } => "vault-unreachable",
            Self::Credentials { .. } => "vault-credentials",
            Self::Withheld { .. } => "vault-withheld",
            Self::BucketMissing { .. } => "vault-bucket-missing",
            Self::NoConditionalCreate { .. } => "vault-store-unfit",
            Self::Exists { .. } => "vault-exists",
            Self::Missing => "vault-missing",
            Self::WrongVault { .. } => "vault-wrong-key",
            Self::Untrusted { .. } => "vault-untrusted",
            Self::Unreadable { .. } => "vault-unreadable",
            Self::Newer { .. } => "vault-format-newer",
            Self::NotFound { .. } => "vault-not-found",
            Self::SiteExists { .. } => "vault-site-exists",
            Self::Driven { .. } => "run-alive",
            Self::Taken { .. } => "vault-taken",
        }
    }

    /// What a person does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Location { .. } => "give `--vault s3://BUCKET/PREFIX`",
            Self::Unreachable { .. } => {
                "check `--s3-endpoint` and the network between here and the store"
            }
            Self::Credentials { .. } => {
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do in this bucket"
            }
            Self::Withheld { .. } => {
                "nothing is known to be damaged: run the command again; if it stays, check this object's storage class (an archive is to be restored first), its encryption key, and who may read it"
            }
            Self::BucketMissing { .. } => "create the bucket, or check its name and region",
            Self::NoConditionalCreate { .. } => {
                "use a store that answers 412 to `If-None-Match: *` (Amazon S3 and most compatible servers since 2024)"
            }
            Self::Exists { .. } => "use another prefix; a vault is made once",
            Self::Missing => "check the address, or make one with `refloat vault init`",
            Self::WrongVault { .. } => "use the key that was written when this vault was made",
            Self::Untrusted { .. } => {
                "do not use it; compare with another copy of the bucket, and find out who could write to it"
            }
            Self::Unreadable { .. } => {
                "run `refloat vault check`; take another point for a recovery"
            }
            Self::Newer { .. } => "use a refloat at least as new as the one that wrote it",
            Self::NotFound { .. } => "list what is there with `refloat points`",
            Self::SiteExists { .. } => "use the key that it got, or join under another name",
            Self::Driven { .. } => {
                "let it finish, `refloat status` shows it; if its engine is dead, run this again in two minutes"
            }
            Self::Taken { .. } => "run the command again",
        }
    }

    /// What kind of failure it is.
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Taken { .. } => Class::Retry,
            Self::Location { .. }
            | Self::Credentials { .. }
            | Self::Withheld { .. }
            | Self::BucketMissing { .. }
            | Self::NoConditionalCreate { .. }
            | Self::Exists { .. }
            | Self::Missing
            | Self::WrongVault { .. }
            | Self::Untrusted { .. }
            | Self::Unreadable { .. }
            | Self::Newer { .. }
            | Self::NotFound { .. }
            | Self::Driven { .. }
            | Self::SiteExists { .. } => Class::Stuck,
        }
    }

    /// True when what is stored is wrong. All else is a fault of the store or of who asks, and says nothing of what is stored.
    pub fn is_of_object(&self) -> bool {
        match self {
            Self::Untrusted { .. }
            | Self::Unreadable { .. }
            | Self::Newer { .. }
            | Self::NotFound { .. } => true,
            Self::Location { .. }
            | Self::Unreachable { .. }
            | Self::Credentials { .. }
            | Self::Withheld { .. }
            | Self::BucketMissing { .. }
            | Self::NoConditionalCreate { .. }
            | Self::Exists { .. }
            | Self::Missing
            | Self::WrongVault { .. }
            | Self::SiteExists { .. }
            | Self::Driven { .. }
            | Self::Taken { .. } => false,
        }
    }

    /// The error as a value for the engine and the user.
    pub fn problem(&self) -> Problem {
        Problem::of(self.class(), self.code(), self.to_string(), self.hint())
    }

    /// The same of one object, where the store gives others.
    pub(crate) fn of_one(self) -> Self {
        match self {
            Self::Unreachable { path, source } | Self::Credentials { path, source } => {
                Self::Withheld { path, source }
            }
            other => other,
        }
    }

    /// Tells a store's failures apart.
    pub(crate) fn store(path: &str, source: object_store::Error) -> Self {
        let text = format!("{source:?}");
        let path = path.to_owned();
        if text.contains("NoSuchBucket") {
            return Self::BucketMissing { source };
        }
        let refused = [
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "AccessDenied",
            // versitygw 1.x for an unknown access key id, with status 404.
            "XAdminUserNotFound",
        ]
        .iter()
        .any(|code| text.contains(code));
        if refused {
            return Self::Credentials { path, source };
        }
        match source {
            object_store::Error::NotFound { .. } => Self::NotFound { path },
            object_store::Error::AlreadyExists { .. }
            | object_store::Error::Precondition { .. } => Self::Taken { path },
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Self::Credentials { path, source },
            _ => Self::Unreachable { path, source },
        }
    }
}
