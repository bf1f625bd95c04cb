//! Parameters in, records out (ctyun.md sections 2, 4, 5 and 7).

use axum::http::HeaderMap;
use jiff::tz::Offset;
use serde::Serialize;
use serde_json::Value;

use super::errors::ApiError;
use crate::app::App;
use crate::dialects::upload::Source;
use crate::dialects::{Caller, tenants};
use crate::domain::{
    self, Acl, ArchiveProblem, CatalogError, CloudIds, LayerName, NewLayerVersion, ObjectRef,
    Timestamp, VersionNumber,
};
use crate::ingest::json::UploadJson;

/// The service's own bucket: answers name it, and so does a reference without a bucket.
const BUCKET: &str = "faas-local";

/// Characters of a name that is only looked for (ctyun.md section 7).
const NAME_MAX: usize = 128;

const DESCRIPTION_MAX: usize = 512;

const RUNTIMES_MAX: usize = 32;

/// What the request's region and the caller put into identifiers.
pub(super) struct Place {
    region: String,
    /// The number in records and object names.
    tenant: u64,
    /// The 32 hexadecimal digits in a `ctrn`; another account than the number.
    account: String,
}

impl Place {
    /// Reads the header `regionId`, which every operation must have.
    pub(super) fn of(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<Self, ApiError> {
        let refuse = |reason| ApiError::invalid("regionId", reason);
        let sent = headers.get("regionid").filter(|region| !region.is_empty());
        let sent = sent.ok_or_else(|| refuse("the header is required"))?;
        let region = std::str::from_utf8(sent.as_bytes());
        let region = region.map_err(|_| refuse("the header must be UTF-8"))?.to_owned();
        let tenant = caller.tenant();
        let CloudIds { ctyun_tenant: number, ctyun_account: account, .. } = app.cloud_ids(tenant);
        Ok(Self {
            region,
            // Nine digits: the Go client reads the number into 32 bits with a sign.
            tenant: number.unwrap_or_else(|| tenants::decimal(tenant, "ctyun tenant", 9)),
            account: account.unwrap_or_else(|| tenants::hexadecimal(tenant, "ctyun account")),
        })
    }
}

/// The wrapper around every success.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<T> {
    status_code: u16,
    error: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_obj: Option<T>,
}

impl<T> Envelope<T> {
    pub(super) fn with(value: T) -> Self {
        Self { status_code: 0, error: "CF_0", message: "", return_obj: Some(value) }
    }
}

impl Envelope<()> {
    /// The wrapper of an operation that returns nothing; it has no `returnObj`.
    pub(super) fn empty() -> Self {
        Self { return_obj: None, ..Self::with(()) }
    }
}

/// The record of every layer operation; the list is the seed operation (ctyun.md section 2.2).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LayerVersion {
    layer_name: String,
    acl: u8,
    region: String,
    version: u64,
    description: String,
    compatible_runtime: Vec<String>,
    ctrn: String,
    code: Code,
    code_size: u64,
    #[serde(rename = "codesize")]
    code_size_again: u64,
    code_checksum: String,
    create_time: String,
    build_status: bool,
    tenant_id: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    oss_bucket_name: String,
    oss_object_name: String,
    snapshot_oss_object_name: &'static str,
}

impl LayerVersion {
    pub(super) fn new(version: domain::LayerVersion, place: &Place) -> Self {
        let Place { region, tenant, account } = place;
        let (layer, number, size) = (version.layer, version.number, version.code.size);
        Self {
            acl: match layer.acl {
                Acl::Private => 0,
                Acl::Public => 1,
            },
            region: region.clone(),
            version: number.get(),
            description: version.description,
            compatible_runtime: version.runtimes,
            ctrn: format!("ctrn:cf:{region}:{account}:layers/{}/versions/{number}", layer.name),
            code: Code {
                oss_bucket_name: BUCKET.to_owned(),
                oss_object_name: format!("layer/{tenant}/{}", version.uid),
                snapshot_oss_object_name: "",
            },
            code_size: size,
            code_size_again: size,
            code_checksum: format!("\"{}\"", hex::encode(version.code.digests.md5)),
            create_time: time(version.created),
            // A version is listed only when its code is checked and stored.
            build_status: true,
            tenant_id: *tenant,
            layer_name: layer.name.to_string(),
        }
    }

    /// Names the object that the code was copied from, as the vendor's example of the creation does
    /// (ctyun.md section 3).
    pub(super) fn copied_from(mut self, object: Option<ObjectRef>) -> Self {
        if let Some(ObjectRef { bucket, key }) = object {
            self.code.oss_bucket_name = bucket.to_string();
            self.code.oss_object_name = key.to_string();
        }
        self
    }
}

/// Spells a time at UTC+8 with as many digits of the second as it needs (ctyun.md section 5).
fn time(time: Timestamp) -> String {
    time.display_with_offset(Offset::constant(8)).to_string()
}

/// Reads the name of a layer that may be there.
pub(super) fn read_name(text: &str) -> Result<LayerName, ApiError> {
    let length = text.chars().count();
    if length > NAME_MAX {
        return Err(too_long("layerName", NAME_MAX, length));
    }
    LayerName::parse(text).map_err(|error| match error {
        CatalogError::InvalidValue { reason, .. } => ApiError::invalid("layerName", reason),
        other => other.into(),
    })
}

/// Reads the name of a layer that may have to be made.
pub(super) fn read_new_name(text: &str) -> Result<LayerName, ApiError> {
    let (mut bytes, length) = (text.bytes(), text.chars().count());
    if length > 64 {
        return Err(too_long("layerName", 64, length));
    }
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        return read_name(text);
    }
    let reason = "must start with a letter and go on with letters, digits, '_' and '-'";
    Err(ApiError::invalid("layerName", reason))
}

/// Reads the version number in a path.
pub(super) fn read_number(text: &str) -> Result<VersionNumber, ApiError> {
    VersionNumber::parse(text).ok_or_else(|| {
        let reason = format!("must be a whole number from 1 to {}, this is '{text}'", i64::MAX);
        ApiError::invalid("version", reason)
    })
}

/// A version to be created.
pub(super) struct CreateLayerVersion {
    pub(super) new: NewLayerVersion,
    pub(super) source: Source,
}

impl CreateLayerVersion {
    /// Reads the body's fields; unknown ones are ignored.
    pub(super) fn parse(upload: UploadJson) -> Result<Self, ApiError> {
        let UploadJson { fields, staging, .. } = upload;
        if !fields.is_object() {
            return Err(ApiError::invalid("body", "must be a JSON object"));
        }
        let runtimes = read_runtimes(&fields)?;
        let description = text(&fields, "description", "description")?.unwrap_or_default();
        let length = description.chars().count();
        if length > DESCRIPTION_MAX {
            return Err(too_long("description", DESCRIPTION_MAX, length));
        }
        let description = description.to_owned();
        let source = match staging {
            // The zip wins over a reference to an object (ctyun.md section 3).
            Some(staging) => Source::Inline(Box::new(staging)),
            None => Source::Object(read_object(&fields)?),
        };
        Ok(Self { new: NewLayerVersion { description, runtimes, ..Default::default() }, source })
    }
}

/// Returns a member of an object; null counts as absent.
fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Returns a text; `parameter` is what a refusal calls it.
fn text<'v>(object: &'v Value, name: &str, parameter: &str) -> Result<Option<&'v str>, ApiError> {
    let text = |value: &'v Value| {
        value.as_str().ok_or_else(|| ApiError::invalid(parameter, "must be a string"))
    };
    member(object, name).map(text).transpose()
}

/// Unknown runtimes are taken so that new ones work; the order stays (ctyun.md section 7).
fn read_runtimes(fields: &Value) -> Result<Vec<String>, ApiError> {
    let refuse = |reason: &str| ApiError::invalid("compatibleRuntime", reason);
    let sent = member(fields, "compatibleRuntime").ok_or_else(|| refuse("is required"))?;
    let texts = sent
        .as_array()
        .and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<&str>>>())
        .ok_or_else(|| refuse("must be an array of strings"))?;
    if !(1..=RUNTIMES_MAX).contains(&texts.len()) {
        let count = texts.len();
        return Err(refuse(&format!("must have 1 to {RUNTIMES_MAX} items, this has {count}")));
    }
    match texts.iter().find(|name| !is_runtime(name)) {
        Some(bad) => Err(refuse(&format!(
            "'{bad}' must be a letter and at most 63 letters, digits, '.', '+', '_' and '-'"
        ))),
        None => Ok(texts.into_iter().map(str::to_owned).collect()),
    }
}

fn is_runtime(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b".+_-".contains(&byte);
    name.len() <= 64
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && name.bytes().all(inner)
}

/// Reads the reference in `code`, which has no zip.
fn read_object(fields: &Value) -> Result<ObjectRef, ApiError> {
    let code = member(fields, "code").ok_or_else(|| ApiError::invalid("code", "is required"))?;
    if !code.is_object() {
        return Err(ApiError::invalid("code", "must be an object"));
    }
    text(code, "zipFile", "code.zipFile")?;
    let bucket = text(code, "ossBucketName", "code.ossBucketName")?;
    let object = text(code, "ossObjectName", "code.ossObjectName")?;
    let Some(object) = object.filter(|object| !object.is_empty()) else {
        return Err(CatalogError::from(ArchiveProblem::Missing).into());
    };
    let bucket = bucket.filter(|bucket| !bucket.is_empty()).unwrap_or(BUCKET);
    Ok(ObjectRef::parse(bucket, object)?)
}

fn too_long(parameter: &str, limit: usize, length: usize) -> ApiError {
    let reason = format!("must be at most {limit} characters long, this is {length}");
    ApiError::invalid(parameter, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_at_utc_plus_8_with_the_digits_they_need() {
        for (microsecond, text) in [
            (1_763_713_205_120_345, "2025-11-21T16:20:05.120345+08:00"),
            (1_763_713_205_120_000, "2025-11-21T16:20:05.12+08:00"),
            (1_763_713_205_000_000, "2025-11-21T16:20:05+08:00"),
            (1_767_225_600_000_001, "2026-01-01T08:00:00.000001+08:00"),
        ] {
            assert_eq!(time(Timestamp::from_microsecond(microsecond).unwrap()), text);
        }
    }
}
