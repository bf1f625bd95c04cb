//! Huawei Cloud FunctionGraph, API version 2.
//!
//! Sources: Huawei Cloud API reference "FunctionGraph", the same service's reference by Open Telekom
//! Cloud, the SDKs for Python and Node.js, and the official Terraform provider; the wire rules below
//! were each met by one of those clients. A dependency is a layer, a package is a group.
//!
//! Quirks:
//! - A function is named by a URN in one path segment, with colons raw (Node.js) or escaped
//!   (Python); documented short forms leave parts out. The project in the path is a label.
//! - The head is the version `latest`, always first in the list; each row's URN ends with its
//!   version, because Terraform uses it as that version's name.
//! - Publishing may have an empty object for a body, or none, under a JSON media type.
//! - `marker` is an offset. `next_marker` is never 0 behind rows: one client would start again.
//! - The version list has no page size of its own: without `maxitems` it is the whole list.
//! - Times are texts in UTC with seconds, but epoch seconds in dependencies.
//! - A signature covers the headers that its own list names; `X-Sdk-Date` must be among them. The
//!   path that it covers ends with a slash, is encoded anew, and by some clients encoded twice.
//! - Refusals of the service are `FSS.…`, those of the gateway `APIGW.…` with the request's id; every
//!   answer carries it in `X-Request-Id`.
//!
//! Decided here, where the documents are silent:
//! - A refusal's text is the vendor's; where it would leave a reader guessing, the field and its
//!   limit follow in parentheses. A missing or mistyped field has the code of that field.
//! - A token is a key's id and secret, `X-Auth-Token: <key id>.<secret>`: there is no IAM here that
//!   hands out others. A request that has an `Authorization` is let in by that or not at all.
//! - An `Authorization` that cannot be read, of another algorithm (SM3, ECDSA, SM2, V11), or without
//!   its date is APIGW.0301 with words of our own; a disabled key is one that does not exist.
//! - A key is not locked after wrong signatures, as the vendor does for five minutes.
//! - The code type says where code is: with `obs` in `code_url`, else in `func_code.file`, else in
//!   `func_code.link`; what is in the other fields is not looked at, for the Terraform provider
//!   sends it along from the last answer. A dependency's type says the same of its two fields.
//! - Code by reference is an archive in a bucket, named as `obs://<bucket>/<key>` with the key as it
//!   is, or by the storage's https addresses, or behind a download link of this server for as long
//!   as that is good, whatever host it was made for. A query on the storage's addresses is refused,
//!   since it may select another object. It is copied when it is named.
//! - `code_url` is shown as it was given, while the code type is `obs`.
//! - A dependency's archive that is no zip is FSS.1024, like other bad dependencies.
//! - A dependency that lost all versions is gone from the lists; made again, it goes on counting.
//! - Layers that another cloud made public are `owner` `public`, all others the caller's.
//! - `depend_list` holds dependency ids, `depend_version_list` version ids. A version that was
//!   deleted while a function was bound to it is left out of both.
//! - `encrypted_user_data` is kept with its values blanked, as it is always shown.
//! - The environment of a function is `user_data`, for all clouds; where another cloud changed it
//!   since, the text is made anew.
//! - An update of the code that names neither code nor dependencies nor a file name is FSS.1012.
//! - What only this cloud knows of a function has defaults for functions that others made.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::request::Parts;
use axum::response::Response;

use super::{AuthHead, AuthRequest, Call, Dialect, Operation, Refusal};
use crate::domain::Caller;

/// Largest function code inside a request: 50 MB (huawei.md section 3).
const CODE_MAX: u64 = 50 << 20;

/// Largest dependency inside a request: 40 MB (huawei.md section 3).
const DEPENDENCY_MAX: u64 = 40 << 20;

/// Largest archive that is named and not sent: 300 MB (huawei.md section 3).
const OBJECT_MAX: u64 = 300 << 20;

/// The Huawei dialect.
pub(super) struct Huawei;

impl Dialect for Huawei {
    fn name(&self) -> &'static str {
        "huawei"
    }

    fn operations(&self) -> Vec<Operation> {
        routes::operations()
    }

    /// `/v2/{project_id}/fgs/…` is no other cloud's.
    fn recognizes(&self, head: &Parts) -> bool {
        let mut segments = head.uri.path().split('/').skip(1);
        segments.next() == Some("v2") && segments.nth(1) == Some("fgs")
    }

    fn upload_limit(&self) -> u64 {
        CODE_MAX
    }

    fn check_head(&self, request: AuthHead<'_>) -> Result<(), Box<Response>> {
        auth::check_head(request)
    }

    fn authenticate(&self, request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
        auth::verify(request)
    }

    fn refuse(&self, _call: &Call, refusal: Refusal) -> Response {
        errors::refuse(refusal)
    }

    fn complete(&self, call: &Call, response: Response) -> Response {
        errors::complete(call, response)
    }
}
