//! An answer of the API server: code, headers, body. Says nothing about what it means. Made by `transport`.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;

/// What the server said, when it did not refuse.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    headers: http::HeaderMap,
    bytes: bytes::Bytes,
}

impl Reply {
    pub(super) fn new(code: u16, headers: http::HeaderMap, bytes: bytes::Bytes) -> Self {
        Self {
            code,
            headers,
            bytes,
        }
    }

    pub(crate) fn json(&self) -> Result<Value, Failure> {
        self.read()
    }

    /// As much of it as is asked for.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.bytes).map_err(|error| Failure::Garbled(error.to_string()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// All headers of this name, as text.
    pub(crate) fn headers(&self, name: http::HeaderName) -> Vec<&str> {
        let all = self.headers.get_all(name);
        all.iter().filter_map(|value| value.to_str().ok()).collect()
    }
}
