//! Code inside a function's or a dependency's JSON, and code that it names.

use bytes::Bytes;
use serde_json::Value;

use crate::app::App;
use crate::catalog::Catalog;
use crate::dialects::huawei::errors::ApiError;
use crate::dialects::huawei::wire::address::Address;
use crate::dialects::huawei::wire::input;
use crate::dialects::huawei::wire::settings::{IMAGE_TYPE, OBS};
use crate::dialects::huawei::{CODE_MAX, DEPENDENCY_MAX, OBJECT_MAX};
use crate::dialects::json_fields::{Fields, KeyCase};
use crate::dialects::links::{self, LinkRefusal};
use crate::dialects::upload::{self, CodeField};
use crate::domain::{ArtifactLimits, Caller, CatalogError, CodeSource, Stamp};
use crate::ingest::json::JsonError;
use crate::ingest::{Leniency, Spool, Staged, Staging};

/// Where a function's code is.
pub(super) const FUNCTION_CODE: CodeField = CodeField {
    paths: &[&["func_code", "file"]],
    fold_keys: false,
    leniency: Leniency::SpacesAndMissingPadding,
    vendor_limit: CODE_MAX,
    unpacked_max: u64::MAX,
};

/// Where a dependency's archive is.
pub(super) const DEPENDENCY_CODE: CodeField =
    CodeField { paths: &[&["depend_file"]], vendor_limit: DEPENDENCY_MAX, ..FUNCTION_CODE };

/// For bodies without code.
pub(super) const NO_CODE: CodeField = CodeField { paths: &[], ..FUNCTION_CODE };

/// Reads a JSON body and the code in it.
pub(super) async fn read(
    app: &App,
    body: Spool,
    field: CodeField,
) -> Result<(Value, Option<Staging>), ApiError> {
    let upload = upload::read_json(app, body, field).await.map_err(|error| match error {
        JsonError::Malformed(reason) => ApiError::not_json(&reason),
        JsonError::Refused(refusal) if field.paths == DEPENDENCY_CODE.paths => {
            ApiError::of_code("depend_file", refusal)
        }
        JsonError::Refused(refusal) => refusal.into(),
    })?;
    Ok((upload.fields, upload.staging))
}

/// Code that a request sends or names.
pub(super) struct NewCode {
    /// The field that sends or names it; refusals have this field's code.
    field: &'static str,
    origin: Origin,
}

enum Origin {
    /// The request has the code.
    Sent(CodeSource<Staging>),
    /// The code is elsewhere.
    Named(Address),
}

impl NewCode {
    /// Takes code that came with the request.
    pub(super) fn sent(field: &'static str, source: CodeSource<Staging>) -> Self {
        Self { field, origin: Origin::Sent(source) }
    }

    /// Reads the address in a field.
    pub(super) fn named(field: &'static str, text: &str) -> Result<Self, ApiError> {
        let address = Address::parse(text).map_err(|rule| ApiError::invalid(field, rule))?;
        Ok(Self { field, origin: Origin::Named(address) })
    }

    /// Whether the code is one source file as text.
    pub(super) fn is_source(&self) -> bool {
        matches!(self.origin, Origin::Sent(CodeSource::Text(_)))
    }

    /// Returns the code's bytes. Code that is elsewhere is copied after `check` has passed, which
    /// costs less.
    pub(super) async fn stage(
        self,
        app: &App,
        stamp: &Stamp,
        caller: &Caller,
        check: impl FnOnce(&Catalog) -> Result<(), CatalogError> + Send,
    ) -> Result<Upload, ApiError> {
        let Self { field, origin } = self;
        if matches!(origin, Origin::Named(_)) {
            app.read(check).await?;
        }
        let source = match origin {
            Origin::Sent(source) => source,
            Origin::Named(Address::Object(object)) => CodeSource::Object(object),
            Origin::Named(Address::Link(uri)) => {
                let verified = links::verify(&stamp.access.link_secret, &uri, app.clock().now());
                let rule = |refusal| match refusal {
                    LinkRefusal::Expired => "is a download link that has expired",
                    LinkRefusal::Invalid => {
                        "is no address of OBS and no download link of this server"
                    }
                };
                let refuse = |refusal| ApiError::invalid(field, rule(refusal));
                let (sha256, _media) = verified.map_err(refuse)?;
                CodeSource::Stored(sha256)
            }
        };
        let staged = app.stage(caller, source, app.upload_limits(OBJECT_MAX)).await;
        let staging = staged.map_err(|refusal| ApiError::of_code(field, refusal))?;
        Ok(Upload { field, staging })
    }
}

/// All bytes of a request's code, before the inspection.
pub(super) struct Upload {
    field: &'static str,
    staging: Staging,
}

impl Upload {
    /// Inspects and measures the bytes, for a blocking thread.
    pub(super) fn finish(self) -> Result<Staged, ApiError> {
        self.staging.finish().map_err(|refusal| ApiError::of_code(self.field, refusal))
    }
}

/// Finds the code of a function by the request's code type, which was checked before; `None` where
/// there is none, as for a function with an image.
///
/// Inline code is an archive or a source text; its first bytes tell which (huawei.md section 3).
pub(super) fn read_function_code(
    fields: &Fields<'_>,
    staging: Option<Staging>,
    code_type: &str,
) -> Result<Option<NewCode>, ApiError> {
    let func_code = fields.object("func_code")?;
    let func_code = func_code.unwrap_or_else(|| Fields::none(KeyCase::Exact));
    if code_type == IMAGE_TYPE {
        return Ok(None);
    }
    let is_obs = code_type == OBS;
    if is_obs && let Some(url) = input::text(fields, "code_url")? {
        return NewCode::named("code_url", url).map(Some);
    }
    if let Some(staging) = staging.filter(|_| !is_obs) {
        let is_source = code_type == "inline" && !staging.looks_like_zip()?;
        let form = if is_source { CodeSource::Text } else { CodeSource::Archive };
        return Ok(Some(NewCode::sent("func_code.file", form(staging))));
    }
    func_code.text("file")?;
    let link = input::text(&func_code, "link")?;
    link.map(|link| NewCode::named("func_code.link", link)).transpose()
}

/// Returns the name of a code's file, where the request has none (huawei.md section 3).
pub(super) fn default_filename(is_source: bool, runtime: &str) -> String {
    let name = if is_source { family(runtime).source } else { "index.zip" };
    name.to_owned()
}

/// Stages the code of an inline function that was created without any.
pub(super) fn placeholder(catalog: &Catalog, runtime: &str) -> Result<Staged, CatalogError> {
    let text = family(runtime).placeholder;
    let bytes = base64_simd::STANDARD.decode_to_vec(text).map_err(CatalogError::internal)?;
    let mut staging = catalog.staging(ArtifactLimits::default());
    staging.write(Bytes::from(bytes))?;
    staging.end().finish()
}

/// Runtimes of one language.
struct Family {
    prefix: &'static str,
    /// The name of a source file.
    source: &'static str,
    /// An archive with one file: a handler that returns its event, or a line of text.
    placeholder: &'static str,
}

fn family(runtime: &str) -> &'static Family {
    FAMILIES.iter().find(|family| runtime.starts_with(family.prefix)).unwrap_or(&OTHERS)
}

/// The languages whose source is text.
static FAMILIES: [Family; 3] = [
    Family {
        prefix: "Python",
        source: "index.py",
        placeholder: "UEsDBBQAAAAAAAAAIQC0CHBpLgAAAC4AAAAIAAAAaW5kZXgucHlkZWYgaGFuZGxlcihldmVudCwgY29u\
        dGV4dCk6CiAgICByZXR1cm4gZXZlbnQKUEsBAhQDFAAAAAAAAAAhALQIcGkuAAAALgAAAAgAAAAAAAAA\
        AAAAAKSBAAAAAGluZGV4LnB5UEsFBgAAAAABAAEANgAAAFQAAAAAAA==",
    },
    Family {
        prefix: "Node.js",
        source: "index.js",
        placeholder: "UEsDBBQAAAAAAAAAIQAoDJycKgAAACoAAAAIAAAAaW5kZXguanNleHBvcnRzLmhhbmRsZXIgPSBhc3lu\
        YyAoZXZlbnQpID0+IGV2ZW50OwpQSwECFAMUAAAAAAAAACEAKAycnCoAAAAqAAAACAAAAAAAAAAAAAAA\
        pIEAAAAAaW5kZXguanNQSwUGAAAAAAEAAQA2AAAAUAAAAAAA",
    },
    Family {
        prefix: "PHP",
        source: "index.php",
        placeholder: "UEsDBBQAAAAAAAAAIQBCX4iVQAAAAEAAAAAJAAAAaW5kZXgucGhwPD9waHAKZnVuY3Rpb24gaGFuZGxl\
        cigkZXZlbnQsICRjb250ZXh0KSB7CiAgICByZXR1cm4gJGV2ZW50Owp9ClBLAQIUAxQAAAAAAAAAIQBC\
        X4iVQAAAAEAAAAAJAAAAAAAAAAAAAACkgQAAAABpbmRleC5waHBQSwUGAAAAAAEAAQA3AAAAZwAAAAAA",
    },
];

static OTHERS: Family = Family {
    prefix: "",
    source: "index.zip",
    placeholder: "UEsDBBQAAAAAAAAAIQBY7bbPEwAAABMAAAAPAAAAcGxhY2Vob2xkZXIudHh0Tm8gY29kZSB3YXMgZ2l2\
        ZW4uClBLAQIUAxQAAAAAAAAAIQBY7bbPEwAAABMAAAAPAAAAAAAAAAAAAACkgQAAAABwbGFjZWhvbGRl\
        ci50eHRQSwUGAAAAAAEAAQA9AAAAQAAAAAAA",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{StagingWriter, UploadFolder};

    #[test]
    fn placeholders_are_archives_of_one_file() {
        for family in FAMILIES.iter().chain([&OTHERS]) {
            let folder = tempfile::tempdir().unwrap();
            let mut staging = StagingWriter::new(
                &UploadFolder::new(folder.path(), None),
                ArtifactLimits::default(),
            );
            let bytes = base64_simd::STANDARD.decode_to_vec(family.placeholder).unwrap();
            staging.write(Bytes::from(bytes)).unwrap();
            assert_eq!(staging.end().finish().unwrap().artifact.entries, 1);
        }
    }
}
