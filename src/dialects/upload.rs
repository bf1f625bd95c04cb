//! Taking an upload out of a request's body, off the async threads.
//!
//! What the fields mean, and how a refusal is worded, stays with each dialect.

use super::params::Params;
use crate::app::App;
use crate::domain::{ArchiveProblem, ArtifactLimits, Caller, CatalogError, ObjectRef};
use crate::ingest::json::{JsonError, JsonOptions, UploadJson};
use crate::ingest::{Leniency, Spool, Staged, Staging, form, json, stage_spool};

/// Bytes of a body beside the code's text.
pub(super) const FIELDS_MAX: usize = 1 << 20;

/// Where a dialect's JSON carries code, and how it writes it.
#[derive(Clone, Copy)]
pub(super) struct CodeField {
    /// Paths of keys, each to one text.
    pub(super) paths: &'static [&'static [&'static str]],
    /// Whether keys may be in any case.
    pub(super) fold_keys: bool,
    /// What the base64 text may be.
    pub(super) leniency: Leniency,
    /// Bytes of a zip that the cloud takes this way.
    pub(super) vendor_limit: u64,
}

/// Where a request says that its code is.
#[derive(Debug)]
pub(super) enum Source {
    /// In the request itself.
    Inline(Box<Staging>),
    /// In a bucket.
    Object(ObjectRef),
}

impl Source {
    /// Takes the code; what is in a bucket is copied, as [`fetch`] does.
    pub(super) async fn take(
        self,
        app: &App,
        caller: &Caller,
        vendor_limit: u64,
    ) -> Result<Code, CatalogError> {
        match self {
            Self::Inline(staging) => Ok(Code::Inline(staging)),
            Self::Object(object) => fetch(app, caller, object, vendor_limit).await,
        }
    }
}

/// The code of one upload, wherever it came from, before it is inspected.
#[derive(Debug)]
pub(super) enum Code {
    /// It was in the request.
    Inline(Box<Staging>),
    /// It was copied from a bucket; with the limits that hold for it.
    Object(Box<Spool>, ArtifactLimits),
}

impl Code {
    /// Inspects and measures the archive; for a blocking thread.
    ///
    /// Fails with `BadArchive` or `LimitExceeded` when the archive breaks a rule.
    pub(super) fn finish(self) -> Result<Staged, CatalogError> {
        match self {
            Self::Inline(staging) => staging.finish(),
            Self::Object(spool, _) if spool.is_empty() => {
                Err(ArchiveProblem::NotZip("the object is empty".to_owned()).into())
            }
            Self::Object(spool, limits) => stage_spool(*spool, &limits),
        }
    }
}

/// Copies the code that a request refers to; see [`App::fetch`] for what may go wrong.
///
/// `vendor_limit` is the most bytes of a zip that the cloud takes from a bucket.
pub(super) async fn fetch(
    app: &App,
    caller: &Caller,
    object: ObjectRef,
    vendor_limit: u64,
) -> Result<Code, CatalogError> {
    let limits = app.upload_limits(vendor_limit);
    let spool = app.fetch(caller, &object, limits.size).await?;
    Ok(Code::Object(Box::new(spool), limits))
}

/// Copies the code that a request refers to and inspects it.
pub(super) async fn fetch_staged(
    app: &App,
    caller: &Caller,
    object: ObjectRef,
    vendor_limit: u64,
) -> Result<Staged, CatalogError> {
    let code = fetch(app, caller, object, vendor_limit).await?;
    app.blocking(move |_| code.finish()).await
}

/// Copies code that the catalog has, for another version, and inspects it; see
/// [`App::fetch_kept`].
pub(super) async fn copy_kept(
    app: &App,
    caller: &Caller,
    sha256: [u8; 32],
    vendor_limit: u64,
) -> Result<Staged, CatalogError> {
    let limits = app.upload_limits(vendor_limit);
    let spool = app.fetch_kept(caller, sha256, limits.size).await?;
    app.blocking(move |_| stage_spool(spool, &limits)).await
}

/// Reads a JSON body and the code inside it.
pub(super) async fn read_json(
    app: &App,
    body: Spool,
    code: CodeField,
) -> Result<UploadJson, JsonError> {
    let limits = app.upload_limits(code.vendor_limit);
    let options = JsonOptions { fold_keys: code.fold_keys, leniency: code.leniency };
    app.spawn_blocking(move |catalog| {
        let staging = Staging::new(catalog.incoming(), limits);
        json::read_json(body.reader()?, code.paths, options, staging, FIELDS_MAX)
    })
    .await?
}

/// Takes a body that is itself the zip.
pub(super) async fn read_raw(
    app: &App,
    body: Spool,
    vendor_limit: u64,
) -> Result<Staged, CatalogError> {
    let limits = app.upload_limits(vendor_limit);
    app.blocking(move |_| stage_spool(body, &limits)).await
}

/// Reads a form and the code inside it; the path's parts are joined by dots.
pub(super) async fn read_form(
    app: &App,
    body: Spool,
    code: CodeField,
) -> Result<(Params, Option<Staging>), CatalogError> {
    let limits = app.upload_limits(code.vendor_limit);
    app.blocking(move |catalog| {
        let staging = Staging::new(catalog.incoming(), limits);
        let keys: Vec<String> = code.paths.iter().map(|path| path.join(".")).collect();
        let wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        let form = form::read_form(body.reader()?, &wanted, code.leniency, staging, FIELDS_MAX)?;
        Ok((Params(form.pairs), form.staging))
    })
    .await
}
