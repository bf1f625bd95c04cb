//! Layer versions: their record, and the body that publishes one (alibaba.md sections 1.5, 2.1 and
//! 2.2).

use jiff::fmt::temporal::DateTimePrinter;

use super::Renderer;
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::alibaba::errors::generation::Generation;
use crate::dialects::json_fields::{Fields, KeyCase};
use crate::dialects::json_writer::JsonObject;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::domain::{
    Acl, CatalogError, CodeSource, LayerVersion, LayerVersionRow, NewLayerVersion, ObjectRef,
    Timestamp,
};
use crate::ingest::json::UploadJson;
use crate::ingest::{Staged, Staging};

/// Characters of a description.
const DESCRIPTION_MAX: usize = 256;

/// Characters of a license; the documents name no limit.
const LICENSE_MAX: usize = 1024;

/// Runtimes of a layer; the documents name no limit.
const RUNTIMES_MAX: usize = 64;

/// A runtime needs only this form, so that new ones work (alibaba.md section 7).
const RUNTIME: NameRule = NameRule { max: 64, first: Edge::Any, inner: b"._-", last: Edge::Any };

/// Bytes of a usual item of a list at most.
const ITEM_USUAL: usize = 768;

/// Returns a buffer for a list of `items` at most.
pub(in crate::dialects::alibaba) fn room_for(items: u64) -> Vec<u8> {
    Vec::with_capacity(usize::try_from(items).unwrap_or_default().saturating_mul(ITEM_USUAL))
}

/// Writes a version that the catalog returned as a value; `is_alone`: it is the full answer.
pub(in crate::dialects::alibaba) fn write_version(
    layer: JsonObject<'_>,
    renderer: &Renderer,
    version: &LayerVersion,
    is_alone: bool,
) {
    // Cannot fail: a list of texts.
    let runtimes = serde_json::to_string(&version.runtimes).unwrap_or_default();
    write(layer, renderer, &version.row(&runtimes), is_alone);
}

/// Writes a version, without the members that its generation lacks.
pub(in crate::dialects::alibaba) fn write(
    mut layer: JsonObject<'_>,
    renderer: &Renderer,
    row: &LayerVersionRow<'_>,
    is_alone: bool,
) {
    let Renderer { app, generation, links, account, account_hash } = renderer;
    let is_third = *generation == Generation::Third;
    let (name, version) = (row.name, row.number.to_string());
    layer.text("layerName", name);
    layer.json("version", &version);
    layer.text("description", row.description);
    let mut code = layer.object("code");
    code.text("repositoryType", "OSS");
    code.plain("location", |out| links.write(out, &row.sha256, &[name, "_", &version, ".zip"]));
    code.end();
    layer.number("codeSize", row.size);
    if is_alone && !is_third {
        // The model of 2021 reads only this spelling after a publication.
        layer.number("codesize", row.size);
    }
    layer.digits("codeChecksum", row.crc64);
    layer.plain("createTime", |out| write_seconds(out, row.created));
    let acl = match row.acl {
        Acl::Private => "0",
        Acl::Public => "1",
    };
    if is_third {
        layer.text("acl", acl);
    } else {
        // A number until 2021.
        layer.json("acl", acl);
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
        let region = app.config().region.as_str();
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
    // Cannot fail: it writes to memory.
    let _ = DateTimePrinter::new().print_timestamp(&time, out);
}

/// The fields of a request to publish a layer version.
pub(in crate::dialects::alibaba) struct NewLayer {
    new: NewLayerVersion,
    checksum: Option<u64>,
}

impl NewLayer {
    /// Reads the body of `CreateLayerVersion`.
    pub(in crate::dialects::alibaba) fn parse(
        upload: UploadJson,
    ) -> Result<(Self, CodeSource<Staging>), ApiError> {
        // Clients write keys in any case (alibaba.md section 0).
        let fields = Fields::of(&upload.fields, KeyCase::Any)
            .ok_or_else(|| ApiError::invalid("the request body must be a JSON object"))?;
        let new = NewLayerVersion {
            description: bounded(&fields, "description", DESCRIPTION_MAX)?,
            license: bounded(&fields, "license", LICENSE_MAX)?,
            runtimes: runtimes(&fields)?,
            tags: None,
        };
        let code = fields.object("code")?.ok_or_else(|| ApiError::invalid("code is required"))?;
        let checksum = checksum(&code)?;
        // A zip takes precedence over a reference beside it (alibaba.md section 3.1).
        let source = match upload.staging {
            Some(staging) => CodeSource::Archive(staging),
            None => CodeSource::Object(object(&code)?),
        };
        Ok((Self { new, checksum }, source))
    }

    /// Inspects the code and compares its checksum, before anything is stored.
    pub(in crate::dialects::alibaba) fn finish(
        self,
        code: Staging,
    ) -> Result<(NewLayerVersion, Staged), CatalogError> {
        let staged = code.finish()?;
        let actual = staged.artifact.digests.crc64;
        match self.checksum.filter(|stated| *stated != actual) {
            None => Ok((self.new, staged)),
            Some(stated) => Err(CatalogError::ChecksumMismatch {
                algorithm: "CRC-64",
                stated: stated.to_string(),
                actual: actual.to_string(),
            }),
        }
    }
}

fn bounded(fields: &Fields<'_>, name: &str, max: usize) -> Result<String, ApiError> {
    let text = fields.text(name)?.unwrap_or_default();
    let length = text.chars().count();
    if length > max {
        let message = format!("{name} has {length} characters, at most {max} are allowed");
        return Err(ApiError::invalid(message));
    }
    Ok(text.to_owned())
}

fn runtimes(fields: &Fields<'_>) -> Result<Vec<String>, ApiError> {
    let runtimes = fields.texts("compatibleRuntime")?.unwrap_or_default();
    if runtimes.len() > RUNTIMES_MAX {
        let (count, max) = (runtimes.len(), RUNTIMES_MAX);
        let message = format!("compatibleRuntime has {count} items, at most {max} are allowed");
        return Err(ApiError::invalid(message));
    }
    if !runtimes.iter().all(|name| RUNTIME.allows(name)) {
        return Err(ApiError::invalid(format!(
            "each compatibleRuntime must be 1 to {} letters, digits, '.', '_' and '-'",
            RUNTIME.max
        )));
    }
    Ok(runtimes.into_iter().map(str::to_owned).collect())
}

/// Returns a text of `code`; an empty one counts as absent.
fn given<'v>(code: &Fields<'v>, name: &str) -> Result<Option<&'v str>, ApiError> {
    Ok(code.text(name)?.filter(|text| !text.is_empty()))
}

fn checksum(code: &Fields<'_>) -> Result<Option<u64>, ApiError> {
    let Some(text) = given(code, "checksum")? else { return Ok(None) };
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.map(Some).ok_or_else(|| {
        ApiError::invalid("code.checksum must be a CRC-64 as an unsigned decimal text")
    })
}

/// Reads the object that is the code.
fn object(code: &Fields<'_>) -> Result<ObjectRef, ApiError> {
    // A `zipFile` of another type than a text is still among the fields.
    given(code, "zipFile")?;
    let (bucket, key) = match (given(code, "ossBucketName")?, given(code, "ossObjectName")?) {
        (Some(bucket), Some(key)) => (bucket, key),
        (None, None) => {
            let rule = "code needs either zipFile or ossBucketName and ossObjectName";
            return Err(ApiError::invalid(rule));
        }
        (Some(_), None) | (None, Some(_)) => {
            let rule = "code.ossBucketName and code.ossObjectName are required together";
            return Err(ApiError::invalid(rule));
        }
    };
    // The lengths are those of alibaba.md section 7.
    let length = bucket.len();
    if !(3..=63).contains(&length) {
        let rule = "must be 3 to 63 characters long";
        return Err(ApiError::invalid(format!("code.ossBucketName {rule}, this is {length}")));
    }
    Ok(ObjectRef::parse(bucket, key)?)
}
