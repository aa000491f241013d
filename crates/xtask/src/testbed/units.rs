//! The programs of a site and of the S3 server, with their flags.
//!
//! Holds data only; `unit` is the format, `configuration` holds what is told by file.

use std::collections::BTreeMap;
use std::path::Path;

use super::addresses::{AddressPlan, InnerRanges};
use super::object_store::ObjectStore;
use super::place::{Place, Site, SiteDirectory, StateDirectory};
use super::record::{Etcd, Record};
use super::tools::Tools;
use super::unit::{Need, Unit};

/// The name by which storage classes call the CSI driver.
pub(crate) const DRIVER_NAME: &str = "btrfs.csi.refloat.io";

/// Reached when the API server of a site answers.
pub(crate) const API_MILESTONE: &str = "api";
/// Reached when the snapshot kinds are served.
pub(crate) const SNAPSHOT_KINDS_MILESTONE: &str = "snapshot-kinds";

/// Builds units of one place.
struct Builder<'a> {
    state: &'a StateDirectory,
    place: Place,
}

impl Builder<'_> {
    fn unit(&self, name: &str, program: &Path, arguments: Vec<String>, needs: Vec<Need>) -> Unit {
        Unit {
            name: name.to_owned(),
            place: self.place.name().to_owned(),
            network: self.state.network_namespace(self.place.name()),
            program: program.to_owned(),
            arguments,
            environment: BTreeMap::new(),
            log: self
                .state
                .place(self.place)
                .join(format!("logs/{name}.log")),
            needs,
        }
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

fn path_flag(name: &str, path: &Path) -> String {
    flag(name, path.display())
}

/// All programs of a site.
pub(crate) fn of_site(
    state: &StateDirectory,
    site: Site,
    record: &Record,
    tools: &Tools,
) -> Vec<Unit> {
    let builder = Builder {
        state,
        place: Place::Site(site),
    };
    let directory = state.site(site);
    let mut units = control_plane(&builder, &directory, site, record, tools);
    units.extend(node(&builder, &directory, site, record.addresses, tools));
    units.extend(storage(&builder, &directory, site, tools));
    units
}

fn control_plane(
    builder: &Builder<'_>,
    directory: &SiteDirectory,
    site: Site,
    record: &Record,
    tools: &Tools,
) -> Vec<Unit> {
    let mut etcd = vec![
        flag("name", site),
        path_flag("data-dir", &directory.disks().join("etcd")),
        flag("listen-client-urls", "http://127.0.0.1:2379"),
        flag("advertise-client-urls", "http://127.0.0.1:2379"),
        flag("listen-peer-urls", "http://127.0.0.1:2380"),
        flag("initial-advertise-peer-urls", "http://127.0.0.1:2380"),
        flag(
            "initial-cluster",
            format_args!("{site}=http://127.0.0.1:2380"),
        ),
        flag("logger", "zap"),
        flag("log-level", "warn"),
    ];
    if record.etcd == Etcd::Fast {
        // A machine crash ends the testbed anyway, and this makes a site come up in half the time.
        etcd.push("--unsafe-no-fsync".to_owned());
    }
    let keys = directory.keys();
    let controller_manager = vec![
        path_flag(
            "kubeconfig",
            &directory.program_kubeconfig("kube-controller-manager"),
        ),
        path_flag(
            "service-account-private-key-file",
            &keys.join("service-accounts.key"),
        ),
        path_flag("root-ca-file", &keys.join("ca.crt")),
        path_flag("cluster-signing-cert-file", &keys.join("ca.crt")),
        path_flag("cluster-signing-key-file", &keys.join("ca.key")),
        flag("use-service-account-credentials", true),
        flag("bind-address", "127.0.0.1"),
        flag("leader-elect", false),
        flag("profiling", false),
    ];
    let scheduler = vec![
        path_flag(
            "kubeconfig",
            &directory.program_kubeconfig("kube-scheduler"),
        ),
        flag("bind-address", "127.0.0.1"),
        flag("leader-elect", false),
        flag("profiling", false),
    ];
    let api = || vec![Need::File(directory.milestone(API_MILESTONE))];
    vec![
        builder.unit("etcd", Path::new("/usr/bin/etcd"), etcd, Vec::new()),
        builder.unit(
            "kube-apiserver",
            &tools.kube_apiserver,
            api_server(directory, site, record.addresses),
            Vec::new(),
        ),
        builder.unit(
            "kube-controller-manager",
            &tools.kube_controller_manager,
            controller_manager,
            api(),
        ),
        builder.unit("kube-scheduler", &tools.kube_scheduler, scheduler, api()),
    ]
}

fn api_server(directory: &SiteDirectory, site: Site, addresses: AddressPlan) -> Vec<String> {
    let keys = directory.keys();
    vec![
        flag("etcd-servers", "http://127.0.0.1:2379"),
        flag("advertise-address", addresses.of(Place::Site(site))),
        flag("secure-port", addresses.api_server(site).port()),
        flag("service-cluster-ip-range", InnerRanges::of(site).services()),
        path_flag("client-ca-file", &keys.join("ca.crt")),
        path_flag("tls-cert-file", &keys.join("api-server.crt")),
        path_flag("tls-private-key-file", &keys.join("api-server.key")),
        path_flag("kubelet-certificate-authority", &keys.join("ca.crt")),
        path_flag(
            "kubelet-client-certificate",
            &keys.join("administrator.crt"),
        ),
        path_flag("kubelet-client-key", &keys.join("administrator.key")),
        // Or exec and logs try to resolve the node's name.
        flag("kubelet-preferred-address-types", "InternalIP"),
        flag(
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        ),
        path_flag(
            "service-account-key-file",
            &keys.join("service-accounts.pub"),
        ),
        path_flag(
            "service-account-signing-key-file",
            &keys.join("service-accounts.key"),
        ),
        flag("authorization-mode", "Node,RBAC"),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("allow-privileged", true),
        flag("profiling", false),
    ]
}

fn node(
    builder: &Builder<'_>,
    directory: &SiteDirectory,
    site: Site,
    addresses: AddressPlan,
    tools: &Tools,
) -> Vec<Unit> {
    let configuration = directory.configuration();
    let containerd = vec![
        path_flag("config", &configuration.join("containerd.toml")),
        flag("log-level", "warn"),
    ];
    let kubelet = vec![
        path_flag("config", &configuration.join("kubelet.json")),
        path_flag("kubeconfig", &directory.program_kubeconfig("kubelet")),
        path_flag("root-dir", &directory.kubelet()),
        flag("hostname-override", site),
        flag("node-ip", addresses.of(Place::Site(site))),
    ];
    let proxy = vec![
        path_flag("kubeconfig", &directory.program_kubeconfig("kube-proxy")),
        flag("hostname-override", site),
        flag("cluster-cidr", InnerRanges::of(site).pods()),
        flag("proxy-mode", "iptables"),
        // Connection tracking is sized for the whole machine, which is not ours to change.
        flag("conntrack-max-per-core", 0),
        flag("conntrack-min", 0),
        flag("conntrack-tcp-timeout-established", 0),
        flag("conntrack-tcp-timeout-close-wait", 0),
        // Answers between two pods on the bridge must come back through the node that changed the address.
        flag("masquerade-all", true),
    ];
    let dns = vec![
        "-conf".to_owned(),
        configuration.join("Corefile").display().to_string(),
    ];
    let api = Need::File(directory.milestone(API_MILESTONE));
    vec![
        builder.unit(
            "containerd",
            Path::new("/usr/bin/containerd"),
            containerd,
            Vec::new(),
        ),
        builder.unit(
            "kubelet",
            &tools.kubelet,
            kubelet,
            vec![api.clone(), Need::Socket(directory.containerd_socket())],
        ),
        builder.unit("kube-proxy", &tools.kube_proxy, proxy, vec![api.clone()]),
        builder.unit("coredns", &tools.coredns, dns, vec![api]),
    ]
}

fn storage(
    builder: &Builder<'_>,
    directory: &SiteDirectory,
    site: Site,
    tools: &Tools,
) -> Vec<Unit> {
    let driver = vec![
        path_flag("endpoint", &directory.csi_socket()),
        path_flag("registration-socket", &directory.csi_registration()),
        path_flag("pool", &directory.pool()),
        flag("node-id", site),
        path_flag("control", &directory.csi_control()),
        flag("driver-name", DRIVER_NAME),
    ];
    let kubeconfig = path_flag("kubeconfig", &directory.kubeconfig());
    let socket = path_flag("csi-address", &directory.csi_socket());
    let kinds = Need::File(directory.milestone(SNAPSHOT_KINDS_MILESTONE));
    let api = Need::File(directory.milestone(API_MILESTONE));
    let driver_up = Need::Socket(directory.csi_socket());
    let controller = vec![
        kubeconfig.clone(),
        flag("leader-election", false),
        flag("retry-interval-max", "2s"),
    ];
    let snapshotter = vec![
        kubeconfig.clone(),
        socket.clone(),
        flag("leader-election", false),
        // The default lets a snapshot that became ready go unseen for minutes.
        flag("retry-interval-max", "2s"),
    ];
    let provisioner = vec![
        kubeconfig,
        socket,
        flag("leader-election", false),
        flag("retry-interval-max", "2s"),
    ];
    vec![
        builder.unit("csi-driver", &tools.csi_driver, driver, Vec::new()),
        builder.unit(
            "snapshot-controller",
            &tools.snapshot_controller,
            controller,
            vec![kinds.clone()],
        ),
        builder.unit(
            "csi-snapshotter",
            &tools.csi_snapshotter,
            snapshotter,
            vec![kinds, driver_up.clone()],
        ),
        builder.unit(
            "csi-provisioner",
            &tools.csi_provisioner,
            provisioner,
            vec![api, driver_up],
        ),
    ]
}

/// The S3 server.
pub(crate) fn of_object_store(
    state: &StateDirectory,
    addresses: AddressPlan,
    store: &ObjectStore,
    tools: &Tools,
) -> Vec<Unit> {
    let builder = Builder {
        state,
        place: Place::S3,
    };
    let directory = state.place(Place::S3);
    let arguments = vec![
        flag("port", addresses.object_store()),
        flag("region", &store.region),
        "posix".to_owned(),
        path_flag("versioning-dir", &directory.join("versions")),
        directory.join("data").display().to_string(),
    ];
    let mut unit = builder.unit("versitygw", &tools.versitygw, arguments, Vec::new());
    unit.environment
        .insert("ROOT_ACCESS_KEY".to_owned(), store.access_key.clone());
    unit.environment
        .insert("ROOT_SECRET_KEY".to_owned(), store.secret_key.clone());
    vec![unit]
}
