//! Layer versions: the record of the seed operation, and the body that publishes one
//! (alibaba.md sections 1.5, 2.1 and 2.2).

use std::ops::RangeInclusive;

use jiff::fmt::temporal::DateTimePrinter;

use super::{Fields, Generation, Renderer};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::json_writer::JsonObject;
use crate::dialects::upload::{Code, Source};
use crate::domain::{
    Acl, BucketName, CatalogError, LayerVersion, LayerVersionRow, NewLayerVersion, ObjectKey,
    ObjectRef, Timestamp,
};
use crate::ingest::Staged;
use crate::ingest::json::UploadJson;

/// Characters of a description.
const DESCRIPTION_MAX: usize = 256;

/// Characters of a license; the documents name no limit, and lists must have an end.
const LICENSE_MAX: usize = 1024;

/// Runtimes of a layer; the documents name no limit here either.
const RUNTIMES_MAX: usize = 64;

/// Characters of one runtime.
const RUNTIME_LENGTH_MAX: usize = 64;

/// Characters of a bucket's name (alibaba.md section 7).
const BUCKET_LENGTHS: RangeInclusive<usize> = 3..=63;

/// Bytes that an item of a list usually takes at most.
const ITEM_USUAL: usize = 768;

/// Makes room for a list of `items` at most.
pub(in crate::dialects::alibaba) fn room_for(items: u64) -> Vec<u8> {
    Vec::with_capacity(usize::try_from(items).unwrap_or_default().saturating_mul(ITEM_USUAL))
}

/// Writes an item of a list; what a generation lacks is left out.
pub(in crate::dialects::alibaba) fn write_item(
    layer: JsonObject<'_>,
    renderer: &Renderer<'_>,
    row: &LayerVersionRow<'_>,
) {
    write(layer, renderer, row, false);
}

/// Writes a version that a list or an answer has whole.
pub(in crate::dialects::alibaba) fn write_version(
    layer: JsonObject<'_>,
    renderer: &Renderer<'_>,
    version: &LayerVersion,
    is_alone: bool,
) {
    // Texts can always be written.
    let runtimes = serde_json::to_string(&version.runtimes).unwrap_or_default();
    write(layer, renderer, &version.row(&runtimes), is_alone);
}

fn write(
    mut layer: JsonObject<'_>,
    renderer: &Renderer<'_>,
    row: &LayerVersionRow<'_>,
    is_alone: bool,
) {
    let Renderer { generation, links, region, account, account_hash } = renderer;
    let is_third = *generation == Generation::Third;
    let (name, version) = (row.name, row.number.to_string());
    layer.text("layerName", name);
    layer.json("version", &version);
    layer.text("description", row.description);
    let mut code = layer.object("code");
    code.text("repositoryType", "OSS");
    code.plain("location", |out| links.write(out, row.sha256, &[name, "_", &version, ".zip"]));
    code.end();
    layer.number("codeSize", row.size);
    if is_alone && !is_third {
        // The one spelling that the model of 2021 reads after a publication.
        layer.number("codesize", row.size);
    }
    layer.digits("codeChecksum", row.crc64);
    layer.plain("createTime", |out| write_seconds(out, row.created));
    let acl = match row.acl {
        Acl::Private => "0",
        Acl::Public => "1",
    };
    match is_third {
        true => layer.text("acl", acl),
        // A number until 2021.
        false => layer.json("acl", acl),
    }
    layer.json("compatibleRuntime", row.runtimes);
    if !is_third {
        // `{hash of the account}#{layer}#{version}`
        layer.joined("arn", &[account_hash, "#", name, "#", &version]);
    }
    let second_key = match generation {
        Generation::First => None,
        Generation::Second => Some("arnV2"),
        Generation::Third => Some("layerVersionArn"),
    };
    if let Some(key) = second_key {
        // `acs:fc:{region}:{account}:layers/{layer}/versions/{version}`
        let parts = ["acs:fc:", region, ":", account, ":layers/", name, "/versions/", &version];
        layer.joined(key, &parts);
    }
    if is_third || !row.license.is_empty() {
        layer.text("license", row.license);
    }
    layer.end();
}

/// `YYYY-MM-DDTHH:MM:SSZ` (alibaba.md section 5).
fn write_seconds(out: &mut Vec<u8>, time: Timestamp) {
    let time = Timestamp::from_second(time.as_second()).unwrap_or(time);
    // Memory can always be written.
    let _ = DateTimePrinter::new().print_timestamp(&time, out);
}

/// What a request to publish says of a layer, beside its code.
pub(in crate::dialects::alibaba) struct NewLayer {
    new: NewLayerVersion,
    checksum: Option<u64>,
}

impl NewLayer {
    /// Reads the body of `CreateLayerVersion`.
    pub(in crate::dialects::alibaba) fn parse(
        upload: UploadJson,
    ) -> Result<(Self, Source), ApiError> {
        let fields = Fields::of_body(&upload.fields)?;
        let new = NewLayerVersion {
            description: bounded(&fields, "description", DESCRIPTION_MAX)?,
            license: bounded(&fields, "license", LICENSE_MAX)?,
            runtimes: runtimes(&fields)?,
            tags: None,
        };
        let code_fields = fields.object("code", "code.")?;
        let code_fields = code_fields.ok_or_else(|| ApiError::invalid("code is required"))?;
        let checksum = checksum(&code_fields)?;
        // A zip wins over a reference beside it (alibaba.md section 3.1).
        let source = match upload.staging {
            Some(staging) => Source::Inline(Box::new(staging)),
            None => Source::Object(object(&code_fields)?),
        };
        Ok((Self { new, checksum }, source))
    }

    /// Inspects the code and compares its checksum; nothing is kept before.
    pub(in crate::dialects::alibaba) fn finish(
        self,
        code: Code,
    ) -> Result<(NewLayerVersion, Staged), CatalogError> {
        let staged = code.finish()?;
        let actual = staged.artifact.digests.crc64;
        match self.checksum {
            Some(stated) if stated != actual => Err(CatalogError::ChecksumMismatch {
                algorithm: "CRC-64",
                stated: stated.to_string(),
                actual: actual.to_string(),
            }),
            Some(_) | None => Ok((self.new, staged)),
        }
    }
}

fn bounded(fields: &Fields<'_>, name: &str, max: usize) -> Result<String, ApiError> {
    let text = fields.text(name)?.unwrap_or_default();
    match text.chars().count() {
        length if length > max => Err(ApiError::invalid(format!(
            "{name} has {length} characters, at most {max} are allowed"
        ))),
        _ => Ok(text.to_owned()),
    }
}

/// The shape only: unknown runtimes are taken so that new ones work (alibaba.md section 7).
fn runtimes(fields: &Fields<'_>) -> Result<Vec<String>, ApiError> {
    let runtimes = fields.texts("compatibleRuntime")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let good =
        |name: &String| (1..=RUNTIME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(plain);
    if runtimes.len() > RUNTIMES_MAX {
        return Err(ApiError::invalid(format!(
            "compatibleRuntime has {} items, at most {RUNTIMES_MAX} are allowed",
            runtimes.len()
        )));
    }
    if !runtimes.iter().all(good) {
        return Err(ApiError::invalid(format!(
            "each compatibleRuntime must be 1 to {RUNTIME_LENGTH_MAX} letters, digits, '.', '_' \
             and '-'"
        )));
    }
    Ok(runtimes)
}

fn checksum(code: &Fields<'_>) -> Result<Option<u64>, ApiError> {
    let Some(text) = code.text("checksum")?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.map(Some).ok_or_else(|| {
        ApiError::invalid("code.checksum must be a CRC-64 as an unsigned decimal text")
    })
}

/// Reads where the code is that is not in the body: both names are needed.
fn object(code: &Fields<'_>) -> Result<ObjectRef, ApiError> {
    let named = |name| code.text(name).map(|text| text.filter(|text| !text.is_empty()));
    // What is no zip may be no text either.
    named("zipFile")?;
    let (bucket, key) = match (named("ossBucketName")?, named("ossObjectName")?) {
        (Some(bucket), Some(key)) => (bucket, key),
        (None, None) => {
            return Err(ApiError::invalid(
                "code needs either zipFile or ossBucketName and ossObjectName",
            ));
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(ApiError::invalid(
                "code.ossBucketName and code.ossObjectName are required together",
            ));
        }
    };
    if !BUCKET_LENGTHS.contains(&bucket.len()) {
        let (min, max) = (BUCKET_LENGTHS.start(), BUCKET_LENGTHS.end());
        let length = bucket.len();
        return Err(ApiError::invalid(format!(
            "code.ossBucketName must be {min} to {max} characters long, this is {length}"
        )));
    }
    Ok(ObjectRef {
        bucket: BucketName::parse(bucket).map_err(|refusal| refused("ossBucketName", refusal))?,
        key: ObjectKey::parse(key).map_err(|refusal| refused("ossObjectName", refusal))?,
    })
}

/// Words a refusal; what is wrong with a value is said of the field of `code` that has it.
pub(in crate::dialects::alibaba) fn refused(name: &str, refusal: CatalogError) -> ApiError {
    match refusal {
        CatalogError::InvalidValue { reason, .. } => {
            ApiError::invalid(format!("code.{name} {reason}"))
        }
        other => other.into(),
    }
}
