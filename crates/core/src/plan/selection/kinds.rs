//! Kinds as people write them: `pvc`, `Deployment`, `secrets`, `clusters.postgresql.cnpg.io`.

use std::fmt;

use super::what::WhatError;

/// Short names as kubectl has them: short name, group, kind.
const SHORT: &[(&str, &str, &str)] = &[
    ("cm", "", "configmap"),
    ("ep", "", "endpoints"),
    ("limits", "", "limitrange"),
    ("ns", "", "namespace"),
    ("po", "", "pod"),
    ("pvc", "", "persistentvolumeclaim"),
    ("quota", "", "resourcequota"),
    ("rc", "", "replicationcontroller"),
    ("sa", "", "serviceaccount"),
    ("svc", "", "service"),
    ("deploy", "apps", "deployment"),
    ("ds", "apps", "daemonset"),
    ("rs", "apps", "replicaset"),
    ("sts", "apps", "statefulset"),
    ("crd", "apiextensions.k8s.io", "customresourcedefinition"),
    ("crds", "apiextensions.k8s.io", "customresourcedefinition"),
    ("hpa", "autoscaling", "horizontalpodautoscaler"),
    ("cj", "batch", "cronjob"),
    ("ing", "networking.k8s.io", "ingress"),
    ("netpol", "networking.k8s.io", "networkpolicy"),
    ("pdb", "policy", "poddisruptionbudget"),
];

/// A kind as a person writes it, lower case; a short name is written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindName {
    /// Kind or plural.
    word: String,
    /// The group, if one was given.
    group: Option<String>,
}

/// `v1`, `v1beta2`.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

impl KindName {
    /// Reads `pvc`, `Deployment`, `deployments.apps`, `deployments.v1.apps`.
    pub(super) fn read(text: &str) -> Result<Self, WhatError> {
        let (word, group) = match text.split_once('.') {
            Some((word, group)) => (word, Some(group)),
            None => (text, None),
        };
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        };
        if !is_plain(word) || group.is_some_and(|group| !is_plain(group)) {
            return Err(WhatError::Kind(text.to_owned()));
        }
        // kubectl's long form names the version too.
        let group = group.map(|group| match group.split_once('.') {
            Some((version, rest)) if is_version(version) => rest,
            Some(_) | None => group,
        });
        let word = word.to_lowercase();
        let short = SHORT
            .iter()
            .find(|(short, of, _)| *short == word && group.is_none_or(|group| group == *of));
        Ok(match short {
            Some((_, of, kind)) => Self {
                word: (*kind).to_owned(),
                group: Some((*of).to_owned()),
            },
            None => Self {
                word,
                group: group.map(str::to_lowercase),
            },
        })
    }

    /// True for a kind of this group, kind and plural.
    pub(super) fn fits(&self, group: &str, kind: &str, plural: &str) -> bool {
        self.group.as_ref().is_none_or(|wanted| wanted == group)
            && (self.word == kind.to_lowercase() || self.word == plural)
    }
}

impl fmt::Display for KindName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.word)?;
        match &self.group {
            Some(group) if !group.is_empty() => write!(formatter, ".{group}"),
            Some(_) | None => Ok(()),
        }
    }
}
