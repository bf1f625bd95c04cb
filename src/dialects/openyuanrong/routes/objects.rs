//! Code that a function names in a bucket.

use crate::app::App;
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::dialects::openyuanrong::wire::settings::Settings;
use crate::dialects::openyuanrong::wire::upload::limits;
use crate::dialects::upload::Code;
use crate::domain::{CatalogError, Noun};
use crate::ingest::Staged;

/// Copies the code that settings name. `None` when they name none, or name a bucket that is not
/// known here: then the record alone is kept, as the vendor does, and the code is somewhere else.
pub(super) async fn copy(
    app: &App,
    account: &Account,
    settings: &Settings,
) -> Result<Option<Staged>, ApiError> {
    let Some(object) = settings.object() else { return Ok(None) };
    let limits = limits(app);
    let spool = match app.fetch(&account.caller, &object, limits.size).await {
        Err(CatalogError::NotFound { what: Noun::Bucket, .. }) => return Ok(None),
        found => found?,
    };
    let code = Code::Object(Box::new(spool), limits);
    let staged = app.blocking(move |_| code.finish()).await?;
    settings.check_object(&staged.artifact.digests.sha512)?;
    Ok(Some(staged))
}
