//! The operations in the order of the vendor's index; handlers are in one file per noun.

mod layers;

use crate::dialects::Operation;

/// Operations of this dialect.
pub(super) fn operations() -> Vec<Operation> {
    layers::operations()
}
