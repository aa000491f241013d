//! Refloat's API: the kinds that a user can write, as the CustomResourceDefinition, the file and the CLI know them.
//!
//! Holds types and their schema only; reading files and talking to clusters is done by the binaries.

mod gate;
mod protection;

pub use gate::{
    Gate, GateDns, GateEngine, GateExec, GateGrpc, GateHttp, GateOf, GateRedis, GateSecret,
    GateSql, GateTcp, GateTls, GateWay,
};
pub use protection::{
    Capture, EngineSettings, Exclude, Holds, Hook, Mode, Protection, ProtectionSpec, Snapshot,
    definition,
};
