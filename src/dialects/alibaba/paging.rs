//! `nextToken`, `startKey`, `startVersion` and `limit` ↔ the catalog's pages (alibaba.md section 6).
//!
//! The row that follows a page names the next one.

use super::errors::ApiError;
use crate::dialects::params::Params;
use crate::domain::{Acl, LayerFilter};

const LIMIT_DEFAULT: u64 = 20;
const LIMIT_MAX: u64 = 100;

/// Reads `limit`: 1 to 100, 20 when absent.
pub(super) fn limit(params: &Params) -> Result<u64, ApiError> {
    let Some(text) = params.get("limit") else { return Ok(LIMIT_DEFAULT) };
    number(text).filter(|number| (1..=LIMIT_MAX).contains(number)).ok_or_else(|| {
        ApiError::invalid(format!("limit must be an integer from 1 to {LIMIT_MAX}, not '{text}'"))
    })
}

/// Reads which layers are asked for.
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
    let Some(text) = params.get("startVersion") else { return Ok(None) };
    let number = number(text).filter(|number| *number >= 1).ok_or_else(|| {
        ApiError::invalid(format!("startVersion must be an integer from 1 on, not '{text}'"))
    })?;
    Ok(Some(number))
}

/// Reads a switch; clients write `true`, `True` and `false` (alibaba.md section 0).
pub(super) fn switch(params: &Params, name: &str) -> Result<bool, ApiError> {
    match params.get(name) {
        Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
        Some(text) if !params.is_true(name) => {
            Err(ApiError::invalid(format!("{name} must be true or false, not '{text}'")))
        }
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

/// Plain digits only: `+1` and ` 1` are not numbers.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_plain_digits_within_their_bounds() {
        let read = |text: &str| limit(&Params::parse(text)).ok();
        assert_eq!(read(""), Some(20));
        assert_eq!(read("limit="), Some(20));
        assert_eq!(read("limit=1"), Some(1));
        assert_eq!(read("limit=100"), Some(100));
        for bad in ["0", "101", "-1", "%2B5", "+5", "5.0", "x", "99999999999999999999"] {
            assert_eq!(read(&format!("limit={bad}")), None, "{bad}");
        }
    }

    #[test]
    fn the_token_overrides_the_key() {
        let read = |text: &str| first_name(&Params::parse(text)).to_owned();
        assert_eq!(read("startKey=b&nextToken=a"), "a");
        assert_eq!(read("startKey=b&nextToken="), "b");
        assert_eq!(read("prefix=p"), "");
    }
}
