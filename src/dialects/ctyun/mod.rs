//! CTyun function compute, `/openapi/v1/`.
//!
//! Sources: the vendor's documentation page "List layer versions" of 2025-10-20, its API portal's
//! catalogue of function compute (revision 40), the `cf` package of its Go SDK, its Terraform
//! provider and its Python core. The operations have only Chinese titles there, so that their
//! English names are ours.
//!
//! Quirks:
//! - Success is HTTP 200 with `statusCode` 0. The service refuses with HTTP 200 as well and another
//!   `statusCode`: the Go client drops every body that has another status. `returnObj` is then
//!   missing, never empty.
//! - What the gateway in front of the service refuses has a real status and a text as `statusCode`.
//! - The header `regionId` must be there. It is echoed as `region` and put into the `ctrn`.
//! - A size is spelled `codeSize` and `codesize`; documents and clients differ, so both are sent.
//! - `codeChecksum` is an object storage's ETag: the MD5 inside double quotes of its own.
//! - The list of a layer's versions has no pages.
//! - A signature covers the named headers, the query and the body, but neither method nor path nor
//!   `regionId`. `Eop-date` ends in `Z` and is Beijing time, the machine's or UTC, by the client.
//! - The official Python core sends no body at all in place of an empty one.
//!
//! Decided here, where the documents are silent: versions are listed with the highest number first;
//! an unknown layer is an empty list, but a version of it that is asked for or deleted is not found;
//! `code.zipFile` creates a layer version without a bucket, and wins over a reference. A reference
//! without a bucket means the bucket `faas-local`, and the code is copied: what becomes of the object
//! later does not change the version. All layer operations answer with the same, whole record, but
//! the creation names the object that the code was copied from, and the others where it is now. `x-trace-id`, which the Python core reads, is the
//! request's id in our log. What a key's role does not allow is refused by the gateway as CTAPI_403,
//! for which no number is documented: the credentials are good, so that 10002 and 10009 would
//! mislead. An `Eop-date` of any age is taken unless the setting `ctyun_skew` limits it. A name that
//! the catalog cannot hold, say for a control character, is an invalid parameter when it is read,
//! too.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::request::Parts;
use axum::response::Response;

use super::{AuthHead, AuthRequest, Call, Dialect, Operation, Refusal};
use crate::domain::Caller;

/// Largest zip inside a request (ctyun.md section 3).
const ZIP_MAX: u64 = 100 << 20;

/// Largest zip in a bucket (ctyun.md section 3).
const OBJECT_MAX: u64 = 500 << 20;

/// The CTyun dialect.
pub(super) struct Ctyun;

impl Dialect for Ctyun {
    fn name(&self) -> &'static str {
        "ctyun"
    }

    fn operations(&self) -> Vec<Operation> {
        routes::operations()
    }

    fn recognizes(&self, head: &Parts) -> bool {
        head.uri.path().starts_with("/openapi/v1/")
    }

    fn upload_limit(&self) -> u64 {
        ZIP_MAX
    }

    fn client_id_header(&self) -> Option<&'static str> {
        Some("ctyun-eop-request-id")
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
