//! The configuration files of a site's programs.
//!
//! Holds what each program is told by file; what it is told by flag is in `units`. Called when a site comes up; writing
//! the same again changes nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::addresses::{AddressPlan, InnerRanges};
use super::files;
use super::place::{Place, Site, SiteDirectory, StateDirectory};

/// Programs with a kubeconfig of their own, and the certificate in it.
const KUBECONFIGS: [(&str, &str); 5] = [
    ("kube-controller-manager", "kube-controller-manager"),
    ("kube-scheduler", "kube-scheduler"),
    ("kube-proxy", "kube-proxy"),
    ("kubelet", "kubelet"),
    ("coredns", "administrator"),
];

/// What the files say that differs between sites.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The testbed.
    pub(crate) state: &'a StateDirectory,
    /// The site.
    pub(crate) site: Site,
    /// Its addresses.
    pub(crate) addresses: AddressPlan,
    /// The name of the sandbox image.
    pub(crate) pause_image: &'a str,
}

/// Write all of a site's configuration files.
pub(crate) fn write(facts: Facts<'_>) -> Result<()> {
    let directory = facts.state.site(facts.site);
    let address = facts.addresses.of(Place::Site(facts.site));
    let configuration = directory.configuration();
    for (program, user) in KUBECONFIGS {
        let content = kubeconfig(&directory, facts, user)?;
        files::write(&directory.program_kubeconfig(program), content)?;
    }
    files::write(
        &directory.kubeconfig(),
        kubeconfig(&directory, facts, "administrator")?,
    )?;
    files::write(
        &configuration.join("resolv.conf"),
        format!("nameserver {address}\n"),
    )?;
    files::write(
        &configuration.join("Corefile"),
        corefile(&directory, &address.to_string()),
    )?;
    files::write(
        &configuration.join("containerd.toml"),
        containerd(&directory, facts.pause_image),
    )?;
    files::write(
        &configuration.join("cni/10-pods.conflist"),
        pretty(&pod_network(facts, &directory))?,
    )?;
    files::write(
        &configuration.join("kubelet.json"),
        pretty(&kubelet(facts, &directory))?,
    )?;
    files::write(
        &configuration.join("dns.json"),
        pretty(&dns_service(facts))?,
    )
}

fn pretty(value: &Value) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(value)?)
}

fn kubeconfig(directory: &SiteDirectory, facts: Facts<'_>, user: &str) -> Result<Vec<u8>> {
    let keys = directory.keys();
    let embed = |path: &Path| -> Result<String> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(STANDARD.encode(bytes))
    };
    let site = facts.site.name();
    pretty(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": site, "cluster": {
            "server": format!("https://{}", facts.addresses.api_server(facts.site)),
            "certificate-authority-data": embed(&keys.join("ca.crt"))?,
        }}],
        "users": [{ "name": user, "user": {
            "client-certificate-data": embed(&keys.join(format!("{user}.crt")))?,
            "client-key-data": embed(&keys.join(format!("{user}.key")))?,
        }}],
        "contexts": [{ "name": site, "context": { "cluster": site, "user": user } }],
        "current-context": site,
    }))
}

fn corefile(directory: &SiteDirectory, address: &str) -> String {
    let kubeconfig = directory.program_kubeconfig("coredns");
    format!(
        ".:53 {{
    bind {address}
    errors
    ready {address}:8181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
}}
",
        kubeconfig = kubeconfig.display()
    )
}

fn containerd(directory: &SiteDirectory, pause_image: &str) -> String {
    let base = directory.containerd();
    format!(
        r#"version = 2
root = "{base}/root"
state = "{base}/state"
disabled_plugins = ["io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{base}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause_image}"
# Without CAP_SYS_RESOURCE no sandbox starts otherwise.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{configuration}/cni"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{configuration}/registries"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{base}/runc"
"#,
        base = base.display(),
        socket = directory.containerd_socket().display(),
        configuration = directory.configuration().display(),
    )
}

fn pod_network(facts: Facts<'_>, directory: &SiteDirectory) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": facts.state.pod_network(facts.site),
        "plugins": [{
            "type": "bridge",
            "bridge": "pods",
            "isGateway": true,
            "ipMasq": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": directory.pod_addresses(),
                "ranges": [[{ "subnet": InnerRanges::of(facts.site).pods() }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
}

fn kubelet(facts: Facts<'_>, directory: &SiteDirectory) -> Value {
    let keys = directory.keys();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": facts.addresses.of(Place::Site(facts.site)),
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": false },
            "x509": { "clientCAFile": keys.join("ca.crt") },
        },
        "authorization": { "mode": "AlwaysAllow" },
        "tlsCertFile": keys.join("node-server.crt"),
        "tlsPrivateKeyFile": keys.join("node-server.key"),
        "containerRuntimeEndpoint": format!("unix://{}", directory.containerd_socket().display()),
        "podLogsDir": directory.pod_logs(),
        "volumePluginDir": directory.kubelet().join("volume-plugins"),
        "resolvConf": directory.configuration().join("resolv.conf"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [InnerRanges::of(facts.site).dns_service()],
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}/{}", facts.state.cgroup(), facts.site),
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "healthzPort": 10248,
        // Rarely, and only when there is nothing left to lose: a small disk is no reason to end a pod under test.
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    })
}

fn dns_service(facts: Facts<'_>) -> Value {
    let ports: Vec<Value> = ["UDP", "TCP"]
        .iter()
        .map(|protocol| json!({ "name": format!("dns-{}", protocol.to_lowercase()), "port": 53, "protocol": protocol }))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [{
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "kube-dns", "namespace": "kube-system" },
            "spec": { "clusterIP": InnerRanges::of(facts.site).dns_service(), "ports": ports },
        }, {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kube-dns",
                "namespace": "kube-system",
                "labels": { "kubernetes.io/service-name": "kube-dns" },
            },
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{ "addresses": [facts.addresses.of(Place::Site(facts.site))] }],
        }],
    })
}
