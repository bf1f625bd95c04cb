//! What only this cloud knows of a function: stored with the function, shown by this cloud alone.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

use super::input;
use super::names::{FAAS, spell};
use crate::dialects::json_fields::{Fields, WrongType};
use crate::domain::{Artifact, CatalogError, FunctionKey, FunctionVersion, ObjectRef};

/// The key of these fields in a function's configuration.
const KEY: &str = "openyuanrong";

/// The storage type of functions whose code is an object in a bucket.
pub(crate) const S3: &str = "s3";

/// The least and the most instances of a function, and the requests that one takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instances {
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) concurrent: i64,
}

impl Default for Instances {
    fn default() -> Self {
        Self { min: 0, max: 100, concurrent: 100 }
    }
}

/// The form in which the fields are stored; fields without a version have this form too.
const VERSION: u64 = 1;

fn write_version<S: Serializer>(_: &(), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(VERSION)
}

fn read_version<'d, D: Deserializer<'d>>(deserializer: D) -> Result<(), D::Error> {
    match u64::deserialize(deserializer)? {
        VERSION => Ok(()),
        other => Err(D::Error::custom(format!("unknown version {other}"))),
    }
}

/// The fields beside those that every cloud knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extra {
    #[serde(serialize_with = "write_version", deserialize_with = "read_version")]
    version: (),
    /// The name as it was registered: `0@svc@fn`, `0-svc-fn` or `fn`.
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) cpu: i64,
    pub(crate) instances: Instances,
    pub(crate) storage_type: String,
    pub(crate) code_path: String,
    pub(crate) bucket_id: String,
    pub(crate) object_id: String,
    /// The SHA-512 that the client stated for an object of a bucket.
    pub(crate) code_checksum: String,
    /// SHA-256, in hexadecimal, of the object that was copied; empty when none was.
    pub(crate) copied: String,
    pub(crate) custom_resources: Option<BTreeMap<String, Number>>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) device: Device,
    pub(crate) enable_metrics: bool,
    pub(crate) rootfs: Rootfs,
    pub(crate) sandbox_type: String,
    pub(crate) priority_az: String,
}

impl Extra {
    /// Reads the fields of a function; a function of another cloud has defaults.
    ///
    /// Fails with `Internal` when they cannot be read: the next update would store defaults in
    /// their place.
    pub(crate) fn of(state: &FunctionVersion) -> Result<Self, CatalogError> {
        let key = &state.function.key;
        if let Some(text) = state.config.extra.get(KEY) {
            return Self::parse(text, key);
        }
        let code = state.code.map(|code| hex::encode(code.digests.sha256));
        // In our own code folder, relative to the data folder.
        let code_path = code.map(|name| format!("code/{}/{name}.zip", &name[..2]));
        Ok(Self {
            name: spell(key),
            kind: FAAS.to_owned(),
            // Milli-cores: the least that a client may state.
            cpu: 300,
            storage_type: "local".to_owned(),
            code_path: code_path.unwrap_or_default(),
            ..Self::default()
        })
    }

    fn parse(text: &str, key: &FunctionKey) -> Result<Self, CatalogError> {
        serde_json::from_str(text).map_err(|error| {
            let (tenant, name) = (&key.tenant, spell(key));
            let what = format!("the settings of the function {name} of the tenant {tenant}");
            CatalogError::internal(format!("{what} for {KEY} cannot be read: {error}"))
        })
    }

    /// Returns the entry that holds the fields in the `extra` of a configuration.
    pub(crate) fn entry(&self) -> Result<(String, String), CatalogError> {
        Ok((KEY.to_owned(), serde_json::to_string(self).map_err(CatalogError::internal)?))
    }

    /// Adds what an update leaves as it is: name, kind and tags, and what the update leaves empty
    /// (openyuanrong.md section 1.3).
    pub(crate) fn replacing(self, old: Self) -> Self {
        let or_old = |new: String, old| if new.is_empty() { old } else { new };
        Self {
            name: old.name,
            kind: old.kind,
            tags: old.tags,
            cpu: if self.cpu == 0 { old.cpu } else { self.cpu },
            custom_resources: self.custom_resources.or(old.custom_resources),
            sandbox_type: or_old(self.sandbox_type, old.sandbox_type),
            priority_az: or_old(self.priority_az, old.priority_az),
            ..self
        }
    }

    /// Whether the fields name an object of a bucket.
    pub(crate) fn has_object(&self) -> bool {
        !self.bucket_id.is_empty() || !self.object_id.is_empty()
    }

    /// Returns the object that holds the code; `None` for names that no object here can have.
    pub(crate) fn object(&self) -> Option<ObjectRef> {
        let object = || ObjectRef::parse(&*self.bucket_id, &*self.object_id).ok();
        if self.storage_type == S3 { object() } else { None }
    }

    /// Records the copy of the object; `None` when nothing was copied.
    pub(crate) fn note_copy(&mut self, code: Option<&Artifact>) {
        self.copied = code.map(|code| hex::encode(code.digests.sha256)).unwrap_or_default();
    }

    /// Whether code is the copy of the object, and not newer code.
    pub(crate) fn is_copy(&self, code: &Artifact) -> bool {
        self.copied == hex::encode(code.digests.sha256)
    }

    /// Whether a function's code is the copy of the object that the function names.
    pub(crate) fn has_copy(state: &FunctionVersion) -> Result<bool, CatalogError> {
        let Some(code) = &state.code else { return Ok(false) };
        Ok(Self::of(state)?.is_copy(code))
    }

    /// Clears all that is stored of the object.
    pub(crate) fn leave_bucket(&mut self) {
        self.copied.clear();
        self.bucket_id.clear();
        self.object_id.clear();
        self.code_checksum.clear();
    }
}

/// An accelerator; answers show only the members that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Device {
    #[serde(skip_serializing_if = "String::is_empty")]
    model: String,
    #[serde(skip_serializing_if = "is_zero")]
    hbm: i64,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "is_zero")]
    count: i64,
    #[serde(skip_serializing_if = "is_zero")]
    latency: i64,
    #[serde(skip_serializing_if = "is_zero")]
    stream: i64,
}

impl Device {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, WrongType> {
        Ok(Self {
            model: input::text(fields, "model")?,
            hbm: input::integer(fields, "hbm")?,
            kind: input::text(fields, "type")?,
            count: input::integer(fields, "count")?,
            latency: input::integer(fields, "latency")?,
            stream: input::integer(fields, "stream")?,
        })
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The file system that a function starts on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rootfs {
    runtime: String,
    #[serde(rename = "type")]
    kind: String,
    imageurl: String,
    user: String,
    ports: Value,
    path: String,
    readonly: bool,
    #[serde(rename = "storageInfo")]
    storage_info: StorageInfo,
    mountpoint: String,
    mounts: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StorageInfo {
    endpoint: String,
    bucket: String,
    object: String,
    access_key: String,
    secret_key: String,
}

impl Rootfs {
    pub(crate) fn parse(fields: &Fields<'_>) -> Result<Self, WrongType> {
        let storage = input::object(fields, "storageInfo")?;
        Ok(Self {
            runtime: input::text(fields, "runtime")?,
            kind: input::text(fields, "type")?,
            imageurl: input::text(fields, "imageurl")?,
            user: input::text(fields, "user")?,
            ports: input::list(fields, "ports")?,
            path: input::text(fields, "path")?,
            readonly: input::boolean(fields, "readonly")?,
            storage_info: StorageInfo {
                endpoint: input::text(&storage, "endpoint")?,
                bucket: input::text(&storage, "bucket")?,
                object: input::text(&storage, "object")?,
                access_key: input::text(&storage, "accessKey")?,
                secret_key: input::text(&storage, "secretKey")?,
            },
            mountpoint: input::text(fields, "mountpoint")?,
            mounts: input::list(fields, "mounts")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FunctionName, Group, TenantId};

    #[test]
    fn fields_of_another_form_are_a_fault_and_no_defaults() {
        let key = FunctionKey {
            tenant: TenantId::default_tenant(),
            group: Group::default_group(),
            name: FunctionName::parse("fn").unwrap(),
        };
        let extra = Extra { name: "fn".to_owned(), cpu: 600, ..Extra::default() };
        let text = serde_json::to_string(&extra).unwrap();
        assert!(text.starts_with(r#"{"version":1,"#), "{text}");
        let without = text.replace(r#""version":1,"#, "");
        for text in [&*text, &without] {
            assert_eq!(Extra::parse(text, &key).unwrap(), extra);
        }
        for bad in [text.replace("\"version\":1", "\"version\":2"), text.replace('}', "")] {
            let CatalogError::Internal { source } = Extra::parse(&bad, &key).unwrap_err() else {
                panic!("{bad} is the server's fault");
            };
            assert!(source.to_string().contains("0@default@fn"), "{source}");
        }
    }
}
