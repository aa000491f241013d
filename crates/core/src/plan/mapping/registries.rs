//! Images by the registry that they are pulled from: the longest mapped beginning wins, whole path components only; tags
//! and digests stay.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys whose text is an image.
const KEYS: &[&str] = &["image", "imageName", "imageRepository"];
/// Keys below `image` whose text is an image: Helm's way in custom resources, and the volume that is an image.
const KEYS_BELOW: &[&str] = &["repository", "reference"];

/// What comes before `/`, as container runtimes decide whether it is a registry (reference grammar of distribution).
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

/// An image's name in full: `nginx` is `docker.io/library/nginx`.
pub(super) fn in_full(image: &str) -> String {
    let (first, rest) = image.split_once('/').unwrap_or(("", image));
    match first {
        "index.docker.io" | "docker.io" if !rest.contains('/') => {
            format!("docker.io/library/{rest}")
        }
        "index.docker.io" => format!("docker.io/{rest}"),
        "" => format!("docker.io/library/{rest}"),
        _ if is_registry(first) => image.to_owned(),
        _ => format!("docker.io/{image}"),
    }
}

fn is_image(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    !text.is_empty() && text.chars().all(inner) && !text.contains("//") && !text.starts_with('/')
}

/// Whether a text can stand before images: a registry, and path components without tag or digest.
pub(super) fn is_prefix(text: &str) -> bool {
    let mut parts = text.split('/');
    let registry = parts.next().unwrap_or_default();
    is_registry(registry)
        && is_image(text)
        && !text.contains('@')
        && parts.all(|part| !part.is_empty() && !part.contains(':'))
}

/// An image mapped, and the mapping's old name.
pub(super) fn mapped<'a>(
    image: &str,
    registries: &'a BTreeMap<String, String>,
) -> Option<(&'a str, String)> {
    if !is_image(image) {
        return None;
    }
    let full = in_full(image);
    registries
        .iter()
        .filter_map(|(old, new)| {
            let plain = old
                .strip_prefix("index.")
                .filter(|rest| rest.starts_with("docker.io"));
            let rest = full.strip_prefix(plain.unwrap_or(old))?;
            // Whole components: what follows is a deeper path, a tag, a digest or nothing. After a registry alone `:` is a port.
            let ends: &[char] = if old.contains('/') {
                &['/', ':', '@']
            } else {
                &['/']
            };
            (rest.is_empty() || rest.starts_with(ends))
                .then(|| (old.as_str(), format!("{new}{rest}")))
        })
        .max_by_key(|(old, _)| old.len())
}

/// Maps all images in a value. In a custom resource `image` may be anything (`logo.png`): a text counts when it names its
/// registry, or has a tag or a digest.
pub(super) fn follow(
    value: &mut Value,
    is_custom: bool,
    registries: &BTreeMap<String, String>,
    hit: &mut dyn FnMut(&str),
) {
    let change = |text: &str| {
        let first = text.split('/').next().unwrap_or_default();
        let clear = (text.contains('/') && is_registry(first)) || text.contains([':', '@']);
        let (old, new) = mapped(text, registries)?;
        (clear || !is_custom).then_some((old, new))
    };
    walk(value, "", &change, hit);
}

type Change<'a> = dyn Fn(&str) -> Option<(&'a str, String)> + 'a;

fn walk(value: &mut Value, parent: &str, change: &Change<'_>, hit: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let names = KEYS.contains(&key.as_str())
                    || (parent == "image" && KEYS_BELOW.contains(&key.as_str()));
                if let (true, Some(image)) = (names, inner.as_str())
                    && let Some((old, new)) = change(image)
                {
                    hit(old);
                    *inner = Value::String(new);
                } else {
                    walk(inner, key, change, hit);
                }
            }
        }
        Value::Array(list) => {
            for inner in list {
                walk(inner, parent, change, hit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
