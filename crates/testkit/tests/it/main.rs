//! The whole engine and all drivers in SimWorld.

mod backup;
mod shop;
