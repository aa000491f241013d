//! Where a host name that users know is a typed field: Ingress, Gateway API, Certificates, Routes, external-dns.

use std::collections::BTreeMap;

use serde_json::Value;

use super::words::mapped_host;

/// Annotations of external-dns: lists of host names, parted by commas.
const ANNOTATIONS: &[&str] = &[
    "external-dns.alpha.kubernetes.io/hostname",
    "external-dns.alpha.kubernetes.io/internal-hostname",
    "external-dns.kubernetes.io/hostname",
    "external-dns.kubernetes.io/internal-hostname",
];

/// Fields below `spec` that are host names, or lists of them, by group and kind.
fn keys(group: &str, kind: &str) -> &'static [&'static str] {
    match (group, kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => &["host", "hosts"],
        ("gateway.networking.k8s.io" | "gateway.networking.x-k8s.io", _) => {
            &["hostname", "hostnames"]
        }
        ("cert-manager.io", "Certificate") => &["dnsNames", "commonName"],
        ("route.openshift.io", "Route") => &["host"],
        ("externaldns.k8s.io", "DNSEndpoint") => &["dnsName"],
        _ => &[],
    }
}

/// Maps all host names of an object.
pub(super) fn follow(
    object: &mut Value,
    group: &str,
    kind: &str,
    hosts: &BTreeMap<String, String>,
    hit: &mut dyn FnMut(&str),
) {
    for key in ANNOTATIONS {
        let annotation = object
            .pointer_mut("/metadata/annotations")
            .and_then(|all| all.get_mut(key));
        if let Some(Value::String(list)) = annotation {
            let mapped: Vec<String> = list
                .split(',')
                .map(|host| {
                    let plain = host.trim();
                    let Some((old, new)) = mapped_host(plain, hosts) else {
                        return host.to_owned();
                    };
                    hit(old);
                    host.replacen(plain, &new, 1)
                })
                .collect();
            *list = mapped.join(",");
        }
    }
    let keys = keys(group, kind);
    if let (false, Some(spec)) = (keys.is_empty(), object.get_mut("spec")) {
        fields(spec, keys, &mut |text| {
            let (old, new) = mapped_host(text, hosts)?;
            hit(old);
            Some(new)
        });
    }
}

/// Changes the texts under these keys, alone or in lists.
pub(super) fn fields(
    value: &mut Value,
    keys: &[&str],
    change: &mut dyn FnMut(&str) -> Option<String>,
) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if keys.contains(&key.as_str()) {
                    texts(inner, change);
                }
                fields(inner, keys, change);
            }
        }
        Value::Array(list) => {
            for inner in list {
                fields(inner, keys, change);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn texts(value: &mut Value, change: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = change(text) {
                *text = new;
            }
        }
        Value::Array(list) => {
            for inner in list {
                if let Value::String(text) = inner
                    && let Some(new) = change(text)
                {
                    *text = new;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}
