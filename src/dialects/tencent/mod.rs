//! Tencent Cloud SCF, API version 2018-04-16.
//!
//! Sources: Tencent Cloud API documentation "Serverless Cloud Function", the SDKs for Python and
//! Node.js, and `tccli`; the wire rules below were each met by one of those clients.
//!
//! Quirks:
//! - One URL, `/`, for POST (JSON or form) and GET (query); the operation is named by the header
//!   `X-TC-Action` or the parameter `Action`.
//! - The status is always 200 and the media type exactly `application/json`, also for errors: the
//!   Python SDK reads an error as an empty success otherwise.
//! - Unknown parameters are ignored: real tools send some that no document knows.
//! - Numbers may arrive as digits in a text. Lists may arrive as one text.
//! - Times are wall clock at UTC+8 without a zone.
//! - A zip may be 50 MiB in every POST form, also where the vendor's gateway stops earlier.
//! - `Content` may name an object by `CosBucketName` and `CosObjectName` in place of the zip. The
//!   bucket is looked up by the full name, which ends in `-<AppId>` at the vendor; a `/` in front of
//!   the object's name is no part of it; `CosBucketRegion` is not looked at.
//! - The signed host has its port, or not, or a scheme before it: that depends on the client. The
//!   scope's service is what the client took from its endpoint, and any is good.
//! - The SDKs sign the media type, the host and the body, but not the header that names the action.
//!   A parameter `Action` is signed, so that it goes before that header.
//! - The older signature joins decoded parameters without escapes: a value with `&` and `=` in it
//!   signs like two parameters. That is the vendor's, and cannot be told apart here.
//!
//! Decided here, where the documents are silent: layers are listed with the newest publication
//! first, versions with the highest number first, and a `Limit` above 1000 means 1000. A region is
//! accepted and not looked at, and so is the token of temporary credentials. Credentials are checked
//! before action and version, which a client notices only where both are wrong. A time that is no
//! number is an `InvalidParameter`; a scope of another day than the time an
//! `AuthFailure.InvalidAuthorization`; a `SignatureMethod` that does not exist fits no signature.
//! An empty `ZipFile` is no code, so that an object may stand beside it. A zip in a bucket may be
//! 500 MiB, which is what the vendor allows unpacked.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::request::Parts;
use axum::response::Response;

use super::{AuthHead, AuthRequest, Call, Dialect, Operation, Refusal};
use crate::domain::Caller;

/// Largest zip inside a request: `Code.ZipFile`, 50 MB.
const ZIP_MAX: u64 = 50 << 20;

/// Largest zip in a bucket; the vendor documents only 500 MB unpacked (tencent.md section 3.2).
const OBJECT_MAX: u64 = 500 << 20;

/// The Tencent dialect.
pub(super) struct Tencent;

impl Dialect for Tencent {
    fn name(&self) -> &'static str {
        "tencent"
    }

    fn operations(&self) -> Vec<Operation> {
        routes::operations()
    }

    fn dispatchers(&self) -> Vec<Operation> {
        routes::dispatchers()
    }

    fn recognizes(&self, head: &Parts) -> bool {
        head.uri.path() == "/" || head.headers.contains_key("x-tc-action")
    }

    fn upload_limit(&self) -> u64 {
        ZIP_MAX
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
