//! The inbox: a small door for clients of S3 and its relatives, through which code comes before a
//! layer or a function is made from it.
//!
//! Sources: Amazon S3 API reference, and what boto3, the AWS CLI, the AWS SDK for JavaScript, minio's,
//! s3cmd and Huawei's `esdk-obs-python` (`signature="v4"`) send. Routing, parameters and XML are the crate `s3s`'s; signatures, bodies and what is kept
//! are ours.
//!
//! Quirks:
//! - The address is `/s3`, path style only: `/s3/{bucket}/{key}`, and the signature covers `/s3`. Some
//!   clients (`mc`, s3cmd) take no address with a path: whatever is signed by this protocol's scheme
//!   in the header, or presigned, is turned here from any other path, `/{bucket}/{key}`.
//! - Three kinds of bodies come: whole ones, ones in chunks that are signed one by one, and ones in
//!   chunks with only a checksum behind them. What was signed or stated is compared before anything
//!   is kept.
//! - An entity tag is the MD5, and for a multipart upload the MD5 of the parts' MD5s and their number.
//! - Clients compare `Content-Length`, `ETag` and `Last-Modified`, and take a listing page by page.
//!
//! Decided here:
//! - Buckets need not be made: a bucket is there for whoever asks, with an empty list if need be, and
//!   is named in the list of buckets while something is in it. Making one is answered as done; deleting
//!   one that has objects is refused.
//! - An object belongs to the tenant of the key that put it. It goes when its time is over, which
//!   answers say as `x-amz-expiration`.
//! - A key is a name and never a path of a file. Control characters, U+FFFE and U+FFFF in it are
//!   refused: XML cannot carry them.
//! - An object may be as large as the largest zip that a reference can name, 500 MiB, or
//!   `--max-upload`.
//! - A presigned address is good for up to seven days, every other signature for 15 minutes before
//!   and after. Every `x-amz-` header must be signed.
//! - There are no versions, ACLs, tags, encryption or storage classes: what only asks for them is
//!   refused as not implemented, headers that ask for them beside an upload are not looked at. Nor are
//!   `Cache-Control`, `Content-Disposition` and `Content-Encoding` kept: objects are code on its way.
//! - A `versionId` and, of an object in parts, a `partNumber` are refused: answering about the one
//!   object that is there would be wrong. An unfinished upload goes when its time is over, counted from
//!   its start.
//! - A change on a condition is refused, because it would be made whether or not the condition holds.
//! - No bucket is called `s3` here: from the root its path would be the prefix.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::request::Parts;
use axum::response::Response;
pub(super) use wire::reroute;

use super::{AuthHead, AuthRequest, Call, Dialect, Operation, Refusal};
use crate::domain::Caller;

/// Largest object: what the clouds take from a bucket (design.md section 3).
const OBJECT_MAX: u64 = 500 << 20;

/// Where the door is.
const PREFIX: &str = "/s3";

/// The dialect of S3.
pub(super) struct S3;

impl Dialect for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn operations(&self) -> Vec<Operation> {
        routes::operations()
    }

    fn recognizes(&self, head: &Parts) -> bool {
        wire::is_below_the_door(head.uri.path())
    }

    fn upload_limit(&self) -> u64 {
        OBJECT_MAX
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

    fn dispatchers(&self) -> Vec<Operation> {
        routes::dispatchers()
    }
}
