//! `marker` and `maxitems` ↔ the catalog's windows (huawei.md section 6).

use super::errors::{ApiError, quote};
use crate::dialects::params::Params;
use crate::domain::Window;

/// Most rows of a page, and those of a page without a size.
const PAGE_MAX: u64 = 400;

/// Reads a page of versions: without `maxitems`, or with 0, it is everything.
pub(super) fn versions(params: &Params) -> Result<Window, ApiError> {
    let limit = match number(params, "maxitems")? {
        0 => u64::MAX,
        limit => limit,
    };
    Ok(Window { offset: number(params, "marker")?, limit })
}

/// Reads a page of dependencies: the first of the `sizes` that is above 0 counts.
pub(super) fn dependencies(params: &Params, sizes: &[&str]) -> Result<Window, ApiError> {
    let mut limit = PAGE_MAX;
    for size in sizes.iter().rev() {
        match number(params, size)? {
            0 => {}
            size => limit = size.min(PAGE_MAX),
        }
    }
    Ok(Window { offset: number(params, "marker")?, limit })
}

/// Returns the offset behind a page; behind an empty page that is the end of the list.
pub(super) fn next_marker(window: Window, count: u64) -> u64 {
    window.offset.saturating_add(window.limit).min(count)
}

/// Absent and empty are 0, and what no list can have is as good as the largest number.
fn number(params: &Params, name: &str) -> Result<u64, ApiError> {
    match params.get(name) {
        None => Ok(0),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(text.parse().unwrap_or(u64::MAX))
        }
        Some(text) => Err(ApiError::query(
            name,
            &format!("must be a whole number from 0 on, this is {}", quote(text)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_dependencies_have_one_size_out_of_two() {
        let limit = |query| {
            let page = dependencies(&Params::parse(query), &["maxitems", "limit"]);
            page.unwrap_or_else(|refusal| panic!("{refusal:?}")).limit
        };
        assert_eq!(limit(""), 400);
        assert_eq!(limit("limit=7"), 7);
        assert_eq!(limit("limit=7&maxitems=3"), 3);
        assert_eq!(limit("limit=7&maxitems=0"), 7);
        assert_eq!(limit("limit=3&maxitems=99999999999999999999999"), 400);
    }
}
