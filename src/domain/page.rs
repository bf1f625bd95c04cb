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
    /// Number of rows on all pages together, where the caller's cloud reports it.
    pub total: u64,
}
