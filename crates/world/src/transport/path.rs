//! Parts of a path and of a query, so that no name leaves its place.

use crate::failure::Failure;

/// One part of a path. Names of objects may hold `:`, as in `system:basic-user`.
pub(super) fn segment(text: &str) -> Result<String, Failure> {
    if matches!(text, "" | "." | "..") {
        return Err(Failure::Unsendable(format!("`{text}` is no name")));
    }
    Ok(encode(text, "-._~:"))
}

pub(super) fn encode(text: &str, plain: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}
