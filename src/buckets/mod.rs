//! The bucket map: where the code lies that a request names and does not send.
//!
//! Knows folders and storages, and what of them the settings map to which name. Must not know what
//! an object holds, who may publish it, nor the catalog.

mod local;
mod remote;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use crate::config::{Bucket, BucketLocation, Config};
use crate::domain::{BucketName, CatalogError, Noun, ObjectRef, TenantId};
use local::Folder;
use remote::Remote;
pub use remote::RemoteBody;

/// All buckets that are not in the inbox; one for the whole server.
pub struct Buckets {
    /// Where the folder of a bucket is looked for that no setting maps.
    folder: PathBuf,
    mapped: BTreeMap<BucketName, Mapped>,
}

/// A bucket of the settings.
struct Mapped {
    settings: Bucket,
    /// The client of its storage, if it has one and it can be made.
    remote: Option<Remote>,
}

/// An object that is ready to be copied.
pub struct OpenObject {
    /// Bytes, as the storage tells before any of them is read.
    pub size: u64,
    /// The bytes.
    pub body: ObjectBody,
}

/// Where the bytes of an object come from.
pub enum ObjectBody {
    /// A file of this machine, from its start; reading it is for a blocking thread.
    File(File),
    /// What a storage sends.
    Remote(RemoteBody),
}

impl Buckets {
    /// Makes the map of the settings, and a client for each storage; nothing is asked yet.
    pub fn new(config: &Config) -> Self {
        let buckets = config.buckets.iter();
        let mapped =
            buckets.map(|(name, settings)| (name.clone(), Mapped::new(name, settings.clone())));
        Self { folder: config.data.join("buckets"), mapped: mapped.collect() }
    }

    /// Finds an object for a tenant.
    ///
    /// `NotFound` of a `Bucket` that is not there or not the tenant's to read, and of an `Object`;
    /// `InvalidValue` for a key that could be a way out of the bucket; `BucketUnavailable` when its storage does not answer as it should.
    pub async fn open(
        &self,
        object: &ObjectRef,
        tenant: &TenantId,
    ) -> Result<OpenObject, CatalogError> {
        let folder = match self.mapped.get(&object.bucket) {
            None => Folder::Below(self.folder.clone()),
            // Whose it is not, does not learn that it is there.
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

/// Why nothing is asked of a storage.
const NO_CLIENT: &str = "its settings make no client";

/// Refuses a key whose parts between slashes are no names: some storages would take them for a way
/// out, or for another object.
fn check_parts(object: &ObjectRef) -> Result<(), CatalogError> {
    let key = &object.key;
    if key.as_str().split('/').any(|part| matches!(part, "" | "." | "..")) {
        let rule = "must have no empty part, '.' or '..' between its slashes";
        return Err(CatalogError::invalid("object", format!("{rule}, this is '{key}'")));
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
    fn a_key_has_names_between_its_slashes() {
        for good in ["a", "a/b.zip", "...", "a..b/..c", "a\\..\\b", "%2e%2e/x", "‥/x"] {
            assert!(check_parts(&ObjectRef::parse("b", good).unwrap()).is_ok(), "{good}");
        }
        for bad in ["/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/../b", "../a"] {
            let refused = check_parts(&ObjectRef::parse("b", bad).unwrap()).unwrap_err();
            let CatalogError::InvalidValue { field: "object", reason } = refused else {
                panic!("{bad}: {refused}");
            };
            assert!(reason.ends_with(&format!("this is '{bad}'")), "{reason}");
        }
    }

    #[test]
    fn a_list_of_tenants_is_about_whole_tenants() {
        let place = BucketLocation::Folder(PathBuf::new());
        let tenants = Some([TenantId::parse("a").unwrap()].into());
        let mapped = Mapped { settings: Bucket { place, tenants }, remote: None };
        for (tenant, may) in [("a", true), ("a@product", true), ("b", false), ("b@a", false)] {
            assert_eq!(mapped.is_open_to(&TenantId::parse(tenant).unwrap()), may, "{tenant}");
        }
    }
}
