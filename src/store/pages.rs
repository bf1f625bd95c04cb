//! Pages of lists as ranges of rows: the row beyond a page, the end of a prefix.

use crate::domain::Page;

/// Makes a page of rows that were read with a LIMIT of one more than `limit`.
pub(super) fn cut<T>(mut items: Vec<T>, limit: u64, total: u64) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = items.drain(limit.min(items.len())..).next();
    Page { items, more: next.is_some(), next, total }
}

/// Returns the smallest text that is greater than every text with this prefix; `None` if there is
/// none.
pub(super) fn after_prefix(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        let next = (u32::from(last) + 1..=0x10_ffff).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_returns_the_row_beyond_its_limit_as_next() {
        let page = cut(vec![1, 2, 3], 2, 9);
        assert_eq!(page, Page { items: vec![1, 2], more: true, next: Some(3), total: 9 });
        let last = cut(vec![1, 2], 2, 9);
        assert_eq!(last, Page { items: vec![1, 2], more: false, next: None, total: 9 });
    }

    #[test]
    fn the_end_of_a_prefix_is_after_every_text_with_it() {
        assert_eq!(after_prefix("ab"), Some("ac".to_owned()));
        assert_eq!(after_prefix("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(after_prefix("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(after_prefix(""), None);
    }
}
