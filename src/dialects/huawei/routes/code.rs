//! Code inside a function's or a dependency's JSON, and code that it names.

use bytes::Bytes;
use serde_json::Value;

use crate::app::App;
use crate::catalog::Catalog;
use crate::dialects::huawei::errors::ApiError;
use crate::dialects::huawei::wire::address::Address;
use crate::dialects::huawei::wire::input::Input;
use crate::dialects::huawei::wire::settings::{IMAGE, OBS};
use crate::dialects::huawei::{CODE_MAX, DEPENDENCY_MAX, OBJECT_MAX};
use crate::dialects::links::{self, LinkRefusal};
use crate::dialects::upload::{self, CodeField};
use crate::domain::{ArtifactLimits, Caller, CatalogError};
use crate::ingest::json::JsonError;
use crate::ingest::{Leniency, Spool, Staged, Staging};

/// Where a function's code is.
pub(super) const FUNCTION_CODE: CodeField = CodeField {
    paths: &[&["func_code", "file"]],
    fold_keys: false,
    leniency: Leniency::SpacesAndMissingPadding,
    vendor_limit: CODE_MAX,
};

/// Where a dependency's archive is.
pub(super) const DEPENDENCY_CODE: CodeField =
    CodeField { paths: &[&["depend_file"]], vendor_limit: DEPENDENCY_MAX, ..FUNCTION_CODE };

/// For bodies that carry fields alone.
pub(super) const NO_CODE: CodeField = CodeField { paths: &[], ..FUNCTION_CODE };

/// Reads a body and the code in it.
pub(super) async fn read(
    app: &App,
    body: Spool,
    field: CodeField,
) -> Result<(Input, Option<Staging>), ApiError> {
    match upload::read_json(app, body, field).await {
        Ok(upload) => Ok((Input::from_json(upload.fields)?, upload.staging)),
        Err(JsonError::Malformed(reason)) => Err(ApiError::not_json(&reason)),
        Err(JsonError::Catalog(refusal)) if field.paths == DEPENDENCY_CODE.paths => {
            Err(ApiError::of_code("depend_file", refusal))
        }
        Err(JsonError::Catalog(refusal)) => Err(refusal.into()),
    }
}

/// Where code is that a request names.
pub(super) struct Place {
    /// The field that names it.
    field: &'static str,
    address: Address,
}

impl Place {
    /// Reads the address in a field.
    pub(super) fn read(field: &'static str, text: &str) -> Result<Self, ApiError> {
        match Address::parse(text) {
            Ok(address) => Ok(Self { field, address }),
            Err(rule) => Err(ApiError::field(field, rule)),
        }
    }

    /// Copies the code and checks it; a refusal has the field's code.
    pub(super) async fn copy(self, app: &App, caller: &Caller) -> Result<Staged, ApiError> {
        let Self { field, address } = self;
        let staged = match address {
            Address::Object(object) => upload::fetch_staged(app, caller, object, OBJECT_MAX).await,
            Address::Link(uri) => {
                let secret = app.catalog().access()?.link_secret;
                let verified = links::verify(&secret, &uri, app.clock().now());
                let sha256 =
                    verified.map_err(|refusal| ApiError::field(field, rule_of(refusal)))?;
                upload::copy_kept(app, caller, sha256, OBJECT_MAX).await
            }
        };
        staged.map_err(|refusal| ApiError::of_code(field, refusal))
    }
}

fn rule_of(refusal: LinkRefusal) -> &'static str {
    match refusal {
        LinkRefusal::Expired => "is a download link that has expired",
        LinkRefusal::Invalid => "is no address of OBS and no download link of this server",
    }
}

/// What a request says of a function's code.
pub(super) enum NewCode {
    /// Nothing.
    Absent,
    /// An archive.
    Archive(Staging),
    /// One source file as text.
    Source(Staging),
    /// An archive that is somewhere else.
    Elsewhere(Place),
    /// What was there.
    Copied(Staged),
    /// Nothing, and none is to be: the function has an image.
    Image,
}

impl NewCode {
    /// Tells what came by the request's code type, which was checked before.
    ///
    /// Inline code is an archive or a source text, told apart by its first bytes (huawei.md
    /// section 3).
    pub(super) fn read(
        input: &Input,
        staging: Option<Staging>,
        code_type: &str,
    ) -> Result<Self, ApiError> {
        let func_code = input.object("func_code")?;
        let member = |name: &str| {
            func_code.and_then(|members| members.get(name)).filter(|value| !value.is_null())
        };
        if code_type == IMAGE {
            return Ok(Self::Image);
        }
        let is_obs = code_type == OBS;
        if is_obs && let Some(url) = input.text("code_url")?.filter(|url| !url.is_empty()) {
            return Place::read("code_url", url).map(Self::Elsewhere);
        }
        match staging.filter(|_| !is_obs) {
            Some(staging) if code_type == "inline" && !staging.looks_like_zip() => {
                Ok(Self::Source(staging))
            }
            Some(staging) => Ok(Self::Archive(staging)),
            None if member("file").is_some_and(|file| !file.is_string()) => {
                Err(ApiError::field("func_code.file", "must be a string"))
            }
            None => match member("link").filter(|link| *link != "") {
                None => Ok(Self::Absent),
                Some(Value::String(link)) => {
                    Place::read("func_code.link", link).map(Self::Elsewhere)
                }
                Some(_) => Err(ApiError::field("func_code.link", "must be a string")),
            },
        }
    }

    /// Copies code that is elsewhere, once `check` has found good what costs less to find out.
    pub(super) async fn here(
        self,
        app: &App,
        caller: &Caller,
        check: impl FnOnce(&Catalog) -> Result<(), CatalogError>,
    ) -> Result<Self, ApiError> {
        match self {
            Self::Elsewhere(place) => {
                app.read(check)?;
                place.copy(app, caller).await.map(Self::Copied)
            }
            here => Ok(here),
        }
    }

    /// Ends the upload; absent code and images are `None`. What is elsewhere must be here by now.
    pub(super) fn finish(self) -> Result<Option<Staged>, CatalogError> {
        match self {
            Self::Absent | Self::Image => Ok(None),
            Self::Elsewhere(_) => Err(CatalogError::internal("code was named and not copied")),
            Self::Copied(staged) => Ok(Some(staged)),
            Self::Archive(staging) => staging.finish().map(Some),
            Self::Source(staging) => staging.finish_plain().map(Some),
        }
    }
}

/// Returns what a code's file is called unless the request says so (huawei.md section 3).
pub(super) fn default_filename(is_source: bool, runtime: &str) -> &'static str {
    match family(runtime) {
        Some(family) if is_source => family.source,
        _ => "index.zip",
    }
}

/// Stages what stands for the code of an inline function that was created without any.
pub(super) fn placeholder(catalog: &Catalog, runtime: &str) -> Result<Staged, CatalogError> {
    let text = family(runtime).map_or(PLACEHOLDER, |family| family.placeholder);
    let bytes = base64_simd::STANDARD.decode_to_vec(text).map_err(CatalogError::internal)?;
    let mut staging = Staging::new(catalog.incoming(), ArtifactLimits::default());
    staging.write(Bytes::from(bytes))?;
    staging.finish()
}

/// Runtimes whose source is text.
struct Family {
    prefix: &'static str,
    /// What a source file is called.
    source: &'static str,
    /// An archive with one such file, which returns its event.
    placeholder: &'static str,
}

fn family(runtime: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| runtime.starts_with(family.prefix))
}

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

/// An archive with one line of text, for all other runtimes.
const PLACEHOLDER: &str = "UEsDBBQAAAAAAAAAIQBY7bbPEwAAABMAAAAPAAAAcGxhY2Vob2xkZXIudHh0Tm8gY29kZSB3YXMgZ2l2\
        ZW4uClBLAQIUAxQAAAAAAAAAIQBY7bbPEwAAABMAAAAPAAAAAAAAAAAAAACkgQAAAABwbGFjZWhvbGRl\
        ci50eHRQSwUGAAAAAAEAAQA9AAAAQAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_archives_of_one_file() {
        let texts = FAMILIES.iter().map(|family| family.placeholder).chain([PLACEHOLDER]);
        for text in texts {
            let folder = tempfile::tempdir().unwrap();
            let mut staging = Staging::new(folder.path(), ArtifactLimits::default());
            let bytes = base64_simd::STANDARD.decode_to_vec(text).unwrap();
            staging.write(Bytes::from(bytes)).unwrap();
            assert_eq!(staging.finish().unwrap().artifact.entries, 1);
        }
    }
}
