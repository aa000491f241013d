//! Where a vault is and how its store is reached.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use secrecy::{ExposeSecret, SecretString};

use crate::error::VaultError;

/// A bucket, a prefix in it, and who asks.
#[derive(Clone)]
pub struct Location {
    /// Name of the bucket.
    pub bucket: String,
    /// Prefix in it; may be empty.
    pub prefix: String,
    /// URL of the server; `None` for Amazon's.
    pub endpoint: Option<String>,
    /// Region of the bucket.
    pub region: String,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: SecretString,
}

impl Location {
    /// Bucket and prefix of `s3://BUCKET/PREFIX`.
    pub fn parse(url: &str) -> Result<(String, String), VaultError> {
        let wrong = |why: &str| VaultError::Location {
            text: url.to_owned(),
            why: why.to_owned(),
        };
        let rest = url
            .strip_prefix("s3://")
            .ok_or_else(|| wrong("it does not begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if bucket.len() < 3 || bucket.len() > 63 || !bucket.chars().all(good) {
            return Err(wrong("the bucket's name is no bucket name"));
        }
        let parts_good = prefix.split('/').all(|part| {
            prefix.is_empty()
                || (!part.is_empty()
                    && part != "."
                    && part != ".."
                    && part
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        });
        if !parts_good {
            return Err(wrong(
                "the prefix may hold letters, digits, `-`, `_`, `.` between single slashes",
            ));
        }
        Ok((bucket.to_owned(), prefix.to_owned()))
    }

    /// The store. Requests have limits, so that an absent server is told within seconds.
    pub fn store(&self) -> Result<Arc<dyn ObjectStore>, VaultError> {
        let client = ClientOptions::new()
            .with_allow_http(true)
            .with_connect_timeout(Duration::from_secs(4))
            .with_timeout(Duration::from_mins(1));
        let retry = RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(15),
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(self.secret_access_key.expose_secret())
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(|error| VaultError::Location {
            text: format!("s3://{}/{}", self.bucket, self.prefix),
            why: error.to_string(),
        })?;
        Ok(Arc::new(store))
    }

    /// The prefix as a path of the store.
    pub fn prefix_path(&self) -> Path {
        Path::from(self.prefix.as_str())
    }
}
