//! The operations, by noun.

mod functions;
mod layers;
mod objects;
mod versions;

use super::auth::TENANT_HEADERS;
use crate::dialects::Operation;

/// Operations of this dialect, in the order of openyuanrong.md section 1.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = versions::operations();
    operations.extend(functions::operations());
    operations.extend(layers::operations());
    operations
}

/// Where the functions' own API answers.
const SERVERLESS: &[&str] = &["/serverless/v1", "/admin/v1"];

/// Where uploads and layers are.
const REPOSITORY: &[&str] = &["/function-repository/v1"];
