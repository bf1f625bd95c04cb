//! `pageIndex` and `pageSize` ↔ the catalog's windows (openyuanrong.md section 6).

use super::errors::ApiError;
use crate::dialects::params::Params;
use crate::domain::{Page, Window};

/// Entries of a page whose size is not stated.
const SIZE_DEFAULT: u64 = 1000;

const FIRST: Window = Window { offset: 0, limit: SIZE_DEFAULT };

/// A page of functions: the numbers as they were read, to be echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FunctionPage {
    pub(super) index: i64,
    pub(super) size: i64,
}

impl FunctionPage {
    pub(super) fn parse(params: &Params) -> Self {
        let read = |name: &str, default: u64| params.raw(name).map_or(default as i64, integer);
        Self { index: read("pageIndex", 1), size: read("pageSize", SIZE_DEFAULT) }
    }

    /// Returns the entries of the page; page 0 is the first 1000 entries, whatever its size. `None`
    /// for a page without room, which the two lists answer differently.
    pub(super) fn window(self) -> Result<Option<Window>, ApiError> {
        let index = u64::try_from(self.index).map_err(|_| out_of_range("pageIndex"))?;
        if index == 0 {
            return Ok(Some(FIRST));
        }
        let size = u64::try_from(self.size).map_err(|_| out_of_range("pageSize"))?;
        Ok((size > 0).then(|| numbered(index, size)))
    }
}

/// Reads a page of layers: an index needs a size, and each is within its limit.
pub(super) fn layer_window(
    params: &Params,
    index_max: u64,
    size_max: u64,
) -> Result<Window, ApiError> {
    let read = |name: &'static str, max: u64| {
        let number = params.raw(name).map(|text| u64::try_from(integer(text)).unwrap_or(0));
        let in_range = number.is_none_or(|number| (1..=max).contains(&number));
        if in_range { Ok(number) } else { Err(out_of_range(name)) }
    };
    match (read("pageIndex", index_max)?, read("pageSize", size_max)?) {
        (Some(_), None) => Err(no_size()),
        (Some(index), Some(size)) => Ok(numbered(index, size)),
        (None, _) => Ok(FIRST),
    }
}

/// The refusal of a page without room.
pub(super) fn no_size() -> ApiError {
    ApiError::new(4123, "page size cannot be 0")
}

fn numbered(index: u64, size: u64) -> Window {
    Window { offset: (index - 1).saturating_mul(size), limit: size }
}

fn out_of_range(name: &str) -> ApiError {
    ApiError::invalid(format!("{name} is out of range"))
}

/// Reads a number as Go does where its error is not looked at: a text that is no number is 0, and
/// a number that does not fit is the nearest that does.
pub(super) fn integer(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

/// The rows of a list inside a window, and the number of all rows.
pub(super) struct Sieve<T> {
    window: Window,
    pub(super) page: Page<T>,
}

impl<T> Sieve<T> {
    pub(super) fn new(window: Window) -> Self {
        Self { window, page: Page::empty() }
    }

    /// Counts a row, and stores it if it is inside the window.
    pub(super) fn take(&mut self, row: T) {
        let Window { offset, limit } = self.window;
        if (offset..offset.saturating_add(limit)).contains(&self.page.total) {
            self.page.items.push(row);
        }
        self.page.total += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for text in ["", "abc", "1.0", "+", "+-1", " 1"] {
            assert_eq!(integer(text), 0, "{text:?}");
        }
        let (most, least) = ("9223372036854775808", "-99999999999999999999");
        assert_eq!(["7", "+1", "-3", "007"].map(integer), [7, 1, -3, 7]);
        assert_eq!([most, least].map(integer), [i64::MAX, i64::MIN]);
    }

    #[test]
    fn pages_become_windows() {
        let window = |query: &str| FunctionPage::parse(&Params::parse(query)).window().unwrap();
        let rows = |offset, limit| Some(Window { offset, limit });
        assert_eq!(window(""), rows(0, 1000));
        assert_eq!(window("pageIndex=3&pageSize=2"), rows(4, 2));
        assert_eq!(window("pageIndex=0&pageSize=-2"), rows(0, 1000));
        assert_eq!(window("pageSize=0"), None);
    }
}
