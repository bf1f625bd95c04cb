//! Parts of long lists: positions, sizes, order.

/// The direction of a list along its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A stretch of a list by position, for the clouds whose pages are numbered.
///
/// `limit` is the number of rows at most, `offset` the number of rows before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows to pass over.
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
    /// That row, where finding out took reading it.
    pub next: Option<T>,
    /// Number of rows on all pages together, where the caller's cloud reports it.
    pub total: u64,
}

impl<T> Page<T> {
    /// Returns a page of a list that has nothing, or nothing more.
    pub fn empty() -> Self {
        Self { items: Vec::new(), more: false, next: None, total: 0 }
    }

    /// Turns each row into something else.
    pub fn map<U>(self, mut turn: impl FnMut(T) -> U) -> Page<U> {
        let items = self.items.into_iter().map(&mut turn).collect();
        Page { items, more: self.more, next: self.next.map(turn), total: self.total }
    }
}
