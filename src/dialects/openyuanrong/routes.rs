//! The operations, by noun.

mod functions;
mod layers;
mod versions;

use super::auth::TENANT_HEADERS;
use crate::dialects::operation::Operation;

/// Returns the operations of this dialect, in the order of openyuanrong.md section 1.
pub(super) fn operations() -> Vec<Operation> {
    let groups = [versions::operations(), functions::operations(), layers::operations()];
    groups.into_iter().flatten().collect()
}

/// The prefixes of the functions' own API.
const SERVERLESS: &[&str] = &["/serverless/v1", "/admin/v1"];

/// The prefix of uploads and layers.
const REPOSITORY: &[&str] = &["/function-repository/v1"];
