//! Which fields and labels name which kinds: tables of outside facts. Called by the rule.

const NETWORK: &str = "networking.k8s.io";
const GATEWAY: &str = "gateway.networking.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const SNAPSHOT: &str = "snapshot.storage.k8s.io";
const CERTIFICATES: &str = "cert-manager.io";
const CNPG: &str = "postgresql.cnpg.io";
const BARMAN: &str = "barmancloud.cnpg.io";

/// A field that holds a name: group and kind of the thing, path, group and kind of what is named. `*` is each of a list.
type Name = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

pub(super) const NAMES: &[Name] = &[
    (NETWORK, "Ingress", "spec/tls/*/secretName", "", "Secret"),
    (
        NETWORK,
        "Ingress",
        "spec/ingressClassName",
        NETWORK,
        "IngressClass",
    ),
    (
        GATEWAY,
        "Gateway",
        "spec/gatewayClassName",
        GATEWAY,
        "GatewayClass",
    ),
    (CERTIFICATES, "Certificate", "spec/secretName", "", "Secret"),
    (CERTIFICATES, "Issuer", "spec/ca/secretName", "", "Secret"),
    (
        "",
        "ServiceAccount",
        "imagePullSecrets/*/name",
        "",
        "Secret",
    ),
    ("", "Endpoints", "metadata/name", "", "Service"),
    (CNPG, "Pooler", "spec/cluster/name", CNPG, "Cluster"),
    (
        CNPG,
        "Cluster",
        "spec/plugins/*/parameters/barmanObjectName",
        BARMAN,
        "ObjectStore",
    ),
    (
        CNPG,
        "Cluster",
        "spec/externalClusters/*/plugin/parameters/barmanObjectName",
        BARMAN,
        "ObjectStore",
    ),
    (CNPG, "Backup", "spec/cluster/name", CNPG, "Cluster"),
    (
        CNPG,
        "ScheduledBackup",
        "spec/cluster/name",
        CNPG,
        "Cluster",
    ),
    (CNPG, "Database", "spec/cluster/name", CNPG, "Cluster"),
    (CNPG, "Publication", "spec/cluster/name", CNPG, "Cluster"),
    (CNPG, "Subscription", "spec/cluster/name", CNPG, "Cluster"),
    (
        "apps",
        "StatefulSet",
        "spec/volumeClaimTemplates/*/spec/storageClassName",
        STORAGE,
        "StorageClass",
    ),
    (
        "",
        "PersistentVolumeClaim",
        "spec/volumeName",
        "",
        "PersistentVolume",
    ),
    (
        "",
        "PersistentVolumeClaim",
        "spec/storageClassName",
        STORAGE,
        "StorageClass",
    ),
    (
        "",
        "PersistentVolume",
        "spec/storageClassName",
        STORAGE,
        "StorageClass",
    ),
    (
        "",
        "PersistentVolume",
        "spec/csi/driver",
        STORAGE,
        "CSIDriver",
    ),
    (STORAGE, "StorageClass", "provisioner", STORAGE, "CSIDriver"),
    (
        SNAPSHOT,
        "VolumeSnapshotClass",
        "driver",
        STORAGE,
        "CSIDriver",
    ),
    (
        SNAPSHOT,
        "VolumeSnapshot",
        "spec/volumeSnapshotClassName",
        SNAPSHOT,
        "VolumeSnapshotClass",
    ),
    (
        SNAPSHOT,
        "VolumeSnapshot",
        "spec/source/volumeSnapshotContentName",
        SNAPSHOT,
        "VolumeSnapshotContent",
    ),
    (
        SNAPSHOT,
        "VolumeSnapshotContent",
        "spec/volumeSnapshotClassName",
        SNAPSHOT,
        "VolumeSnapshotClass",
    ),
    (
        SNAPSHOT,
        "VolumeSnapshotContent",
        "spec/driver",
        STORAGE,
        "CSIDriver",
    ),
];

/// A field that holds `{kind, name}`: group and kind of the thing, path, group and kind that are meant when it says none.
pub(super) const REFERENCES: &[Name] = &[
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "spec/scaleTargetRef",
        "",
        "",
    ),
    (
        "autoscaling.k8s.io",
        "VerticalPodAutoscaler",
        "spec/targetRef",
        "",
        "",
    ),
    (
        "keda.sh",
        "ScaledObject",
        "spec/scaleTargetRef",
        "apps",
        "Deployment",
    ),
    (
        CERTIFICATES,
        "Certificate",
        "spec/issuerRef",
        CERTIFICATES,
        "Issuer",
    ),
    (
        GATEWAY,
        "HTTPRoute",
        "spec/parentRefs/*",
        GATEWAY,
        "Gateway",
    ),
    (
        GATEWAY,
        "GRPCRoute",
        "spec/parentRefs/*",
        GATEWAY,
        "Gateway",
    ),
    (GATEWAY, "TCPRoute", "spec/parentRefs/*", GATEWAY, "Gateway"),
    (GATEWAY, "TLSRoute", "spec/parentRefs/*", GATEWAY, "Gateway"),
    (
        GATEWAY,
        "Gateway",
        "spec/listeners/*/tls/certificateRefs/*",
        "",
        "Secret",
    ),
    ("", "PersistentVolumeClaim", "spec/dataSourceRef", "", ""),
];

/// A label that holds a name: group and kind of the thing, key, group and kind of what is named.
pub(super) const LABELS: &[Name] = &[
    (
        "discovery.k8s.io",
        "EndpointSlice",
        "kubernetes.io/service-name",
        "",
        "Service",
    ),
    (
        "kafka.strimzi.io",
        "KafkaTopic",
        "strimzi.io/cluster",
        "kafka.strimzi.io",
        "Kafka",
    ),
    (
        "kafka.strimzi.io",
        "KafkaUser",
        "strimzi.io/cluster",
        "kafka.strimzi.io",
        "Kafka",
    ),
];
