//! Plans as golden text, everything that stands against one, and what holds for every plan.

pub(crate) mod fixture;
mod golden;
mod preflight;
mod property;
