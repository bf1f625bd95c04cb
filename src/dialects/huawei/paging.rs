//! `marker` and `maxitems` as the catalog's windows (huawei.md section 6).

use super::errors::{ApiError, quote};
use crate::dialects::params::Params;
use crate::domain::Window;

/// Most rows of a page, and those of a page without a size.
const PAGE_MAX: u64 = 400;

/// Reads a page of versions: without `maxitems`, or with 0, it is the whole list.
pub(super) fn versions(params: &Params) -> Result<Window, ApiError> {
    let limit = match number(params, "maxitems")? {
        0 => u64::MAX,
        limit => limit,
    };
    Ok(Window { offset: number(params, "marker")?, limit })
}

/// Reads a page of dependencies: the first parameter of `sizes` that is above 0 counts.
pub(super) fn dependencies(params: &Params, sizes: &[&str]) -> Result<Window, ApiError> {
    let mut limit = PAGE_MAX;
    for name in sizes.iter().rev() {
        let size = number(params, name)?;
        limit = if size == 0 { limit } else { size.min(PAGE_MAX) };
    }
    Ok(Window { offset: number(params, "marker")?, limit })
}

/// Returns the offset behind a page; behind an empty page that is the end of the list.
pub(super) fn next_marker(window: Window, count: u64) -> u64 {
    window.offset.saturating_add(window.limit).min(count)
}

/// Reads a number. Absent and empty are 0; a number that is too large becomes the largest one.
fn number(params: &Params, name: &str) -> Result<u64, ApiError> {
    let Some(text) = params.get(name) else { return Ok(0) };
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.parse().unwrap_or(u64::MAX));
    }
    let rule = format!("must be a whole number from 0 on, this is {}", quote(text));
    Err(ApiError::query(name, &rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_dependencies_have_at_most_400_rows() {
        for (query, limit) in [("", 400), ("limit=7", 7), ("limit=3&maxitems=99999999999999", 400)]
        {
            let page = dependencies(&Params::parse(query), &["maxitems", "limit"]);
            assert_eq!(page.unwrap().limit, limit, "{query}");
        }
    }
}
