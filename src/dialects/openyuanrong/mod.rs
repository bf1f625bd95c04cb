//! openYuanrong's `meta_service` and the function repository of the same code base.
//!
//! Sources: openYuanrong documentation "meta_service API", the server's own code and answers, and
//! `yrcli` of the PyPI package `openyuanrong-sdk`. The vendor names its calls by path alone; the
//! operations' names here are ours: `ListFunctionVersions`, `RegisterFunction`, …
//!
//! Quirks:
//! - `/serverless/v1` and `/admin/v1` are the same API; the command line only speaks the second.
//! - Four envelopes; `pageIndex` and `pageSize` are texts in the list of versions, and its
//!   `functions` is null, never `[]`, when the page is empty.
//! - One and the same refusal has another status on another path (openyuanrong.md section 8).
//! - Bodies are read as Go reads them: keys in any case, null is absent, what follows the first
//!   value is not looked at. Answers write `<`, `>`, `&` as Go does.
//! - `codeSha256` and `layerSha256` hold SHA-512.
//! - The head is `latest` for the kind `faas`, `$latest` for all others, and the caller has to say
//!   which one he means. It appears in lists, and every write moves it to the front.
//! - An upload has two content types: the size in one header, the boundary in another.
//!
//! Different on purpose (the numbers are those of openyuanrong.md section 11 where it has one):
//! - Layer numbers are never given out twice, and published versions never take new code.
//! - `storageType` and `codePath` are in the list of versions (2); bound layers are shown with all
//!   that is known of them (5), since their numbers are lost otherwise.
//! - `DELETE ?qualifier=` deletes the version of that name and never the whole function (10);
//!   negative pages are refused (11); `status` is always "" (13).
//! - Names as other clouds make them, with `_` for example, are taken in paths; their functions are
//!   of kind `faas`, stored `local` in our own code folder, and called `0@group@name`, because
//!   `yrcli list` prints names without their first two characters.
//! - `0@svc@fn` and `0-svc-fn` are one function, shown as it was registered; `fn` is in the group
//!   `default`.
//! - Paths may end with `/`, without a redirect. HEAD is answered like GET.
//! - A tenant has the URN's form in the catalog, so that `a@b` without a product and `a` with the
//!   product `b` are one; a tenant that is no name of the catalog is refused.
//!
//! With authentication on (openyuanrong.md section 9), which the vendor has in his gateway alone:
//! - The token is asked for on all routes, not only below `/admin/v1`.
//! - It is signed with the secret of any enabled key of the tenant `sub`, which is told apart by
//!   trying. The key's role counts; the token's own `role` and its limits are not looked at.
//! - `X-Product-Id` still divides the tenant, within itself; `X-Tenant-Id` is not looked at.
//! - Its parts have no `=` at their ends, and `exp` and `sub` must be there.
//!
//! Decided where the reference is silent:
//! - What a key's role does not cover, too many requests and too many at a time are refused by 403,
//!   429 and 503 in the form of the gateway's 401: `{"error": …}`.
//! - `GET /layers` shows each layer by its newest version, or by the version asked for.
//! - `isAdmin` shows an empty list as `[]`, and a registered function without its `id`.
//! - A qualifier that looks like an alias and is none means the head in a GET, whatever its name.
//! - Uploaded code stays in an update, unless the update names an object of a bucket instead.
//! - The code of `s3CodePath` is copied when its bucket is known here, for the other clouds and for
//!   downloads: then the object must be there, be a zip within the limits of an upload, and have the
//!   `sha512` if one is stated. The record is the vendor's all the same, `codeSize` 0 and
//!   `codeSha256` as stated, until another cloud replaces the code. An update that leaves the bucket
//!   out takes the copy away. Of a bucket that is not known here, or with another `storageType`, or
//!   by names that no object here can have, the record alone is kept.
//! - `bucketUrl` and `token` are neither used nor kept: which buckets are read is the operator's to
//!   say.
//! - A runtime is compatible with a layer in any case of letters, and with one that names none.
//! - Our own faults have the code 121000, a number that no vendor's text explains.
//! - Five layers may be bound to a function; layers and their versions are not counted.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::request::Parts;
use axum::response::Response;

use super::{AuthHead, AuthRequest, Call, Dialect, Operation, Refusal};
use crate::domain::Caller;
pub(crate) use auth::mint;

/// Largest zip: 300 MiB (openyuanrong.md section 3).
const ZIP_MAX: u64 = 300 << 20;

/// The first parts of every path, without a slash at their ends.
const PREFIXES: [&str; 3] = ["/serverless/v1", "/admin/v1", "/function-repository/v1"];

/// The openYuanrong dialect.
pub(super) struct OpenYuanrong;

impl Dialect for OpenYuanrong {
    fn name(&self) -> &'static str {
        "openyuanrong"
    }

    fn operations(&self) -> Vec<Operation> {
        routes::operations()
    }

    fn recognizes(&self, head: &Parts) -> bool {
        let below = |prefix: &&str| head.uri.path().strip_prefix(*prefix);
        PREFIXES.iter().filter_map(below).any(|rest| rest.is_empty() || rest.starts_with('/'))
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

    fn anonymous(&self, head: &Parts) -> Result<Caller, Box<Response>> {
        auth::anonymous(head)
    }

    fn refuse(&self, call: &Call, refusal: Refusal) -> Response {
        errors::refuse(call, refusal)
    }

    fn complete(&self, _call: &Call, response: Response) -> Response {
        response
    }
}
