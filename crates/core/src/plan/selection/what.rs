//! What a person writes after `--only` and `--skip`.

use std::fmt;
use std::str::FromStr;

use super::kinds::KindName;
use super::labels::Selector;
use crate::run::{Phase, RECOVERY_PHASES};

/// Longest name of an object.
const NAME_MAX: usize = 253;

/// Some of a point's things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// `phase:databases`.
    Phase(Phase),
    /// `kind:Secret`, `kind:Cluster.postgresql.cnpg.io`.
    Kind(KindName),
    /// `label:app=web,tier!=x`.
    Label(Selector),
    /// `namespace:shop`: what is in it, and itself.
    Namespace(String),
    /// `pvc/data-0`, `deployment/shop/web`: exactly one.
    Object {
        /// Which kind.
        kind: KindName,
        /// In which namespace; wherever it is when none was given.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
}

/// Words that mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhatError {
    /// None of the forms.
    #[error(
        "`{0}` is none of `phase:NAME`, `kind:KIND`, `label:SELECTOR`, `namespace:NAME`, `KIND/NAME`, `KIND/NAMESPACE/NAME`"
    )]
    Form(String),
    /// Not a phase of a recovery.
    #[error("`{name}` is no phase of a recovery: {known}")]
    Phase {
        /// What was given.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Cannot be a kind.
    #[error("`{0}` cannot be a kind: `Secret`, `pvc`, `Cluster.postgresql.cnpg.io`")]
    Kind(String),
    /// Cannot be a name.
    #[error("`{0}` cannot be the name of an object")]
    Name(String),
    /// Not a label selector.
    #[error("`{text}` is no label selector: {why}")]
    Selector {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

fn name(text: &str) -> Result<String, WhatError> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '%');
    if text.is_empty() || text.len() > NAME_MAX || text.contains(odd) || matches!(text, "." | "..")
    {
        return Err(WhatError::Name(text.to_owned()));
    }
    Ok(text.to_owned())
}

impl FromStr for What {
    type Err = WhatError;

    fn from_str(text: &str) -> Result<Self, WhatError> {
        // A name may hold a colon, a label's key a slash: the four words come first.
        match text.split_once(':') {
            Some(("phase", phase)) => {
                return Phase::of_recovery(phase).map(Self::Phase).ok_or_else(|| {
                    let known: Vec<&str> = RECOVERY_PHASES.iter().map(|(name, _)| *name).collect();
                    WhatError::Phase {
                        name: phase.to_owned(),
                        known: known.join(", "),
                    }
                });
            }
            Some(("kind", kind)) => return KindName::read(kind).map(Self::Kind),
            Some(("label", selector)) => return Selector::read(selector).map(Self::Label),
            Some(("namespace", namespace)) => return name(namespace).map(Self::Namespace),
            Some(_) | None => {}
        }
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, of) = match parts.as_slice() {
            [kind, of] => (kind, None, of),
            [kind, namespace, of] => (kind, Some(name(namespace)?), of),
            _ => return Err(WhatError::Form(text.to_owned())),
        };
        Ok(Self::Object {
            kind: KindName::read(kind)?,
            namespace,
            name: name(of)?,
        })
    }
}

impl What {
    /// The same at the target: a namespace may be named as it was at the source.
    pub(super) fn at_target(&self, mapped: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Namespace(namespace) => Self::Namespace(mapped(namespace)),
            Self::Object {
                kind,
                namespace: Some(namespace),
                name,
            } => Self::Object {
                kind: kind.clone(),
                namespace: Some(mapped(namespace)),
                name: name.clone(),
            },
            Self::Phase(_) | Self::Kind(_) | Self::Label(_) | Self::Object { .. } => self.clone(),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => write!(formatter, "phase:{}", phase.name()),
            Self::Kind(kind) => write!(formatter, "kind:{kind}"),
            Self::Label(selector) => write!(formatter, "label:{selector}"),
            Self::Namespace(namespace) => write!(formatter, "namespace:{namespace}"),
            Self::Object {
                kind,
                namespace: Some(namespace),
                name,
            } => write!(formatter, "{kind}/{namespace}/{name}"),
            Self::Object {
                kind,
                namespace: None,
                name,
            } => write!(formatter, "{kind}/{name}"),
        }
    }
}
