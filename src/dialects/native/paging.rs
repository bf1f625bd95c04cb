//! `limit` and `after` ↔ the catalog's pages.

use crate::dialects::params::Params;
use crate::domain::CatalogError;

const LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 1000;

/// Reads `limit`: 1 to 1000, 100 when absent.
pub(super) fn limit(params: &Params) -> Result<u64, CatalogError> {
    let Some(text) = params.get("limit") else { return Ok(LIMIT_DEFAULT) };
    let number = text.parse().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
    number.ok_or_else(|| {
        CatalogError::invalid("limit", format!("must be 1 to {LIMIT_MAX}, this is '{text}'"))
    })
}

/// Reads a token that is a position in a list by number.
pub(super) fn position(params: &Params) -> Result<Option<u64>, CatalogError> {
    let Some(text) = params.get("after") else { return Ok(None) };
    let number = text.parse().map_err(|_| {
        CatalogError::invalid("after", "must be the `next` of the page before, unchanged")
    })?;
    Ok(Some(number))
}
