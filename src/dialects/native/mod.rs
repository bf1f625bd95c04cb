//! The native API under `/api/v1`, used by the command line; uploads are raw bodies.
//!
//! Described in design.md section 8. Decisions made here:
//! - A list's `next` is the last name or number as an opaque text; clients return it unchanged.
//! - The head of a function is the version `null`, called `latest`.
//! - Code is the body, or the object that `bucket` and `object` name in the query of a request
//!   without a body; never both, nor half of a reference.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use super::dialect::Dialect;
use super::guide::Guide;
use errors::ApiError;

/// Largest zip of a request: the catalog's own limit, 500 MiB.
const ZIP_MAX: u64 = 500 << 20;

/// The native dialect.
pub(super) static NATIVE: Dialect = Dialect {
    name: "native",
    operations: routes::operations,
    // This dialect is the last and takes the requests that no cloud recognizes.
    recognizes: |_| true,
    upload_limit: ZIP_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: |_| Ok(super::auth::anonymous()),
    word: |_, error| Box::new(ApiError::from(error)),
    unserved: |_, unserved| ApiError::from(unserved).into(),
    finish: errors::finish,
    serves_slash: true,
    actions: None,
    client_id_header: None,
    fills_inbox: false,
    cloud_ids: &[],
    weakness: None,
    guide: Some(&Guide {
        title: "the native API",
        key: "LAYERBASE_KEY or --key-file of this command line, the header Authorization: Bearer \
              of others",
        variables: &[("LAYERBASE_SERVER", "{url}")],
        code: r#"
This command line reads the variable:
  layerbase layer ls
curl:
  curl --data-binary @layer.zip '{url}/api/v1/layers/NAME/versions?runtime=python3.12'
  curl '{url}/api/v1/layers/NAME/versions/latest'"#,
    }),
};
