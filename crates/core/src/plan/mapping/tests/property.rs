//! What holds for any object: mapping there and back is nothing; no typed reference keeps its old name.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Mappings, Maps};
use super::{follow, pairs, services};
use crate::inventory::ThingId;

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["shop", "bank", "other", "shopping", "db"])
}

/// A binding, a policy, a route and a custom resource in one: every typed reference to any of some namespaces.
fn object() -> impl Strategy<Value = Value> {
    (prop::collection::vec(name(), 8), prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(names, noise)| {
        json!({
            "kind": "RoleBinding",
            "metadata": { "name": names[0], "namespace": names[1],
                "annotations": { "cert-manager.io/inject-ca-from": format!("{}/{}", names[2], names[3]) } },
            "subjects": [
                { "kind": "ServiceAccount", "name": names[3], "namespace": names[2] },
                { "kind": "User", "name": format!("system:serviceaccount:{}:{}", names[4], names[5]) },
                { "kind": "Group", "name": format!("system:serviceaccounts:{}", names[6]) },
            ],
            "spec": {
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": names[7] }, "matchNames": [names[0], names[1]] },
                "secretRef": { "name": names[2], "namespace": names[3] },
                "noise": noise, "names": names,
            },
        })
    })
}

fn there(object: &Value, namespaces: &[(&str, &str)]) -> Value {
    let maps = Maps {
        mappings: Mappings {
            namespaces: pairs(namespaces),
            ..Mappings::default()
        },
        classes: pairs(&[]),
        services: services(&[("shop", "db")]),
    };
    let id = ThingId::namespaced("rbac.authorization.k8s.io", "RoleBinding", "a", "b");
    let kind = ("rbac.authorization.k8s.io", "RoleBinding");
    follow::object(object, &id, kind, &maps, None)
}

proptest! {
    #[test]
    fn there_and_back_is_nothing(object in object()) {
        prop_assert_eq!(&there(&object, &[]), &object);
        prop_assert_eq!(&there(&there(&object, &[("shop", "drill")]), &[("drill", "shop")]), &object);
        let swapped = [("shop", "bank"), ("bank", "shop")];
        prop_assert_eq!(&there(&there(&object, &swapped), &swapped), &object);
    }

    #[test]
    fn no_typed_reference_keeps_the_old_name(object in object()) {
        let after = there(&object, &[("shop", "drill")]);
        let typed = [
            "/metadata/namespace", "/metadata/annotations/cert-manager.io~1inject-ca-from", "/subjects/0/namespace", "/subjects/1/name",
            "/subjects/2/name", "/spec/namespaceSelector", "/spec/secretRef/namespace",
        ];
        for pointer in typed {
            let text = after.pointer(pointer).unwrap().to_string();
            let place = text.split(|c: char| !c.is_ascii_alphanumeric()).position(|word| word == "shop");
            // `ns/name` and `…:ns:name` may end in a name.
            let is_name = pointer.ends_with("from") || pointer == "/subjects/1/name";
            prop_assert!(place.is_none() || (is_name && (text.ends_with("/shop\"") || text.ends_with(":shop\"")) && !text.contains("shop/") && !text.contains(":shop:")), "{}", text);
        }
        for pointer in ["/metadata/name", "/spec/names", "/subjects/0/name", "/spec/secretRef/name"] {
            prop_assert_eq!(after.pointer(pointer), object.pointer(pointer));
        }
    }
}
