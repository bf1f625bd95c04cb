//! Pages of lists: positions, sizes, order.

/// The direction of a list along its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A range of rows by position, for the clouds with numbered pages.
///
/// `limit` is the number of rows at most, `offset` the number of rows before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows to skip.
    pub offset: u64,
    /// Rows to return at most.
    pub limit: u64,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the order asked for.
    pub items: Vec<T>,
    /// Whether at least one more row follows the last of `items`.
    pub more: bool,
    /// That row, where it was read to set `more`.
    pub next: Option<T>,
    /// Number of rows on all pages, where the caller's cloud reports it.
    pub total: u64,
}

impl<T> Page<T> {
    /// Returns a page without rows, the last of its list.
    pub fn empty() -> Self {
        Self { items: Vec::new(), more: false, next: None, total: 0 }
    }

    /// Converts each row.
    pub fn map<U>(self, mut convert: impl FnMut(T) -> U) -> Page<U> {
        let items = self.items.into_iter().map(&mut convert).collect();
        Page { items, more: self.more, next: self.next.map(convert), total: self.total }
    }
}
