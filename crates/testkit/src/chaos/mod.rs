//! The whole engine under random applications and random mishaps, judged from outside.
//!
//! `lots` draws, `application` and `ground` are what is drawn, `ways` how it is
//! recovered, `adversary`, `book`, `foreign` and `taker` let things go wrong,
//! `live` lets one engine live, `run` is one run of a seed, `rollback` takes its recovery away again, `prepared` what it is held against, `judge` says what was not as
//! promised, `coverage` counts. Called by `refloat-sim` and by the tests of this crate.

mod adversary;
mod application;
mod book;
mod coverage;
mod deed;
mod foreign;
mod ground;
mod judge;
mod live;
mod lots;
mod mishap;
mod once;
mod pauses;
mod prepared;
mod rollback;
mod run;
mod scene;
mod state;
mod taker;
mod ways;

pub use application::Application;
pub use coverage::Coverage;
pub use deed::Deed;
pub use lots::Lots;
pub use mishap::Mishap;
pub use run::{Outcome, RUNS_PER_APPLICATION, Runner};
