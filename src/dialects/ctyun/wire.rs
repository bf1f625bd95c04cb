//! Parameters in, records out (ctyun.md sections 2, 4, 5 and 7).

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::tz::Offset;
use serde::Serialize;

use super::errors::ApiError;
use super::{ACCOUNT, TENANT};
use crate::app::App;
use crate::dialects::json_fields::{Fields, KeyCase};
use crate::dialects::json_writer::JsonObject;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::stream::Frame;
use crate::dialects::{answer, tenants};
use crate::domain::{
    self, Acl, ArchiveProblem, Caller, CatalogError, CodeSource, LayerName, NewLayerVersion,
    ObjectRef, Stamp, Timestamp, VersionNumber,
};
use crate::ingest::Staging;
use crate::ingest::json::UploadJson;

/// The service's own bucket, in answers; a reference without a bucket means it.
const BUCKET: &str = "faas-local";

/// The names of new layers.
const NEW_NAME: NameRule = NameRule { max: 64, first: Edge::Letter, inner: b"_-", last: Edge::Any };

const RUNTIME: NameRule = NameRule { inner: b".+_-", ..NEW_NAME };

const RUNTIMES_MAX: usize = 32;

/// The request's region and the caller's ids, as identifiers contain them.
pub(super) struct Place {
    region: String,
    /// The number in records and object names.
    tenant: u64,
    /// The 32 hexadecimal digits in a `ctrn`; another account than the number.
    account: String,
}

impl Place {
    /// Reads the header `regionId`, which every operation must have.
    pub(super) fn of(
        app: &App,
        stamp: &Stamp,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let refuse = |reason| ApiError::invalid("regionId", reason);
        let sent = headers.get("regionid").filter(|region| !region.is_empty());
        let sent = sent.ok_or_else(|| refuse("the header is required"))?;
        let region = std::str::from_utf8(sent.as_bytes());
        let region = region.map_err(|_| refuse("the header must be UTF-8"))?.to_owned();
        let tenant = caller.tenant();
        let ids = app.cloud_ids(stamp, tenant);
        let number = ids.get(TENANT.name).and_then(|number| number.parse().ok());
        let account = ids.get(ACCOUNT.name).map(str::to_owned);
        Ok(Self {
            region,
            // Nine digits: the Go client reads the number into 32 bits with a sign.
            tenant: number.unwrap_or_else(|| tenants::decimal(tenant, "ctyun tenant", 9)),
            account: account.unwrap_or_else(|| tenants::hexadecimal(tenant, "ctyun account")),
        })
    }
}

/// Writes the members that every success has.
fn write_success(object: &mut JsonObject<'_>) {
    object.number("statusCode", 0);
    object.text("error", "CF_0");
    object.text("message", "");
}

/// Answers a success, with `returnObj` if there is a record.
pub(super) fn success(record: Option<&LayerVersion>) -> Response {
    let mut text = Vec::new();
    let mut object = JsonObject::begin(&mut text);
    write_success(&mut object);
    if let Some(record) = record {
        object.value("returnObj", record);
    }
    object.end();
    answer::written(StatusCode::OK, text)
}

/// Returns a success around the rows of a list.
pub(super) fn success_list() -> Frame {
    Frame::object(|object| {
        write_success(object);
        object.rows("returnObj")
    })
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
            // Code is checked and stored before its version is listed.
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

/// Reads the name of a layer that may exist, up to 128 characters (ctyun.md section 7).
pub(super) fn read_name(text: &str) -> Result<LayerName, ApiError> {
    check_length("layerName", text, 128)?;
    Ok(LayerName::parse(text)?)
}

/// Reads the name of a layer that may have to be created.
pub(super) fn read_new_name(text: &str) -> Result<LayerName, ApiError> {
    check_length("layerName", text, NEW_NAME.max)?;
    if !NEW_NAME.allows(text) {
        let reason = "must start with a letter and go on with letters, digits, '_' and '-'";
        return Err(ApiError::invalid("layerName", reason));
    }
    Ok(LayerName::parse(text)?)
}

/// Reads the version number in a path.
pub(super) fn read_number(text: &str) -> Result<VersionNumber, ApiError> {
    VersionNumber::parse(text).ok_or_else(|| {
        let reason = format!("must be a whole number from 1 to {}, this is '{text}'", i64::MAX);
        ApiError::invalid("version", reason)
    })
}

/// Reads the body of a creation; unknown fields are ignored.
pub(super) fn read_version(
    upload: UploadJson,
) -> Result<(NewLayerVersion, CodeSource<Staging>), ApiError> {
    let fields = Fields::of(&upload.fields, KeyCase::Exact)
        .ok_or_else(|| ApiError::invalid("body", "must be a JSON object"))?;
    let runtimes = read_runtimes(&fields)?;
    let description = fields.text("description")?.unwrap_or_default().to_owned();
    check_length("description", &description, 512)?;
    let source = match upload.staging {
        // The zip wins over a reference to an object (ctyun.md section 3).
        Some(staging) => CodeSource::Archive(staging),
        None => CodeSource::Object(read_object(&fields)?),
    };
    Ok((NewLayerVersion { description, runtimes, ..Default::default() }, source))
}

/// Reads the runtimes in their order; unknown ones are accepted: new ones must work (ctyun.md
/// section 7).
fn read_runtimes(fields: &Fields<'_>) -> Result<Vec<String>, ApiError> {
    let refuse = |reason: &str| ApiError::invalid("compatibleRuntime", reason);
    let texts = fields.texts("compatibleRuntime")?.ok_or_else(|| refuse("is required"))?;
    if !(1..=RUNTIMES_MAX).contains(&texts.len()) {
        let count = texts.len();
        return Err(refuse(&format!("must have 1 to {RUNTIMES_MAX} items, this has {count}")));
    }
    if let Some(bad) = texts.iter().find(|name| !RUNTIME.allows(name)) {
        let rule = "must be a letter and at most 63 letters, digits, '.', '+', '_' and '-'";
        return Err(refuse(&format!("'{bad}' {rule}")));
    }
    Ok(texts.into_iter().map(str::to_owned).collect())
}

/// Reads the reference in a `code` that has no zip.
fn read_object(fields: &Fields<'_>) -> Result<ObjectRef, ApiError> {
    let code = fields.object("code")?;
    let code = code.ok_or_else(|| ApiError::invalid("code", "is required"))?;
    code.text("zipFile")?;
    let bucket = code.text("ossBucketName")?.filter(|bucket| !bucket.is_empty());
    let object = code.text("ossObjectName")?.filter(|object| !object.is_empty());
    let object = object.ok_or_else(|| CatalogError::from(ArchiveProblem::Missing))?;
    Ok(ObjectRef::parse(bucket.unwrap_or(BUCKET), object)?)
}

fn check_length(parameter: &str, text: &str, limit: usize) -> Result<(), ApiError> {
    let length = text.chars().count();
    if length > limit {
        let reason = format!("must be at most {limit} characters long, this is {length}");
        return Err(ApiError::invalid(parameter, reason));
    }
    Ok(())
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
