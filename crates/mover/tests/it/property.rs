//! Any tree comes back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use refloat_mover::{Control, MoverEngine, ReadData};

use crate::support::{Place, assert_same, noise, reference, request};

#[derive(Debug, Clone)]
enum Thing {
    File {
        length: usize,
        seed: u64,
        mode: u32,
    },
    Zeros {
        length: usize,
    },
    Link {
        target: String,
    },
    Directory {
        mode: u32,
        things: Vec<(String, Thing)>,
    },
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,2}",
        "[ -.0-~]{1,12}",
        "\\PC{1,6}".prop_map(|name| name.replace('/', "_")),
    ]
    .prop_filter("names of their own kind", |name| {
        name != "." && name != ".." && name != "lost+found"
    })
}

fn thing() -> impl Strategy<Value = Thing> {
    let leaf = prop_oneof![
        4 => (0_usize..5000, any::<u64>(), 0_u32..0o7777)
            .prop_map(|(length, seed, mode)| Thing::File { length, seed, mode }),
        1 => (500_000_usize..3_000_000, any::<u64>())
            .prop_map(|(length, seed)| Thing::File { length, seed, mode: 0o640 }),
        1 => (0_usize..2_000_000).prop_map(|length| Thing::Zeros { length }),
        1 => "[a-z/.]{1,20}".prop_map(|target| Thing::Link { target }),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        (0_u32..0o7777, prop::collection::vec((name(), inner), 0..6))
            .prop_map(|(mode, things)| Thing::Directory { mode, things })
    })
}

fn make(path: &Path, thing: &Thing) {
    if path.symlink_metadata().is_ok() {
        return;
    }
    match thing {
        Thing::File { length, seed, mode } => {
            fs::write(path, noise(*length, *seed)).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        Thing::Zeros { length } => fs::write(path, vec![0; *length]).unwrap(),
        Thing::Link { target } => symlink(target, path).unwrap(),
        Thing::Directory { mode, things } => {
            fs::create_dir(path).unwrap();
            for (name, thing) in things {
                make(&path.join(name), thing);
            }
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_tree_comes_back(things in prop::collection::vec((name(), thing()), 0..8)) {
        let place = Place::new();
        let (source, target) = (place.path("source"), place.path("target"));
        for (name, thing) in &things {
            make(&source.join(name), thing);
        }
        let control = Control::default();
        let engine = place.engine();
        let saved = engine.save_tree(&request("data"), &source, &control).unwrap();
        let verified = engine.verify(&reference(&saved), ReadData::Full, &control).unwrap();
        prop_assert_eq!(verified.amount, saved.amount);
        let restored = engine.restore_tree(&reference(&saved), &[], &target, &control).unwrap();
        prop_assert_eq!(restored.amount, saved.amount);
        assert_same(&source, &target);
    }
}
