//! The operations in the order of the vendor's index; handlers are in one file per noun.

mod layers;
mod tokens;

use crate::dialects::operation::Operation;

/// Returns the operations, layers first.
pub(super) fn operations() -> Vec<Operation> {
    layers::operations().into_iter().chain(tokens::operations()).collect()
}
