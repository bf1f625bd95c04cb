//! The bucket map: finds code that a request names by bucket and key instead of sending it.
//!
//! Knows folders, storages, and the settings that map a bucket's name to one of them. Must not know
//! the content of an object, the roles of callers, or the catalog.

mod local;
mod remote;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use crate::config::{Bucket, BucketLocation, Config};
use crate::domain::{BucketName, CatalogError, Field, Noun, ObjectRef, TenantId};
use local::Folder;
use remote::Remote;
pub use remote::RemoteBody;

/// All buckets outside the inbox; one value for the whole server.
pub struct Buckets {
    /// Parent of the folders of buckets that no setting maps.
    folder: PathBuf,
    mapped: BTreeMap<BucketName, Mapped>,
}

/// A bucket in the settings.
struct Mapped {
    settings: Bucket,
    /// The client of its storage; `None` for a folder, or if the client could not be created.
    remote: Option<Remote>,
}

/// An object that is open for copying.
pub struct OpenObject {
    /// Size in bytes, as the storage reports before the first byte is read.
    pub size: u64,
    /// The bytes.
    pub body: ObjectBody,
}

/// The source of an object's bytes.
pub enum ObjectBody {
    /// A local file at its start; read it on a blocking thread.
    File(File),
    /// A stream from a storage.
    Remote(RemoteBody),
}

impl Buckets {
    /// Creates the map from the settings, with a client for each storage; sends no request.
    pub fn new(config: &Config) -> Self {
        let buckets = config.buckets.iter();
        let mapped =
            buckets.map(|(name, settings)| (name.clone(), Mapped::new(name, settings.clone())));
        Self { folder: config.data.join("buckets"), mapped: mapped.collect() }
    }

    /// Opens an object for a tenant.
    ///
    /// `NotFound` of a `Bucket` that does not exist or is not open to the tenant, and of an
    /// `Object`; `InvalidValue` for a key that could lead out of the bucket; `BucketUnavailable`
    /// when its storage does not answer as it should.
    pub async fn open(
        &self,
        object: &ObjectRef,
        tenant: &TenantId,
    ) -> Result<OpenObject, CatalogError> {
        let folder = match self.mapped.get(&object.bucket) {
            None => Folder::Below(self.folder.clone()),
            // A tenant without access does not learn that the bucket exists.
            Some(mapped) if !mapped.is_open_to(tenant) => return Err(no_bucket(object)),
            Some(Mapped {
                settings: Bucket { place: BucketLocation::Folder(folder), .. }, ..
            }) => Folder::Configured(folder.clone()),
            Some(Mapped { remote, .. }) => {
                let remote = remote.as_ref().ok_or_else(|| unavailable(object, NO_CLIENT))?;
                let (size, body) = remote.open(object).await?;
                return Ok(OpenObject { size, body: ObjectBody::Remote(body) });
            }
        };
        let named = object.clone();
        let open = move || folder.open(&named);
        tokio::task::spawn_blocking(open).await.map_err(CatalogError::internal)?
    }
}

impl Mapped {
    fn new(name: &BucketName, settings: Bucket) -> Self {
        let remote = match &settings.place {
            BucketLocation::Folder(_) => None,
            BucketLocation::Storage(storage) => Remote::new(storage)
                .inspect_err(|error| tracing::error!(bucket = %name, %error, "{NO_CLIENT}"))
                .ok(),
        };
        Self { settings, remote }
    }

    fn is_open_to(&self, tenant: &TenantId) -> bool {
        let listed = self.settings.tenants.as_ref();
        listed.is_none_or(|listed| listed.iter().any(|one| one.as_str() == tenant.root()))
    }
}

/// The reason when a storage has no client.
const NO_CLIENT: &str = "its settings make no client";

/// Refuses a key with an empty part, '.' or '..' between its slashes.
///
/// Some storages would leave the bucket for such a key, or open another object.
fn check_parts(object: &ObjectRef) -> Result<(), CatalogError> {
    let key = &object.key;
    if key.as_str().split('/').any(|part| matches!(part, "" | "." | "..")) {
        let rule = "must have no empty part, '.' or '..' between its slashes";
        return Err(CatalogError::invalid(Field::ObjectKey, format!("{rule}, this is '{key}'")));
    }
    Ok(())
}

fn no_bucket(object: &ObjectRef) -> CatalogError {
    CatalogError::not_found(Noun::Bucket, &object.bucket)
}

fn no_object(object: &ObjectRef) -> CatalogError {
    CatalogError::no_version(Noun::Object, &object.key, &object.bucket)
}

fn unavailable(object: &ObjectRef, reason: &'static str) -> CatalogError {
    CatalogError::BucketUnavailable { bucket: object.bucket.to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_no_empty_or_dot_parts() {
        for good in ["a", "a/b.zip", "...", "a..b/..c", "a\\..\\b", "%2e%2e/x", "‥/x"] {
            assert!(check_parts(&ObjectRef::parse("b", good).unwrap()).is_ok(), "{good}");
        }
        for bad in ["/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/../b", "../a"] {
            let refused = check_parts(&ObjectRef::parse("b", bad).unwrap()).unwrap_err();
            let CatalogError::InvalidValue { field: Field::ObjectKey, reason } = refused else {
                panic!("{bad}: {refused}");
            };
            assert!(reason.ends_with(&format!("this is '{bad}'")), "{reason}");
        }
    }

    #[test]
    fn a_list_of_tenants_includes_their_subtenants() {
        let place = BucketLocation::Folder(PathBuf::new());
        let tenants = Some([TenantId::parse("a").unwrap()].into());
        let mapped = Mapped { settings: Bucket { place, tenants }, remote: None };
        for (tenant, may) in [("a", true), ("a@product", true), ("b", false), ("b@a", false)] {
            assert_eq!(mapped.is_open_to(&TenantId::parse(tenant).unwrap()), may, "{tenant}");
        }
    }
}
