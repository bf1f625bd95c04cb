//! The headers of an upload, and the zip out of its body (openyuanrong.md section 3).

use axum::http::HeaderMap;

use super::settings::is_layer_runtime;
use crate::app::App;
use crate::dialects::openyuanrong::ZIP_MAX;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::{ArtifactLimits, NewLayerVersion};
use crate::ingest::{Spool, Staged, multipart};

const TOKENS_MAX: usize = 100;

/// The two content types of an upload, parsed.
#[derive(Debug)]
pub(crate) struct UploadHead {
    boundary: String,
    file_size: u64,
    /// Empty when none was stated.
    pub(crate) revision_id: String,
    limits: ArtifactLimits,
}

impl UploadHead {
    pub(crate) fn parse(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let content_type = header(headers, "content-type");
        if content_type.is_empty() {
            return Err(ApiError::invalid("the value of contentType is empty"));
        }
        let tokens: Vec<&str> = content_type.split(';').collect();
        if tokens.len() > TOKENS_MAX {
            return Err(ApiError::invalid(format!("contentType has more than {TOKENS_MAX} parts")));
        }
        let file_size = token(&tokens, "file-size").and_then(|size| size.parse().ok());
        let no_size = || ApiError::invalid("file-size of contentType must be an integer");
        let file_size = file_size.ok_or_else(no_size)?;
        let limits = limits(app);
        if file_size > limits.size {
            return Err(ApiError::zip_too_large(file_size, limits.size));
        }
        let form = header(headers, "x-content-type");
        let parts: Vec<&str> = form.split(';').collect();
        let is_form = parts[0].trim().to_ascii_lowercase().starts_with("multipart/");
        let boundary = token(&parts, "boundary").filter(|_| is_form);
        let boundary = boundary.ok_or_else(|| ApiError::invalid("multipartForm is empty"))?;
        Ok(Self {
            boundary: boundary.trim_matches('"').to_owned(),
            file_size,
            revision_id: token(&tokens, "revision-id").unwrap_or_default().to_owned(),
            limits,
        })
    }

    /// Reads the zip, which is the part `file` of the body, and checks it.
    pub(crate) async fn read(self, app: &App, body: Spool) -> Result<Staged, ApiError> {
        let staged = app.blocking(move |catalog| {
            let staging = catalog.staging(self.limits);
            let (reader, size) = (body.reader()?, self.file_size);
            multipart::read_multipart(reader, &self.boundary, "file", size, staging)?.finish()
        });
        Ok(staged.await?)
    }
}

/// Returns the vendor's limits of a zip, unpacked 600 MiB, 20 parts of a path and no `~/` in it,
/// and the operator's where they are lower (openyuanrong.md section 3).
pub(crate) fn limits(app: &App) -> ArtifactLimits {
    let limits = app.upload_limits(ZIP_MAX).with_unpacked(600 << 20);
    ArtifactLimits { entries: limits.entries.min(30_000), depth: 20, tilde: false, ..limits }
}

/// Returns the value of a `key=value` part.
fn token<'t>(tokens: &[&'t str], key: &str) -> Option<&'t str> {
    let pairs = tokens.iter().filter_map(|token| token.split_once('='));
    let mut found = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(key));
    found.next().map(|(_, value)| value.trim())
}

/// Returns a header, empty when it is absent.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> String {
    let bytes = headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads the headers that describe a new layer version.
pub(crate) fn new_layer_version(headers: &HeaderMap) -> Result<NewLayerVersion, ApiError> {
    Ok(NewLayerVersion {
        description: header(headers, "x-description"),
        license: header(headers, "x-license-info"),
        runtimes: compatible_runtimes(&header(headers, "x-header-compatible-runtimes"))?,
        tags: None,
    })
}

fn compatible_runtimes(text: &str) -> Result<Vec<String>, ApiError> {
    let runtimes: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    if !(1..=5).contains(&runtimes.len()) {
        return Err(ApiError::invalid("compatibleRuntimes size must be between 1 and 5"));
    }
    let is_repeated = |(at, name): (usize, &String)| runtimes[..at].contains(name);
    if runtimes.iter().enumerate().any(is_repeated) {
        let message = "duplicated compatibleRuntimes exists. check input parameters";
        return Err(ApiError::new(4125, message));
    }
    if !runtimes.iter().all(|name| is_layer_runtime(name)) {
        let message = "compatible runtime is invalid. check input parameters";
        return Err(ApiError::new(4126, message));
    }
    Ok(runtimes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_any_order() {
        let tokens = ["a/b", " revision-id = 2026 ", "FILE-SIZE=7", "file-size=8"];
        assert_eq!(token(&tokens, "file-size"), Some("7"));
        assert_eq!(token(&tokens, "revision-id"), Some("2026"));
        assert_eq!(token(&tokens, "other"), None);
    }
}
