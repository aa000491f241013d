//! Each way with what is there already, and what a rollback takes, as tables over pure decisions.

mod existing;
mod linking;
mod marks;
mod rollback;
mod status;
mod volumes;
