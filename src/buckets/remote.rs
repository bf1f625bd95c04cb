//! Buckets in a storage that speaks S3.
//!
//! The storage's error texts go to the log only, because they may contain private details. Must not
//! know tenants or local folders.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStoreExt, RetryConfig};

use super::{check_parts, no_object, unavailable};
use crate::config::Storage;
use crate::domain::{CatalogError, Field, ObjectRef};

/// Longest time to establish a connection.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Longest time without a byte from the storage.
const READ_MAX: Duration = Duration::from_secs(5);

/// Most retries of a request after a transient failure, and the time after the first attempt at
/// which retries stop.
const RETRIES: usize = 2;
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The reason that the client sees when a copy ends early.
const BROKE_OFF: &str = "its storage broke off in the middle of the object";

/// One bucket of a storage, with its connections.
pub(super) struct Remote {
    store: AmazonS3,
}

/// The bytes of an object as they arrive.
pub struct RemoteBody {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    object: ObjectRef,
    /// Bytes that have not arrived yet.
    left: u64,
}

impl Remote {
    /// Creates the client of a storage; sends no request.
    pub(super) fn new(storage: &Storage) -> object_store::Result<Self> {
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES,
            retry_timeout: RETRY_MAX,
        };
        let endpoint = endpoint(storage);
        // The library does not check that this is a valid URL: `bucket.127.0.0.1` is not one.
        reqwest::Url::parse(&endpoint)
            .map_err(|source| Error::Generic { store: "S3", source: Box::new(source) })?;
        let builder = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_region(&storage.region)
            .with_bucket_name(storage.bucket.as_str())
            .with_virtual_hosted_style_request(!storage.path_style)
            .with_http_connector(Connector)
            .with_retry(retry);
        let builder = match &storage.key {
            Some(key) => {
                builder.with_access_key_id(&key.id).with_secret_access_key(key.secret.reveal())
            }
            // Otherwise the library would request a key from the cloud's metadata service.
            None => builder.with_skip_signature(true),
        };
        Ok(Self { store: builder.build()? })
    }

    /// Opens an object. See [`super::Buckets::open`].
    pub(super) async fn open(&self, object: &ObjectRef) -> Result<(u64, RemoteBody), CatalogError> {
        check_parts(object)?;
        let key = Path::parse(object.key.as_str()).map_err(|error| {
            CatalogError::invalid(
                Field::ObjectKey,
                format!("is no key that can be asked for: {error}"),
            )
        })?;
        let got = self.store.get(&key).await.map_err(|error| refused(object, &error))?;
        let size = got.meta.size;
        let (stream, object) = (got.into_stream(), object.clone());
        Ok((size, RemoteBody { stream, object, left: size }))
    }
}

impl RemoteBody {
    /// Waits for the next bytes; returns `None` at the end, after all bytes have arrived.
    ///
    /// `BucketUnavailable` when the storage breaks off, stalls, or sends more or fewer bytes than
    /// it declared.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CatalogError> {
        let broken = |error: &dyn std::fmt::Debug| {
            tracing::warn!(object = %self.object, ?error, "an object broke off");
            unavailable(&self.object, BROKE_OFF)
        };
        match self.stream.next().await {
            Some(Ok(chunk)) => {
                self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(|| {
                    unavailable(&self.object, "its storage sent more than the object's size")
                })?;
                Ok(Some(chunk))
            }
            Some(Err(error)) => Err(broken(&error)),
            None if self.left > 0 => Err(broken(&"bytes are missing at its end")),
            None => Ok(None),
        }
    }
}

/// Returns the endpoint for the library, which expects the bucket in the host for virtual-hosted
/// style.
fn endpoint(storage: &Storage) -> String {
    if storage.path_style {
        storage.endpoint.clone()
    } else {
        storage.endpoint.replacen("://", &format!("://{}.", storage.bucket), 1)
    }
}

fn refused(object: &ObjectRef, error: &Error) -> CatalogError {
    if let Error::NotFound { .. } = error {
        return no_object(object);
    }
    tracing::warn!(%object, %error, "a bucket's storage does not give an object");
    let reason = match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            "its storage does not let the server in"
        }
        _ => "its storage does not answer as it should",
    };
    unavailable(object, reason)
}

/// Creates the HTTP client. It follows no redirects and uses no proxy, so that requests go only to
/// the configured storage.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        // Fails if the process has a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .read_timeout(READ_MAX)
            .user_agent(concat!("layerbase/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| Error::Generic { store: "S3", source: Box::new(source) })?;
        Ok(HttpClient::new(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::BucketName;

    #[test]
    fn a_bucket_is_in_the_path_or_in_the_host() {
        let mut storage = Storage {
            endpoint: "https://s3.example:9000".to_owned(),
            region: "us-east-1".to_owned(),
            bucket: BucketName::parse("kept").unwrap(),
            key: None,
            path_style: true,
        };
        assert_eq!(endpoint(&storage), "https://s3.example:9000");
        storage.path_style = false;
        assert_eq!(endpoint(&storage), "https://kept.s3.example:9000");
        assert!(Remote::new(&storage).is_ok());
        storage.endpoint = "http://127.0.0.1:9000".to_owned();
        assert!(Remote::new(&storage).is_err(), "an address cannot have a bucket before it");
    }
}
