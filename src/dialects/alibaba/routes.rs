//! The operations in the order of the vendor's index; handlers are in one file per noun.

mod layers;
mod objects;
mod tokens;

use crate::dialects::Operation;

/// Operations of this dialect.
pub(super) fn operations() -> Vec<Operation> {
    [layers::operations(), tokens::operations(), objects::operations()]
        .into_iter()
        .flatten()
        .collect()
}
