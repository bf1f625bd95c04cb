//! The bucket map: where the code lies that a request names and does not send.
//!
//! Knows folders and storages, and what of them the settings map to which name. Must not know what
//! an object holds, who may publish it, nor the catalog.

mod local;

use std::fs::File;
use std::path::PathBuf;

use crate::config::Config;
use crate::domain::{CatalogError, Noun, ObjectRef, TenantId};
use local::Folder;

/// All buckets that are not in the inbox; one for the whole server.
pub struct Buckets {
    /// Where the folder of a bucket is looked for that no setting maps.
    folder: PathBuf,
}

/// An object that is ready to be copied.
pub struct Object {
    /// Bytes, as the storage tells before any of them is read.
    pub size: u64,
    /// The bytes.
    pub body: ObjectBody,
}

/// Where the bytes of an object come from.
pub enum ObjectBody {
    /// A file of this machine, from its start; reading it is for a blocking thread.
    File(File),
}

impl Buckets {
    /// Makes the map of the settings.
    pub fn new(config: &Config) -> Self {
        Self { folder: config.data.join("buckets") }
    }

    /// Finds an object of at most `limit` bytes for a tenant.
    ///
    /// `NotFound` of a `Bucket` that is not there or not the tenant's to read, and of an `Object`;
    /// `InvalidValue` for a key that could be a way out of the bucket; `LimitExceeded` of
    /// `CodeSize`; `BucketUnavailable` when its storage does not answer as it should.
    pub async fn open(
        &self,
        object: &ObjectRef,
        _tenant: &TenantId,
        limit: u64,
    ) -> Result<Object, CatalogError> {
        let folder = Folder::below(self.folder.clone());
        let named = object.clone();
        let open = move || folder.open(&named, limit);
        tokio::task::spawn_blocking(open).await.map_err(CatalogError::internal)?
    }
}

/// Refuses a key whose parts between slashes are no names: some storages would take them for a way
/// out, or for another object.
fn check_parts(object: &ObjectRef) -> Result<(), CatalogError> {
    match object.key.as_str().split('/').all(|part| !matches!(part, "" | "." | "..")) {
        true => Ok(()),
        false => {
            let key = &object.key;
            let rule = "must have no empty part, '.' or '..' between its slashes";
            Err(CatalogError::invalid("object", format!("{rule}, this is '{key}'")))
        }
    }
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

/// Refuses what is larger than the limit, before any of it is copied.
fn check_size(size: u64, limit: u64) -> Result<(), CatalogError> {
    let what = crate::domain::Limit::CodeSize;
    match size > limit {
        true => Err(CatalogError::LimitExceeded { what, limit, actual: size }),
        false => Ok(()),
    }
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
}
