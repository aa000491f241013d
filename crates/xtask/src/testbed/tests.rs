//! Pure parts of the testbed: addresses, names, and the reading of kernel tables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::addresses::{AddressPlan, Network, networks_in_use};
use super::control_groups::{Hierarchy, hierarchies};
use super::leftovers::network_mounts;
use super::mounts::mount_points;
use super::place::{Place, Site, StateDirectory};
use super::processes::{Marks, Ours, Process, parse_stat};
use super::readiness::of_objects;
use super::unit::{self, Need, Unit};
use super::{certificates, configuration, files, lock, requirements};

fn network(text: &str) -> Network {
    Network::parse(text).expect("a network")
}

#[test]
fn networks_overlap_when_one_holds_the_other() {
    let cases = [
        ("10.77.0.0/24", "10.77.0.0/24", true),
        ("10.77.0.0/24", "10.77.0.9", true),
        ("10.77.0.0/24", "10.77.1.0/24", false),
        ("10.0.0.0/8", "10.77.200.0/24", true),
        ("10.77.200.0/24", "10.0.0.0/8", true),
        ("10.77.1.128/25", "10.77.1.0/24", true),
        ("11.0.0.0/8", "10.77.0.0/24", false),
        ("0.0.0.0/0", "10.77.0.0/24", true),
    ];
    for (one, other, expected) in cases {
        assert_eq!(
            network(one).overlaps(network(other)),
            expected,
            "{one} and {other}"
        );
    }
}

#[test]
fn hostile_networks_are_refused() {
    for text in [
        "",
        "/",
        "10.77.0.0/33",
        "10.77.0/24",
        "10.77.0.256/24",
        "10.77.0.0/-1",
        "10.77.0.0/24/8",
    ] {
        assert_eq!(Network::parse(text), None, "{text:?}");
    }
}

#[test]
fn the_first_free_network_is_chosen() {
    let output = "\
default via 192.0.2.1 dev eth0
10.77.0.0/23 dev docker0 proto kernel scope link src 10.77.0.1
0.0.0.0/0 via 10.77.9.1 dev eth0
local 10.77.2.7 dev lo table local
2: eth0    inet 10.77.3.4/25 brd 10.77.3.127 scope global eth0\\       valid_lft forever";
    let in_use = networks_in_use(output);
    let first = AddressPlan::first_free(&in_use, &[]).expect("one is free");
    assert_eq!(first.host(), Ipv4Addr::new(10, 77, 4, 1));
    let second = AddressPlan::first_free(&in_use, &[first]).expect("one is free");
    assert_eq!(second.host(), Ipv4Addr::new(10, 77, 5, 1));
    assert_eq!(
        AddressPlan::first_free(&[network("10.64.0.0/10")], &[]),
        None
    );
}

#[test]
fn every_place_has_an_address_of_its_own() {
    let plan = AddressPlan::first_free(&[], &[]).expect("one is free");
    let mut addresses: BTreeSet<Ipv4Addr> =
        Place::ALL.iter().map(|&place| plan.of(place)).collect();
    addresses.insert(plan.host());
    assert_eq!(addresses.len(), Place::ALL.len() + 1);
}

#[test]
fn names_of_testbeds_are_checked() {
    let base = Path::new("/root/.local/state");
    for name in ["refloat", "a", "selftest-2", "aaaaaaaaaaaaaaaaaaaa"] {
        assert!(StateDirectory::below(base, name).is_ok(), "{name}");
    }
    for name in [
        "",
        "..",
        "a/b",
        "-name",
        "A",
        "a b",
        "ü",
        "aaaaaaaaaaaaaaaaaaaaa",
    ] {
        assert!(StateDirectory::below(base, name).is_err(), "{name:?}");
    }
}

#[test]
fn a_state_directory_too_long_for_sockets_is_refused() {
    let base = PathBuf::from(format!("/{}", "x".repeat(60)));
    let error = StateDirectory::below(&base, "refloat")
        .expect_err("too long")
        .to_string();
    assert!(error.contains("XDG_STATE_HOME"), "{error}");
    assert!(StateDirectory::below(Path::new("relative"), "refloat").is_err());
}

#[test]
fn derived_names_fit_the_kernel_and_differ() {
    let one = StateDirectory::below(Path::new("/a"), "refloat").expect("a directory");
    let other = StateDirectory::below(Path::new("/b"), "refloat").expect("a directory");
    assert!(one.host_link().len() <= 15);
    assert_ne!(one.host_link(), other.host_link());
    assert_ne!(one.cgroup(), other.cgroup());
    assert_ne!(
        one.pod_network(Site::Primary),
        one.pod_network(Site::Recovery)
    );
}

#[test]
fn a_process_name_may_hold_anything() {
    let cases = [
        ("12 (etcd) S 7 12 12 0", Some(("etcd".to_owned(), 7, 'S'))),
        ("12 (a) b) (c) Z 1 1", Some(("a) b) (c".to_owned(), 1, 'Z'))),
        ("12 (x\n) R 3", Some(("x\n".to_owned(), 3, 'R'))),
        ("12 )x( R 3", None),
        ("12 (x) R", None),
        ("12 (x)", None),
        ("", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_stat(text), expected, "{text:?}");
    }
}

#[test]
fn marks_are_read_by_whole_names() {
    let environment = b"A=1\0XREFLOAT_TESTBED=/no\0REFLOAT_TESTBED_PLACE=primary\0REFLOAT_TESTBED=/state/a=b\0\xff\0REFLOAT_TESTBED";
    let marks = Marks::parse(environment);
    assert_eq!(marks.state.as_deref(), Some("/state/a=b"));
    assert_eq!(marks.place.as_deref(), Some("primary"));
    assert_eq!(marks.unit, None);
    assert_eq!(Marks::parse(b""), Marks::default());
}

fn process(id: i32, parent: i32) -> Process {
    Process {
        id,
        parent,
        network: PathBuf::from("net:[1]"),
        ..Process::default()
    }
}

fn marked(id: i32, parent: i32, state: &str, place: &str) -> Process {
    let marks = Marks {
        state: Some(state.to_owned()),
        place: Some(place.to_owned()),
        unit: None,
    };
    Process {
        marks,
        ..process(id, parent)
    }
}

fn ours(place: Option<&str>) -> Ours {
    Ours {
        state: "/state/mine".to_owned(),
        place: place.map(str::to_owned),
        networks: BTreeSet::from([PathBuf::from("net:[7]")]),
        cgroup: "refloat-testbed-1".to_owned(),
    }
}

#[test]
fn a_process_is_ours_by_mark_network_cgroup_or_descent() {
    let by_network = Process {
        network: PathBuf::from("net:[7]"),
        ..process(20, 1)
    };
    let by_cgroup = Process {
        cgroups: "4:memory:/\n3:pids:/refloat-testbed-1/primary/kubepods/x\n0::/".to_owned(),
        ..process(21, 1)
    };
    let by_similar_cgroup = Process {
        cgroups: "4:memory:/refloat-testbed-12/primary\n3:pids:/other/refloat-testbed-1\n"
            .to_owned(),
        ..process(22, 1)
    };
    let processes = [
        process(1, 0),
        marked(10, 1, "/state/mine", "primary"),
        process(11, 10),
        process(12, 11),
        marked(13, 1, "/state/mine-too", "primary"),
        marked(14, 1, "/state/mine", "recovery"),
        by_network,
        by_cgroup,
        by_similar_cgroup,
        process(30, 1),
    ];
    assert_eq!(ours(None).among(&processes, 30), [10, 11, 12, 14, 20, 21]);
    assert_eq!(
        ours(Some("primary")).among(&processes, 30),
        [10, 11, 12, 20, 21]
    );
}

#[test]
fn neither_we_nor_our_ancestors_are_ever_chosen() {
    let processes = [
        process(1, 0),
        marked(10, 1, "/state/mine", "primary"),
        process(11, 10),
        process(12, 11),
        marked(13, 12, "/state/mine", "primary"),
    ];
    assert_eq!(ours(None).among(&processes, 12), [13]);
    let with_marked_init = [marked(1, 0, "/state/mine", "primary"), process(2, 1)];
    assert_eq!(ours(None).among(&with_marked_init, 2), Vec::<i32>::new());
}

const MOUNTINFO: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
31 22 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
40 22 0:4 net:[4026532300] /state/a/network/primary rw - nsfs nsfs rw
41 22 0:50 / /state/a/with\\040space\\134 rw - btrfs /dev/loop0 rw
42 22 0:51 / /tmp/a\\040-\\040nsfs rw - tmpfs tmpfs rw
broken line
";

#[test]
fn mount_points_are_read_with_their_escapes() {
    let points = mount_points(MOUNTINFO);
    assert!(points.contains(&PathBuf::from("/state/a/with space\\")));
    assert!(points.contains(&PathBuf::from("/")));
    assert_eq!(
        mount_points("1 2 3 4 /a\\04 5\n1 2 3 4 /a\\999 5"),
        [PathBuf::from("/a\\04"), PathBuf::from("/a\\999")]
    );
}

#[test]
fn mounted_namespaces_are_told_from_other_mounts() {
    assert_eq!(
        network_mounts(MOUNTINFO),
        [PathBuf::from("/state/a/network/primary")]
    );
}

#[test]
fn both_kinds_of_cgroup_hierarchies_are_found() {
    let expected = [
        ("/sys/fs/cgroup/memory", false),
        ("/sys/fs/cgroup/unified", true),
    ]
    .map(|(root, unified)| Hierarchy {
        root: PathBuf::from(root),
        unified,
    });
    assert_eq!(hierarchies(MOUNTINFO), expected);
}

#[test]
fn a_site_is_ready_only_with_node_driver_and_account() {
    let node = |status: &str, taints: serde_json::Value| {
        json!({ "kind": "Node", "spec": { "taints": taints },
            "status": { "conditions": [{ "type": "DiskPressure", "status": "True" }, { "type": "Ready", "status": status }] } })
    };
    let driver =
        json!({ "kind": "CSINode", "spec": { "drivers": [{ "name": "btrfs.csi.refloat.io" }] } });
    let other_driver = json!({ "kind": "CSINode", "spec": { "drivers": [{ "name": "other" }] } });
    let account = json!({ "kind": "ServiceAccount" });
    let list = |items: &[&serde_json::Value]| json!({ "kind": "List", "items": items });
    let ready = node("True", json!(null));
    assert_eq!(
        of_objects(&list(&[&ready, &driver, &account])),
        Vec::<String>::new()
    );
    let cases = [
        (
            list(&[&node("False", json!(null)), &driver, &account]),
            "node",
        ),
        (
            list(&[
                &node("True", json!([{ "key": "not-ready" }])),
                &driver,
                &account,
            ]),
            "node",
        ),
        (list(&[&ready, &other_driver, &account]), "CSI driver"),
        (list(&[&ready, &driver]), "service account"),
    ];
    for (objects, what) in cases {
        let missing = of_objects(&objects);
        assert!(
            missing.len() == 1 && missing[0].contains(what),
            "{missing:?}"
        );
    }
    assert_eq!(of_objects(&serde_json::Value::Null).len(), 3);
    assert_eq!(of_objects(&account).len(), 2);
}

#[test]
fn all_that_is_missing_is_one_message_with_the_way_around() {
    let error = requirements::told(&["it lacks a".to_owned(), "it lacks b".to_owned()])
        .expect_err("missing")
        .to_string();
    assert!(error.starts_with("it lacks a; it lacks b."), "{error}");
    assert!(
        error.contains("--primary-kubeconfig") && error.contains("--recovery-kubeconfig"),
        "{error}"
    );
    assert!(requirements::told(&[]).is_ok());
}

#[test]
fn a_file_is_written_whole_and_removed_quietly() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a/b");
    files::write(&path, "one").expect("written");
    files::write(&path, "two").expect("written");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "two");
    assert_eq!(
        std::fs::read_dir(directory.path().join("a"))
            .expect("there")
            .count(),
        1
    );
    files::remove(&directory.path().join("a")).expect("removed");
    files::remove(&directory.path().join("a")).expect("nothing to remove");
}

#[test]
fn a_lock_on_a_removed_directory_is_on_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state");
    assert!(lock::existing_directory(&path).expect("looked").is_none());
    let held = lock::directory(&path).expect("locked");
    let waiting = std::thread::spawn({
        let path = path.clone();
        move || lock::existing_directory(&path).expect("looked").is_none()
    });
    std::fs::remove_dir(&path).expect("removed");
    drop(held);
    assert!(waiting.join().expect("joined"));
}

#[test]
fn a_held_file_is_not_free() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    let held = lock::file_if_free(&path).expect("looked").expect("free");
    assert!(lock::file_if_free(&path).expect("looked").is_none());
    drop(held);
    assert!(lock::file_if_free(&path).expect("looked").is_some());
}

fn unit(name: &str, argument: &str) -> Unit {
    Unit {
        name: name.to_owned(),
        place: "primary".to_owned(),
        network: PathBuf::from("/network"),
        program: PathBuf::from("/program"),
        arguments: vec![argument.to_owned()],
        environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        log: PathBuf::from("/log"),
        needs: vec![
            Need::File(PathBuf::from("/file")),
            Need::Socket(PathBuf::from("/socket")),
            Need::Port("10.77.0.11:6443".parse().expect("an address")),
        ],
    }
}

#[test]
fn units_are_replaced_as_a_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDirectory::at(directory.path().to_owned());
    assert!(unit::read_all(&state).expect("read").is_empty());
    let place = Place::Site(Site::Primary);
    unit::replace(&state, place, &[unit("a", "1"), unit("b", "1")]).expect("replaced");
    unit::replace(&state, place, &[unit("b", "2"), unit("c", "1")]).expect("replaced");
    let expected = BTreeMap::from([
        ("primary/b".to_owned(), unit("b", "2")),
        ("primary/c".to_owned(), unit("c", "1")),
    ]);
    assert_eq!(unit::read_all(&state).expect("read"), expected);
    std::fs::write(state.units().join("primary/d.json"), "{").expect("written");
    let error = unit::read_all(&state).expect_err("damaged").to_string();
    assert!(error.contains("d.json"), "{error}");
}

#[test]
fn needs_are_met_only_by_what_answers() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("thing");
    assert!(!Need::File(path.clone()).is_met());
    assert!(!Need::Socket(path.clone()).is_met());
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
    assert!(Need::File(path.clone()).is_met());
    assert!(Need::Socket(path.clone()).is_met());
    drop(listener);
    assert!(
        !Need::Socket(path).is_met(),
        "a socket file without a listener takes no connections"
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    assert!(Need::Port(address).is_met());
    drop(listener);
    assert!(!Need::Port(address).is_met());
}

#[test]
fn certificates_are_made_once_and_fit_the_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDirectory::at(directory.path().to_owned());
    let addresses = AddressPlan::first_free(&[], &[]).expect("one is free");
    let keys = state.site(Site::Primary).keys();
    certificates::ensure(&keys, Site::Primary, addresses).expect("made");
    let authority = std::fs::read(keys.join("ca.crt")).expect("there");
    certificates::ensure(&keys, Site::Primary, addresses).expect("kept");
    assert_eq!(
        std::fs::read(keys.join("ca.crt")).expect("there"),
        authority
    );
    configuration::write(configuration::Facts {
        state: &state,
        site: Site::Primary,
        addresses,
        pause_image: "pause:1",
    })
    .expect("written");
    let text = std::fs::read(state.site(Site::Primary).kubeconfig()).expect("there");
    let kubeconfig: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(
        kubeconfig["clusters"][0]["cluster"]["server"],
        "https://10.77.0.11:6443"
    );
    assert_eq!(
        kubeconfig["contexts"][0]["context"]["user"],
        kubeconfig["users"][0]["name"]
    );
    let mode = std::fs::metadata(state.site(Site::Primary).kubeconfig())
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "others can read the administrator's key");
}
