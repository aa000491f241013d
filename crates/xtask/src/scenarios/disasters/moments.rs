//! What dies in which moment of a recovery: in CI, and with `--long`. Called by the disasters.

/// What dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    Engine,
    ApiServer,
    Etcd,
    /// The engine's way to the API server, silently.
    Link,
    /// The movers' way to the store, silently.
    StoreLink,
    /// The engine, and the API server a moment before it.
    EngineAndApiServer,
}

/// What dies when this part of the steps, in percent, is done.
pub(super) type Moment = (Blow, u32);

pub(super) const IN_CI: &[Moment] = &[
    (Blow::Engine, 45),
    (Blow::ApiServer, 25),
    (Blow::Etcd, 65),
    (Blow::Link, 10),
];

pub(super) const LONG: &[Moment] = &[
    (Blow::Engine, 2),
    (Blow::Engine, 14),
    (Blow::Engine, 33),
    (Blow::Engine, 58),
    (Blow::Engine, 80),
    (Blow::Engine, 93),
    (Blow::Engine, 97),
    (Blow::ApiServer, 3),
    (Blow::ApiServer, 12),
    (Blow::ApiServer, 40),
    (Blow::ApiServer, 66),
    (Blow::ApiServer, 92),
    (Blow::ApiServer, 97),
    (Blow::Etcd, 3),
    (Blow::Etcd, 18),
    (Blow::Etcd, 35),
    (Blow::Etcd, 50),
    (Blow::Etcd, 91),
    (Blow::Etcd, 97),
    (Blow::Link, 3),
    (Blow::Link, 30),
    (Blow::Link, 60),
    (Blow::Link, 94),
    (Blow::StoreLink, 5),
    (Blow::EngineAndApiServer, 20),
    (Blow::EngineAndApiServer, 70),
];
