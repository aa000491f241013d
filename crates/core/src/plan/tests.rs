//! Plans as golden text, everything that stands against one, the edges that each rule draws and does not draw, and what
//! holds for every plan.

mod answers;
mod authors;
mod connections;
mod cycles;
mod duties;
mod facts;
pub(crate) mod fixture;
mod flux;
mod gates;
mod golden;
mod ground;
mod mapping;
mod operators;
mod own_steps;
mod owners;
mod preflight;
mod property;
mod references;
mod show;
mod statuses;
mod texts;
mod trials;
mod tried;
