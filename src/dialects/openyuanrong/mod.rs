//! openYuanrong's `meta_service` and the function repository of the same code base.
//!
//! Sources: openYuanrong documentation "meta_service API", the server's own code and answers, and
//! `yrcli` of the PyPI package `openyuanrong-sdk`. The vendor names its calls by path alone; the
//! operations' names here are ours: `ListFunctionVersions`, `RegisterFunction`, …
//!
//! Quirks:
//! - `/serverless/v1` and `/admin/v1` are the same API; `yrcli` uses the second alone.
//! - There are four envelopes. In the list of versions `pageIndex` and `pageSize` are texts, and
//!   `functions` is null, never `[]`, when the page is empty.
//! - The same refusal has another status on another path (openyuanrong.md section 8).
//! - A path that is served without the slash at its end is redirected to that one.
//! - Bodies are read as Go reads them: keys in any case, null is absent, and bytes after the first
//!   value are not read. Answers escape `<`, `>` and `&` as Go does.
//! - `codeSha256` and `layerSha256` hold SHA-512.
//! - The head is `latest` for the kind `faas` and `$latest` for all others, and the request states
//!   the kind. The head is in lists, and every write moves it to the front.
//! - An upload has two content types: one header has the size, another the boundary.
//!
//! Different on purpose (the numbers are those of openyuanrong.md section 11 where it has one):
//! - Layer numbers are never used twice, and published versions never take new code.
//! - `storageType` and `codePath` are in the list of versions (2). Bound layers are shown with all
//!   that is known of them (5): otherwise their numbers would be lost.
//! - `DELETE ?qualifier=` deletes the version of that name and never the whole function (10);
//!   negative pages are refused (11); `status` is always "" (13).
//! - Names as other clouds make them, with `_` for example, are accepted in paths, for the list of
//!   versions if such a function exists. Their functions are of kind `faas`, stored `local` in our
//!   own code folder, and called `0@group@name`, because `yrcli list` prints names without their
//!   first two characters.
//! - `0@svc@fn` and `0-svc-fn` are one function, shown as it was registered; `fn` is in the group
//!   `default`.
//! - HEAD is answered like GET.
//! - A tenant has the URN's form in the catalog, so that `a@b` without a product and `a` with the
//!   product `b` are one. A tenant that the catalog cannot name is refused.
//!
//! With authentication on (openyuanrong.md section 9), which the vendor has in its gateway alone:
//! - All routes need the token, not only those below `/admin/v1`.
//! - It is signed with the secret of any enabled key of the tenant `sub`; each key is tried. The
//!   key's role counts; the token's own `role` and its limits are not read.
//! - `X-Product-Id` names a subtenant of that tenant; `X-Tenant-Id` is not read.
//! - The token's parts have no `=` at their ends, and `exp` and `sub` are required.
//!
//! Decided where the reference is silent:
//! - A key's role that does not cover the operation is a 403, too many requests are a 429, too many
//!   at a time and a catalog or storage that cannot be reached a 503, and a full disk a 507, all in
//!   the form of the gateway's 401: `{"error": …}`.
//! - `GET /layers` shows each layer by its newest version, or by the version asked for.
//! - `isAdmin` shows an empty list as `[]`, and a registered function without its `id`.
//! - A qualifier in the form of an alias that does not exist means the head in a GET, whatever the
//!   name of the head.
//! - Uploaded code stays in an update, unless the update names an object of a bucket instead.
//! - The code of `s3CodePath` is copied when its bucket is known here, for the other clouds and for
//!   downloads. Then the object must exist, be a zip within the limits of an upload, and have the
//!   `sha512` if one is stated. The record stays the vendor's, `codeSize` 0 and `codeSha256` as
//!   stated, until another cloud replaces the code. An update without the bucket removes the copy.
//!   For a bucket that is not known here, another `storageType`, or names that no object here can
//!   have, only the record is stored.
//! - `bucketUrl` and `token` are neither used nor stored: the operator decides which buckets are
//!   read.
//! - A runtime is compatible with a layer in any case of letters, and with a layer that names none.
//! - The server's own faults have the code 121000, a number that no vendor's text explains.
//! - Five layers may be bound to a function; layers and their versions are not counted.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use super::dialect::Dialect;
use super::guide::Guide;
pub(crate) use auth::mint;

/// Largest zip: 300 MiB (openyuanrong.md section 3).
const ZIP_MAX: u64 = 300 << 20;

/// The first segments of every path.
const FIRST_SEGMENTS: [&str; 3] = ["serverless", "admin", "function-repository"];

/// The openYuanrong dialect.
pub(super) static OPENYUANRONG: Dialect = Dialect {
    name: "openyuanrong",
    operations: routes::operations,
    recognizes: |head| {
        let first = head.uri.path().split('/').nth(1).unwrap_or_default();
        FIRST_SEGMENTS.contains(&first)
    },
    upload_limit: ZIP_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: auth::anonymous,
    word: errors::word,
    unserved: errors::unserved,
    finish: |_, response| response,
    serves_slash: false,
    actions: None,
    client_id_header: None,
    fills_inbox: false,
    cloud_ids: &[],
    weakness: None,
    guide: Some(&Guide {
        title: "openYuanrong",
        key: "the token that `layerbase key token <key id>` makes, for yrcli --jwt-token or the \
              header X-Auth",
        variables: &[],
        code: r#"
yrcli, from the Python package openyuanrong-sdk, reads no variable:
  yrcli --server-address {host} list
  yrcli --server-address {host} deploy --skip-package true --function-json f.json
  yrcli --server-address {host} query -f svc@fn
curl:
  curl '{url}/serverless/v1/functions/0@svc@fn/versions?pageIndex=1&pageSize=10'
With --auth on each takes the token of a key, which is made where the data folder is:
  TOKEN=$(layerbase key token ID)
  yrcli --server-address {host} --jwt-token "$TOKEN" list
  curl -H "X-Auth: $TOKEN" '{url}/serverless/v1/functions/0@svc@fn/versions?pageIndex=1&pageSize=10'
yrcli says that there is no function also when its token was refused."#,
    }),
};
