//! Layer versions: the record of the seed operation, and the body that publishes one
//! (alibaba.md sections 1.5, 2.1 and 2.2).

use std::fmt;

use serde::Serialize;

use super::{AsText, Fields, Generation, Renderer};
use crate::dialects::alibaba::errors::ApiError;
use crate::domain::{Acl, CatalogError, LayerVersion, NewLayerVersion, Timestamp};
use crate::ingest::json::UploadJson;
use crate::ingest::{Staged, Staging};

/// Characters of a description.
const DESCRIPTION_MAX: usize = 256;

/// Characters of a license; the documents name no limit, and lists must have an end.
const LICENSE_MAX: usize = 1024;

/// Runtimes of a layer; the documents name no limit here either.
const RUNTIMES_MAX: usize = 64;

/// Characters of one runtime.
const RUNTIME_LENGTH_MAX: usize = 64;

/// One layer version; what a generation lacks is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialects::alibaba) struct Layer<'a> {
    layer_name: &'a str,
    version: u64,
    description: &'a str,
    code: Code,
    code_size: u64,
    /// The one spelling that the model of 2021 reads after a publication.
    #[serde(rename = "codesize", skip_serializing_if = "Option::is_none")]
    codesize: Option<u64>,
    code_checksum: AsText<u64>,
    create_time: AsText<Timestamp>,
    acl: AclField,
    compatible_runtime: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<AsText<FirstArn<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn_v2: Option<AsText<SecondArn<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_version_arn: Option<AsText<SecondArn<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    repository_type: &'static str,
    location: String,
}

/// A number until 2021, a text since.
#[derive(Serialize)]
#[serde(untagged)]
enum AclField {
    Number(u8),
    Text(&'static str),
}

/// `{hash of the account}#{layer}#{version}`
struct FirstArn<'a> {
    account_hash: &'a str,
    layer: &'a str,
    version: u64,
}

impl fmt::Display for FirstArn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}#{}", self.account_hash, self.layer, self.version)
    }
}

/// `acs:fc:{region}:{account}:layers/{layer}/versions/{version}`
struct SecondArn<'a> {
    region: &'a str,
    account: &'a str,
    layer: &'a str,
    version: u64,
}

impl fmt::Display for SecondArn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, layer, version } = self;
        write!(formatter, "acs:fc:{region}:{account}:layers/{layer}/versions/{version}")
    }
}

impl<'a> Layer<'a> {
    /// Renders an item of a list.
    pub(in crate::dialects::alibaba) fn row(
        renderer: &'a Renderer<'a>,
        layer_version: &'a LayerVersion,
    ) -> Self {
        let (layer, version) = (layer_version.layer.name.as_str(), layer_version.number.get());
        let Renderer { generation, links, region, account, account_hash } = renderer;
        let code = &layer_version.code;
        let file = format!("{layer}_{version}.zip");
        let first = || AsText(FirstArn { account_hash, layer, version });
        let second = || AsText(SecondArn { region, account, layer, version });
        let license = layer_version.license.as_str();
        let is = |wanted: Generation| *generation == wanted;
        Self {
            layer_name: layer,
            version,
            description: &layer_version.description,
            code: Code {
                repository_type: "OSS",
                location: links.code(&code.digests.sha256, &file),
            },
            code_size: code.size,
            codesize: None,
            code_checksum: AsText(code.digests.crc64),
            create_time: AsText(whole_seconds(layer_version.created)),
            acl: match (layer_version.layer.acl, is(Generation::Third)) {
                (Acl::Private, false) => AclField::Number(0),
                (Acl::Public, false) => AclField::Number(1),
                (Acl::Private, true) => AclField::Text("0"),
                (Acl::Public, true) => AclField::Text("1"),
            },
            compatible_runtime: &layer_version.runtimes,
            arn: (!is(Generation::Third)).then(first),
            arn_v2: is(Generation::Second).then(second),
            layer_version_arn: is(Generation::Third).then(second),
            license: (is(Generation::Third) || !license.is_empty()).then_some(license),
        }
    }

    /// Renders a version by itself.
    pub(in crate::dialects::alibaba) fn single(
        renderer: &'a Renderer<'a>,
        version: &'a LayerVersion,
    ) -> Self {
        let codesize = (renderer.generation != Generation::Third).then_some(version.code.size);
        Self { codesize, ..Self::row(renderer, version) }
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ` (alibaba.md section 5).
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialects::alibaba) struct Layers<'a> {
    pub(in crate::dialects::alibaba) layers: Vec<Layer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::dialects::alibaba) next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialects::alibaba) struct LayerVersions<'a> {
    pub(in crate::dialects::alibaba) layers: Vec<Layer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::dialects::alibaba) next_version: Option<u64>,
}

/// What a request to publish says.
pub(in crate::dialects::alibaba) struct NewLayer {
    new: NewLayerVersion,
    code: Staging,
    checksum: Option<u64>,
}

impl NewLayer {
    /// Reads the body of `CreateLayerVersion`.
    pub(in crate::dialects::alibaba) fn parse(upload: UploadJson) -> Result<Self, ApiError> {
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
        let code = upload.staging.ok_or_else(|| no_zip(&code_fields))?;
        Ok(Self { new, code, checksum })
    }

    /// Inspects the code and compares its checksum; nothing is kept before.
    pub(in crate::dialects::alibaba) fn finish(
        self,
    ) -> Result<(NewLayerVersion, Staged), CatalogError> {
        let staged = self.code.finish()?;
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

/// Says why a body has no zip inside.
fn no_zip(code: &Fields<'_>) -> ApiError {
    let named = |name: &str| code.text(name).map(|text| text.is_some_and(|text| !text.is_empty()));
    match (named("zipFile"), named("ossBucketName"), named("ossObjectName")) {
        (Err(refusal), _, _) | (_, Err(refusal), _) | (_, _, Err(refusal)) => refusal,
        (_, Ok(false), Ok(false)) => ApiError::invalid("code.zipFile is required"),
        (_, Ok(true), Ok(true)) => ApiError::invalid(
            "the bucket in code.ossBucketName is not known to this server; send code.zipFile",
        ),
        (_, Ok(_), Ok(_)) => {
            ApiError::invalid("code.ossBucketName and code.ossObjectName are required together")
        }
    }
}
