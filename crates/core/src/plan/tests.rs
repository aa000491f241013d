//! Plans as golden text, everything that stands against one, and what holds for every plan.

mod fixture;
mod gates;
mod golden;
mod preflight;
mod property;
