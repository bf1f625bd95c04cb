//! Reads an upload from a request's body, on a blocking thread.
//!
//! Each dialect interprets the fields and renders the refusals.

use super::params::Params;
use crate::app::App;
use crate::domain::{ArtifactLimits, RequestError};
use crate::ingest::json::{JsonError, JsonOptions, UploadJson};
use crate::ingest::{Leniency, Spool, Staging, form, json};

/// Bytes of a body beside the code's text.
pub(super) const FIELDS_MAX: usize = 1 << 20;

/// The location and encoding of code in a dialect's JSON or form.
#[derive(Clone, Copy)]
pub(super) struct CodeField {
    /// Paths of keys, each to one text.
    pub(super) paths: &'static [&'static [&'static str]],
    /// Whether keys match in any case.
    pub(super) fold_keys: bool,
    /// Which base64 texts are accepted.
    pub(super) leniency: Leniency,
    /// Most bytes of a zip that the cloud accepts here.
    pub(super) vendor_limit: u64,
    /// Most bytes of its entries, unpacked, that the cloud accepts.
    pub(super) unpacked_max: u64,
}

impl CodeField {
    fn limits(&self, app: &App) -> ArtifactLimits {
        app.upload_limits(self.vendor_limit).with_unpacked(self.unpacked_max)
    }
}

/// Reads a JSON body and the code inside it.
pub(super) async fn read_json(
    app: &App,
    body: Spool,
    code: CodeField,
) -> Result<UploadJson, JsonError> {
    let limits = code.limits(app);
    let options = JsonOptions { fold_keys: code.fold_keys, leniency: code.leniency };
    let read = app.spawn_blocking(move |catalog| {
        let staging = catalog.staging(limits);
        let reader = body.reader().map_err(RequestError::from)?;
        json::read_json(reader, code.paths, options, staging, FIELDS_MAX)
    });
    read.await.map_err(RequestError::from)?
}

/// Reads a form and the code inside it; the parts of the code's path are joined by dots.
pub(super) async fn read_form(
    app: &App,
    body: Spool,
    code: CodeField,
) -> Result<(Params, Option<Staging>), RequestError> {
    let limits = code.limits(app);
    app.blocking(move |catalog| {
        let staging = catalog.staging(limits);
        let keys: Vec<String> = code.paths.iter().map(|path| path.join(".")).collect();
        let wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        let form = form::read_form(body.reader()?, &wanted, code.leniency, staging, FIELDS_MAX)?;
        Ok((Params(form.pairs), form.staging))
    })
    .await
}
