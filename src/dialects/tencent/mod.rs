//! Tencent Cloud SCF, API version 2018-04-16.
//!
//! Sources: Tencent Cloud API documentation "Serverless Cloud Function", the SDKs for Python and
//! Node.js, and `tccli`; at least one of those clients relies on each wire rule below.
//!
//! Quirks:
//! - One URL, `/`, for POST (JSON or form) and GET (query); the operation is named by the header
//!   `X-TC-Action` or the parameter `Action`.
//! - The status is always 200 and the media type exactly `application/json`, also for errors: the
//!   Python SDK reads an error as an empty success otherwise.
//! - Unknown parameters are ignored: real tools send undocumented ones.
//! - Numbers may arrive as digits in a text. Lists may arrive as one text.
//! - Times are wall clock at UTC+8 without a zone.
//! - A zip may be 50 MiB in every POST form, also where the vendor's gateway allows less.
//! - `Content` may name an object by `CosBucketName` and `CosObjectName` in place of the zip. The
//!   bucket is found by its full name, which ends in `-<AppId>` at the vendor. A `/` in front of
//!   the object's name is no part of it; `CosBucketRegion` is ignored.
//! - A download is an `application/octet-stream`, as its link states, which the cloud's own does
//!   too.
//! - The signed host has a port, none, or a scheme before it, depending on the client. The scope's
//!   service is a part of the client's endpoint, and any is accepted.
//! - The SDKs sign the media type, the host and the body, but not the header that names the action.
//!   A parameter `Action` is signed, so it takes precedence over that header.
//! - The older signature joins decoded parameters without escapes: a value with `&` and `=` in it
//!   signs like two parameters. That is the vendor's rule; the server cannot tell them apart.
//!
//! Decided here, where the documents are silent: layers are listed with the newest publication
//! first, versions with the highest number first, and a `Limit` above 1000 means 1000. A region and
//! the token of temporary credentials are ignored. Credentials are checked before action and
//! version, which a client notices only when both are wrong. A time that is no number is an
//! `InvalidParameter`; a scope of another day than the time an `AuthFailure.InvalidAuthorization`;
//! an unknown `SignatureMethod` matches no signature. An empty `ZipFile` is no code, so an object
//! may be given with it. A zip in a bucket may be 500 MiB, the vendor's limit when unpacked: of one
//! zip here, of a function with its layers there.
//! A catalog that cannot be reached is `ResourceUnavailable`, which Terraform retries (tencent.md
//! section 13.4); a full disk is `ResourceInsufficient`, a body in an encoding other than gzip an
//! `UnsupportedOperation`.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use errors::ApiError;
use routes::action;

use super::auth::anonymous;
use super::dialect::{Actions, Dialect};
use super::guide::{Guide, KEY_ID, KEY_SECRET};
use super::tenants;
use crate::domain::CloudIdField;

/// Largest zip inside a request: `Code.ZipFile`, 50 MB.
const ZIP_MAX: u64 = 50 << 20;

/// Largest zip in a bucket; the vendor documents only 500 MB unpacked (tencent.md section 3.2).
const OBJECT_MAX: u64 = 500 << 20;

/// Largest size of a zip's entries, unpacked (tencent.md section 3.2).
const UNPACKED_MAX: u64 = 500 << 20;

/// The app id of a tenant.
const APP_ID: CloudIdField = CloudIdField {
    name: "tencent_app_id",
    about: "app id, digits",
    rule: "must be decimal digits, such as \"1250000000\"",
    parse: tenants::digits,
};

/// The Tencent dialect.
pub(super) static TENCENT: Dialect = Dialect {
    name: "tencent",
    operations: routes::operations,
    recognizes: |head| head.uri.path() == "/" || head.headers.contains_key("x-tc-action"),
    upload_limit: ZIP_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: |_| Ok(anonymous()),
    word: |_, error| Box::new(ApiError::from(error)),
    unserved: |_, unserved| ApiError::from(unserved).into(),
    finish: |_, response| response,
    serves_slash: true,
    actions: Some(Actions {
        resolve: action::resolve,
        parse: Some(action::parse),
        renew: action::renew,
    }),
    client_id_header: None,
    fills_inbox: false,
    cloud_ids: &[APP_ID],
    weakness: Some(
        "whose v3 signature need not cover the header X-TC-Action: for five minutes a captured \
         request can be sent again as another action, such as a deletion, with the same body",
    ),
    guide: Some(&GUIDE),
};

const GUIDE: Guide = Guide {
    title: "Tencent Cloud SCF (2018-04-16)",
    key: "SecretId and SecretKey",
    variables: &[
        ("TENCENTCLOUD_SECRET_ID", KEY_ID),
        ("TENCENTCLOUD_SECRET_KEY", KEY_SECRET),
        ("TENCENTCLOUD_REGION", "ap-guangzhou"),
    ],
    code: r#"
tccli (the scheme is needed; without it TLS is used); once for all, or with each command:
  tccli configure set scf.endpoint {url}
  tccli scf ListLayers --endpoint {url}
Python, tencentcloud-sdk-python-scf:
  http = HttpProfile(protocol="{scheme}", endpoint="{host}")
  ScfClient(Credential("local", "local"), "ap-guangzhou", ClientProfile(httpProfile=http))
Node, tencentcloud-sdk-nodejs-scf (unset http_proxy: it is used even for 127.0.0.1):
  new scf.v20180416.Client({credential: {secretId: "local", secretKey: "local"}, region: "ap-guangzhou",
      profile: {httpProfile: {protocol: "{scheme}://", endpoint: "{host}"}}})
Go, tencentcloud-sdk-go:
  profile.HttpProfile.Scheme = "{SCHEME}"; profile.HttpProfile.Endpoint = "{host}"
curl:
  curl '{url}/' -H 'Content-Type: application/json' -H 'X-TC-Action: GetLayerVersion' \
      -H 'X-TC-Version: 2018-04-16' -d '{"LayerName":"NAME","LayerVersion":1}'"#,
};
