//! `pageIndex` and `pageSize` ↔ the catalog's windows (openyuanrong.md section 6).

use super::errors::ApiError;
use crate::dialects::params::Params;
use crate::domain::Window;

/// Entries of a page that nobody gave a size.
const SIZE_DEFAULT: u64 = 1000;

/// A page of functions: the numbers as they were read, to be echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FunctionPage {
    pub(super) index: i64,
    pub(super) size: i64,
}

impl FunctionPage {
    pub(super) fn parse(params: &Params) -> Self {
        let read = |name: &str, default: u64| match params.raw(name) {
            Some(text) => integer(text),
            None => default as i64,
        };
        Self { index: read("pageIndex", 1), size: read("pageSize", SIZE_DEFAULT) }
    }

    /// Whether the page has no room, which the two lists answer differently.
    pub(super) fn is_zero_sized(self) -> bool {
        self.index >= 1 && self.size == 0
    }

    /// Page 0 is the first 1000 entries, whatever its size.
    pub(super) fn window(self) -> Result<Window, ApiError> {
        match (u64::try_from(self.index), u64::try_from(self.size)) {
            (Err(_), _) => Err(out_of_range("pageIndex")),
            (Ok(0), _) => Ok(Window { offset: 0, limit: SIZE_DEFAULT }),
            (Ok(_), Err(_)) => Err(out_of_range("pageSize")),
            (Ok(index), Ok(size)) => Ok(numbered(index, size)),
        }
    }
}

/// Reads a page of layers: the two parameters come together, each within its limit.
pub(super) fn layer_window(
    params: &Params,
    index_max: u64,
    size_max: u64,
) -> Result<Window, ApiError> {
    let read = |name: &'static str, max: u64| {
        let number = params.raw(name).map(|text| u64::try_from(integer(text)).unwrap_or(0));
        match number {
            Some(number) if !(1..=max).contains(&number) => Err(out_of_range(name)),
            number => Ok(number),
        }
    };
    let size = params.raw("pageSize").is_some();
    match read("pageIndex", index_max)? {
        Some(_) if !size => Err(no_size()),
        Some(index) => Ok(numbered(index, read("pageSize", size_max)?.unwrap_or(SIZE_DEFAULT))),
        None => {
            read("pageSize", size_max)?;
            Ok(Window { offset: 0, limit: SIZE_DEFAULT })
        }
    }
}

pub(super) fn no_size() -> ApiError {
    ApiError::new(4123, "page size cannot be 0")
}

fn numbered(index: u64, size: u64) -> Window {
    Window { offset: (index - 1).saturating_mul(size), limit: size }
}

fn out_of_range(name: &str) -> ApiError {
    ApiError::invalid(format!("{name} is out of range"))
}

/// Reads a number as Go does where its error is not looked at: no number is 0, a larger one than
/// fits is the largest that does.
pub(super) fn integer(text: &str) -> i64 {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(if negative { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, number) in [
            ("7", 7),
            ("+1", 1),
            ("-3", -3),
            ("007", 7),
            ("", 0),
            ("abc", 0),
            ("1.0", 0),
            ("+", 0),
            ("+-1", 0),
            (" 1", 0),
            ("9223372036854775808", i64::MAX),
            ("-99999999999999999999", i64::MIN),
        ] {
            assert_eq!(integer(text), number, "{text:?}");
        }
    }

    #[test]
    fn pages_become_windows() {
        let window = |query: &str| FunctionPage::parse(&Params::parse(query)).window().ok();
        let rows = |offset, limit| Some(Window { offset, limit });
        assert_eq!(window(""), rows(0, 1000));
        assert_eq!(window("pageIndex=3&pageSize=2"), rows(4, 2));
        assert_eq!(window("pageIndex=0&pageSize=-2"), rows(0, 1000));
        assert_eq!(window("pageIndex=-1"), None);
        assert_eq!(window("pageSize=-1"), None);
        let far = window("pageIndex=9223372036854775807&pageSize=9223372036854775807");
        assert_eq!(far, rows(u64::MAX, i64::MAX as u64));
    }
}
