//! Which objects a patch means.

use serde_json::json;

use super::super::patches::{fits_labels, glob};

#[test]
fn a_star_stands_for_any_letters() {
    for (pattern, name, fits) in [
        ("web", "web", true),
        ("web", "web-2", false),
        ("web*", "web-2", true),
        ("*", "", true),
        ("*-db-*", "data-db-0", true),
        ("*-db-*", "data-db", false),
        ("a*a", "a", false),
        ("**", "é", true),
    ] {
        assert_eq!(glob(pattern, name), fits, "{pattern} {name}");
    }
}

#[test]
fn labels_are_selected_as_kubectl_does() {
    let object = json!({ "metadata": { "labels": { "app": "web", "example.com/tier": "front" } } });
    for (selector, fits) in [
        ("", true),
        ("app=web", true),
        ("app == web", true),
        ("app=db", false),
        ("app!=db", true),
        ("none!=db", true),
        ("app", true),
        ("!app", false),
        ("!none", true),
        ("app in (db, web)", true),
        ("app notin (db,web)", false),
        ("none notin (db)", true),
        ("app=web,example.com/tier=front", true),
        ("app in (web),example.com/tier=back", false),
    ] {
        assert_eq!(fits_labels(selector, &object), Ok(fits), "{selector}");
    }
    for bad in [
        "=",
        "app=a b",
        "app in web",
        "app in (web",
        "app,,tier",
        "a b",
        "app near (web)",
        "app in in (web)",
        "!",
        "(a)",
    ] {
        assert!(fits_labels(bad, &object).is_err(), "{bad}");
    }
}
