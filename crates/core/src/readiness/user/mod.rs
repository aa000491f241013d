//! Gates that users write.
mod cel;
