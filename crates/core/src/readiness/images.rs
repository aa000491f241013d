//! Images that a kubelet does not get: what no waiting mends, and what often passes. Reads words, decides nothing. Called by the gates
//! of pods and by who waits for a pod of Refloat's own.

/// Seconds for which a pull may fail: a registry is throttled or away, the Secret for it comes late.
pub(crate) const PULL_SECONDS: u32 = 120;
/// What registries and runtimes say of an image that is not there (containerd, CRI-O, Docker), in lower case.
const MISSING: &[&str] = &[
    ": not found",
    "manifest unknown",
    "invalid reference format",
    "no matching manifest",
];

/// Why a container has no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// No waiting mends it.
    ForGood,
    /// The next pull may bring it.
    ForNow,
}

/// What a container's reason to wait says of its image; `None` when it waits for something else. After each pull that failed
/// (`ErrImagePull`) a kubelet pauses (`ImagePullBackOff`); what the pull said is part of the pause's message since Kubernetes 1.31.
pub(crate) fn lack(reason: &str, message: &str) -> Option<Lack> {
    match reason {
        "ErrImageNeverPull" | "InvalidImageName" => Some(Lack::ForGood),
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => {
            let message = message.to_lowercase();
            let is_missing = MISSING.iter().any(|words| message.contains(words));
            Some(if is_missing {
                Lack::ForGood
            } else {
                Lack::ForNow
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_that_is_not_there_is_given_up() {
        let missing = [
            r#"failed to pull and unpack image "docker.io/library/x:1": failed to resolve reference "docker.io/library/x:1": docker.io/library/x:1: not found"#,
            r#"Back-off pulling image "x:1": ErrImagePull: reading manifest 1 in docker.io/library/x: Manifest unknown"#,
            "no match for platform in manifest: not found",
            "no matching manifest for linux/arm64 in the manifest list entries",
        ];
        let passing = [
            r#"Back-off pulling image "x:1""#,
            "pull QPS exceeded",
            "failed to do request: Head https://registry.local/v2/: dial tcp: lookup registry.local: no such host",
            "unexpected status from HEAD request: 429 Too Many Requests",
            "pull access denied, repository does not exist or may require authorization",
            "failed to copy: httpReadSeeker: unexpected status code https://x/v2/blobs/1: 404 Not Found",
            "",
        ];
        for reason in ["ErrImagePull", "ImagePullBackOff"] {
            for message in missing {
                assert_eq!(lack(reason, message), Some(Lack::ForGood), "{message}");
            }
            for message in passing {
                assert_eq!(lack(reason, message), Some(Lack::ForNow), "{message}");
            }
        }
        assert_eq!(lack("ErrImageNeverPull", ""), Some(Lack::ForGood));
        assert_eq!(lack("ContainerCreating", "x: not found"), None);
    }
}
