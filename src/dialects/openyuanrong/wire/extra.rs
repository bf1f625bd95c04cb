//! What only this cloud knows about a function; kept with it and echoed here alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::input::Fields;
use super::names::{FAAS, spell};
use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::{Artifact, CatalogError, FunctionConfig, FunctionVersion};

/// The key of these fields in a function's configuration.
const KEY: &str = "openyuanrong";

/// The smallest `cpu` that may be given, for functions that other clouds made, in milli-cores.
const CPU_DEFAULT: i64 = 300;

/// The storage type of functions whose code is an object in a bucket.
pub(crate) const S3: &str = "s3";

/// How many instances a function may have, and what one of them takes at once.
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

/// The fields beside those that every cloud knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extra {
    /// As it was registered: `0@svc@fn`, `0-svc-fn` or `fn`.
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) cpu: i64,
    pub(crate) instances: Instances,
    pub(crate) storage_type: String,
    pub(crate) code_path: String,
    pub(crate) bucket_id: String,
    pub(crate) object_id: String,
    /// As it was stated for an object of a bucket.
    pub(crate) code_checksum: String,
    /// SHA-256, in hexadecimal, of what was copied from there; empty when nothing was.
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
    /// Returns a function's own fields, or what stands for them when another cloud made it.
    pub(crate) fn of(state: &FunctionVersion) -> Self {
        let own = state.config.extra.get(KEY);
        own.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| Self {
            name: spell(&state.function.key),
            kind: FAAS.to_owned(),
            cpu: CPU_DEFAULT,
            storage_type: "local".to_owned(),
            code_path: state.code.map(|code| code_path(&code.digests.sha256)).unwrap_or_default(),
            ..Self::default()
        })
    }

    /// Puts the fields into a configuration.
    pub(crate) fn write_to(&self, config: &mut FunctionConfig) -> Result<(), CatalogError> {
        let text = serde_json::to_string(self).map_err(CatalogError::internal)?;
        config.extra.insert(KEY.to_owned(), text);
        Ok(())
    }

    /// Notes what was copied from the bucket, if anything was.
    pub(crate) fn note_copy(&mut self, code: Option<&Artifact>) {
        self.copied = code.map(|code| hex::encode(code.digests.sha256)).unwrap_or_default();
    }

    /// Whether code is what was copied from the bucket, and nothing that came since.
    pub(crate) fn is_copy(&self, code: &Artifact) -> bool {
        self.copied == hex::encode(code.digests.sha256)
    }

    /// Forgets the object of a bucket.
    pub(crate) fn leave_bucket(&mut self) {
        self.copied.clear();
        self.bucket_id.clear();
        self.object_id.clear();
        self.code_checksum.clear();
    }
}

/// Where a content is in our own code folder, from the data folder on.
fn code_path(sha256: &[u8; 32]) -> String {
    let name = hex::encode(sha256);
    format!("code/{}/{name}.zip", &name[..2])
}

/// An accelerator; in answers only what is not zero.
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
    pub(crate) fn parse(fields: Option<Fields>) -> Result<Self, ApiError> {
        let mut fields = fields.unwrap_or_default();
        Ok(Self {
            model: fields.text("model")?,
            hbm: fields.integer("hbm")?,
            kind: fields.text("type")?,
            count: fields.integer("count")?,
            latency: fields.integer("latency")?,
            stream: fields.integer("stream")?,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
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
    pub(crate) fn parse(fields: Option<Fields>) -> Result<Self, ApiError> {
        let mut fields = fields.unwrap_or_default();
        let mut storage = fields.object("storageInfo")?.unwrap_or_default();
        Ok(Self {
            runtime: fields.text("runtime")?,
            kind: fields.text("type")?,
            imageurl: fields.text("imageurl")?,
            user: fields.text("user")?,
            ports: fields.list("ports")?,
            path: fields.text("path")?,
            readonly: fields.switch("readonly")?,
            storage_info: StorageInfo {
                endpoint: storage.text("endpoint")?,
                bucket: storage.text("bucket")?,
                object: storage.text("object")?,
                access_key: storage.text("accessKey")?,
                secret_key: storage.text("secretKey")?,
            },
            mountpoint: fields.text("mountpoint")?,
            mounts: fields.list("mounts")?,
        })
    }
}
