//! `nextToken`, `startKey`, `startVersion` and `limit` ↔ the catalog's pages (alibaba.md
//! section 6).
//!
//! A page's token names the row after its last one.

use super::errors::ApiError;
use crate::dialects::params::Params;
use crate::domain::{Acl, LayerFilter};

/// Reads `limit`: 1 to 100, 20 when absent.
pub(super) fn limit(params: &Params) -> Result<u64, ApiError> {
    Ok(integer(params, "limit", 100, "from 1 to 100")?.unwrap_or(20))
}

/// Reads the filter of a list of layers.
pub(super) fn filter(params: &Params) -> Result<LayerFilter, ApiError> {
    Ok(LayerFilter {
        prefix: params.get("prefix").map(str::to_owned),
        acl: switch(params, "public")?.then_some(Acl::Public),
        ..LayerFilter::default()
    })
}

/// Returns the smallest name that may appear; `nextToken` overrides `startKey`.
pub(super) fn first_name(params: &Params) -> &str {
    params.get("nextToken").or_else(|| params.get("startKey")).unwrap_or_default()
}

/// Reads `startVersion`, the smallest number that may appear; `None` for all.
pub(super) fn first_version(params: &Params) -> Result<Option<u64>, ApiError> {
    integer(params, "startVersion", u64::MAX, "from 1 on")
}

/// Reads a boolean; clients write `true`, `True` and `false` (alibaba.md section 0).
pub(super) fn switch(params: &Params, name: &str) -> Result<bool, ApiError> {
    match params.get(name) {
        _ if params.is_true(name) => Ok(true),
        Some(text) if !text.eq_ignore_ascii_case("false") && text != "0" => {
            Err(ApiError::invalid(format!("{name} must be true or false, not '{text}'")))
        }
        Some(_) | None => Ok(false),
    }
}

/// Reads a number from 1 to `max` in plain digits: `+1` and ` 1` are refused.
fn integer(params: &Params, name: &str, max: u64, rule: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    let number = number.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let refused = || ApiError::invalid(format!("{name} must be an integer {rule}, not '{text}'"));
    number.map(Some).ok_or_else(refused)
}
