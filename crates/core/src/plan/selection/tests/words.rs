//! Tables of words: what is read, what is refused, and that what is written again means the same.

use std::collections::BTreeMap;

use crate::plan::selection::labels::Selector;
use crate::plan::{NewName, Selection, What};

#[test]
fn words_are_read_and_written_again() {
    for (text, again) in [
        ("phase:databases", "phase:databases"),
        ("kind:Secret", "kind:secret"),
        (
            "kind:Cluster.postgresql.cnpg.io",
            "kind:cluster.postgresql.cnpg.io",
        ),
        ("kind:deployments.v1.apps", "kind:deployments.apps"),
        ("kind:sts", "kind:statefulset.apps"),
        ("label:app=web,tier!=x", "label:app=web,tier!=x"),
        ("label: app == web ", "label:app=web"),
        (
            "label:tier in (b, a),!canary",
            "label:tier in (a,b),!canary",
        ),
        ("label:tier notin (a),app", "label:tier!=a,app"),
        (
            "label:app.kubernetes.io/name=web",
            "label:app.kubernetes.io/name=web",
        ),
        ("namespace:shop", "namespace:shop"),
        ("pvc/data-0", "persistentvolumeclaim/data-0"),
        ("PVC/data-0", "persistentvolumeclaim/data-0"),
        ("deployment/shop/web", "deployment/shop/web"),
        ("deploy/web", "deployment.apps/web"),
        ("clusterrole/system:node", "clusterrole/system:node"),
    ] {
        let what: What = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(what.to_string(), again);
        assert_eq!(again.parse::<What>().unwrap().to_string(), again);
    }
}

#[test]
fn words_that_mean_nothing_are_refused_and_told() {
    let long = format!("pvc/{}", "x".repeat(254));
    for (text, why) in [
        ("", "none of"),
        ("data-0", "none of"),
        ("a/b/c/d", "none of"),
        ("phase:", "no phase"),
        ("phase:clean", "no phase"),
        ("phase:Databases", "guard, namespaces"),
        ("phases:databases", "none of"),
        ("kind:", "cannot be a kind"),
        ("kind:Se cret", "cannot be a kind"),
        ("kind:.apps", "cannot be a kind"),
        ("kind:Secret.", "cannot be a kind"),
        ("/web", "cannot be a kind"),
        ("pvc/", "cannot be the name"),
        ("pvc//data-0", "cannot be the name"),
        ("pvc/..", "cannot be the name"),
        ("pvc/data 0", "cannot be the name"),
        ("pvc/data\n0", "cannot be the name"),
        (&long, "cannot be the name"),
        ("namespace:", "cannot be the name"),
        ("namespace:a/b", "cannot be the name"),
        ("label:", "key"),
        ("label:,", "key"),
        ("label:app=web,", "key"),
        ("label:=web", "key"),
        ("label:app=we b", "value"),
        ("label:app in web", "parentheses"),
        ("label:app in (a", "without its"),
        ("label:app in a)", "without its"),
        ("label:app in ((a))", "parenthesis"),
        ("label:app in (a) b", "parentheses"),
        ("label:!app=web", "absent"),
        ("label:app>1", "operator"),
        ("label:app like web", "operator"),
        ("label:-app", "key"),
        ("label:Example.com/app=x", "key"),
        ("label:a/b/c", "key"),
        ("label:app=ü", "value"),
    ] {
        let error = text.parse::<What>().expect_err(text).to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
}

#[test]
fn selectors_fit_as_the_api_server_has_them() {
    let labels: BTreeMap<String, String> = [("app", "web"), ("tier", "front"), ("empty", "")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    for (text, fits) in [
        ("app", true),
        ("app=web", true),
        ("app==web", true),
        ("app=db", false),
        ("app!=web", false),
        ("app!=db", true),
        ("missing!=x", true),
        ("missing", false),
        ("!missing", true),
        ("!app", false),
        ("app in (web,db)", true),
        ("app in (db)", false),
        ("app notin (db)", true),
        ("missing notin (db)", true),
        ("app notin (web)", false),
        ("empty=", true),
        ("app=", false),
        ("app=web,tier=front", true),
        ("app=web,tier=back", false),
        ("in in (in)", false),
        ("notin", false),
    ] {
        let selector = Selector::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.fits(&labels), fits, "{text}");
    }
}

#[test]
fn new_names_are_names_of_objects() {
    for good in ["data-0-yesterday", "a", "0", "a.b-c.d"] {
        assert!(good.parse::<NewName>().is_ok(), "{good}");
    }
    let long = "x".repeat(254);
    for bad in [
        "", "Data", "-a", "a-", "a_b", "a/b", "a..b", ".", "a b", "ä", &long,
    ] {
        assert!(bad.parse::<NewName>().is_err(), "{bad}");
    }
}

#[test]
fn equal_selections_have_one_identity_in_whatever_order() {
    let of = |only: &[&str], name: Option<&str>| Selection {
        only: only.iter().map(|one| one.parse().unwrap()).collect(),
        renamed: name.map(|name| name.parse().unwrap()),
        ..Selection::default()
    };
    assert_eq!(
        of(&[], None).identity(),
        None,
        "a whole recovery keeps its digest"
    );
    let both = of(&["pvc/a", "cm/b"], None);
    assert_eq!(both.identity(), of(&["cm/b", "pvc/a"], None).identity());
    let different = [
        of(&["pvc/a"], None),
        of(&["pvc/b"], None),
        of(&["pvc/a"], Some("c")),
        of(&["pvc/a"], Some("d")),
        Selection {
            skip: both.only.clone(),
            ..Selection::default()
        },
        Selection {
            with_needs: true,
            ..of(&["pvc/a"], None)
        },
    ];
    for (place, one) in different.iter().enumerate() {
        for other in &different[place + 1..] {
            assert_ne!(one.identity(), other.identity());
        }
    }
    assert_eq!(
        of(&["pvc/a"], Some("c")).options(),
        "--only 'persistentvolumeclaim/a' --as c"
    );
}
