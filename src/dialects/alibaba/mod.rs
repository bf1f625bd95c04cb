//! Alibaba Cloud Function Compute, in its three generations of one API.
//!
//! Sources: Function Compute API documentation ("ListLayers" and its neighbours), the SDKs
//! `@alicloud/fc2`, `aliyun-fc2`, `fc-open20210406`, `fc20230330` and `ali-oss`, and Serverless
//! Devs; the wire rules below were each met by one of those clients.
//!
//! Quirks:
//! - Paths come bare, as the documents print them, or behind a date: 2016-08-15 (the same as bare),
//!   2021-04-06, 2023-03-30. All see the same layers; field names, types and the shape of errors
//!   follow the date.
//! - Keys of a JSON body are met in any case, and `null` means absent.
//! - `nextToken` and `nextVersion` are left out on the last page: a client that finds an empty one
//!   asks for ever. Lists are never left out.
//! - An answer without a body has no media type: a client parses whatever calls itself JSON.
//! - The checksum is CRC-64/XZ as an unsigned decimal text.
//! - An unknown path and a wrong method are both a 400, `PathNotSupported`.
//! - There are three ways to sign, and each is taken in front of every date: an option of the newer
//!   clients goes back to the older one. `FC` covers neither query nor body, and `acs` no body
//!   without a `Content-MD5`; only `ACS3-HMAC-SHA256` is safe where others can change what is sent.
//! - `FC` is signed over the path as sent by one client and over the decoded one by another.
//! - Serverless Devs never sends a zip: it asks for temporary credentials (`tempBucketToken`), puts an
//!   object into the bucket named beside them, and publishes `{account}/{objectName}` of it. Its
//!   store client writes the bucket into `Host`, whatever address it connects to, and any path may
//!   be a key; so that what has the store's scheme, `OSS`, is told by that alone and not by its path.
//! - The store answers in XML, its clients parse nothing else; its digests are an MD5 in upper case
//!   and the CRC-64.
//!
//! Decided here, where the documents are silent or disagree:
//! - A token is the plain name of the next layer, inclusive, in every generation.
//! - `code.ossBucketName` and `code.ossObjectName` name an object of this server's own buckets,
//!   of up to 500 MiB; it is copied when the layer is published. A `zipFile` beside them wins.
//! - `limit` outside 1 to 100, `startVersion` below 1 and a switch that is neither true nor false
//!   are refused.
//! - `public=true` lists the caller's public layers; there are no official layers.
//! - A stated `checksum` and a `license` are honoured in all generations, though only the last one
//!   has them in its model; the first two answer a `license` only where there is one.
//! - The first generation's ARN starts with the MD5 of the account id. An ARN of another account
//!   names nothing here; its region is not looked at.
//! - The `ETag` of a layer version is its own id, which is as immutable as the version.
//! - A signature of every scheme is good for 15 minutes before and after, and must cover the time
//!   of signing. Within them it may be sent again: nonces are not remembered.
//! - `Content-MD5` is not compared with the body for `FC`, whose clients spell it as they like. For
//!   `acs` it must fit the body in one of their cloud_ids: it is all that protects the body.
//! - Credentials that cannot be read, and a date that is none, are an `InvalidArgument`; a body of
//!   another digest than the signed one is a `SignatureNotMatch`.
//! - Of the store there is what uploads need, on single objects without parameters; the rest, also
//!   copies, callbacks and `x-oss-forbid-overwrite`, is `NotImplemented`. Where the host is an IP
//!   address the bucket begins the path. A `Content-MD5` must be the body's, as RFC 1864 has it.
//! - `OSS` is good for the store alone and nothing else is good there; version 4 of it is refused.
//! - Temporary credentials stand for the key that asked, if it may write, for an hour and for the
//!   bucket `local-temp` alone, with whatever role the key has then. Its own secret is not in them.
//! - `CodeSizeLimit` is all that is known of an account; a per-service token is like the other one.
//! - A deletion answers 204 in all generations; a function that uses the version keeps its code.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::request::Parts;
use axum::response::Response;

use super::{AuthHead, AuthRequest, Call, Dialect, Operation, Refusal};
use crate::domain::Caller;
pub(super) use wire::objects::reroute;

/// Largest zip inside a request, 100 MiB (alibaba.md section 3.2).
const ZIP_MAX: u64 = 100 << 20;

/// Largest object that code is taken from and that the inbox takes, 500 MiB (alibaba.md section 3.2).
const OBJECT_MAX: u64 = 500 << 20;

/// The Alibaba dialect.
pub(super) struct Alibaba;

impl Dialect for Alibaba {
    fn name(&self) -> &'static str {
        "alibaba"
    }

    fn operations(&self) -> Vec<Operation> {
        routes::operations()
    }

    fn recognizes(&self, head: &Parts) -> bool {
        let first = wire::first_segment(head.uri.path());
        let date = wire::PREFIXES.iter().any(|prefix| prefix.strip_prefix('/') == Some(first));
        let is_bare = matches!(
            first,
            "layers" | "layerarn" | "services" | "functions" | "tempBucketToken" | "accountConfigs"
        );
        date || is_bare || wire::objects::is_stores(head.uri.path())
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

    fn refuse(&self, call: &Call, refusal: Refusal) -> Response {
        errors::refuse(call, refusal)
    }

    fn complete(&self, call: &Call, response: Response) -> Response {
        errors::complete(call, response)
    }
}
