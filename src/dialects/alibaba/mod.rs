//! Alibaba Cloud Function Compute: the three generations of one API.
//!
//! Sources: Function Compute API documentation ("ListLayers" and its neighbours), the SDKs
//! `@alicloud/fc2`, `aliyun-fc2`, `fc-open20210406`, `fc20230330` and `ali-oss`, and Serverless
//! Devs. Each wire rule below is needed by one of these clients.
//!
//! Quirks:
//! - Paths are bare, as the documents print them, or begin with a date: 2016-08-15 (the same as
//!   bare), 2021-04-06, 2023-03-30. All have the same layers; the date selects field names, types
//!   and the envelope of errors.
//! - Keys of a JSON body have any case, and `null` means absent.
//! - `nextToken` and `nextVersion` are omitted on the last page: a client that finds an empty one
//!   repeats its request for ever. Lists are never omitted.
//! - An answer without a body has no media type: a client parses every answer of type JSON.
//! - The checksum is CRC-64/XZ as an unsigned decimal text.
//! - An unknown path and a wrong method are both a 400, `PathNotSupported`.
//! - There are three signature schemes, and each is accepted under every date: an option of the
//!   newer clients selects the older scheme. `FC` covers neither query nor body, and `acs` no body
//!   without a `Content-MD5`. Only `ACS3-HMAC-SHA256` is safe where a third party can change a
//!   request.
//! - One client signs `FC` over the path as sent, another over the decoded path.
//! - An ARN is one path segment. Where a proxy decoded its slashes, it is encoded again to verify
//!   the signature. A decoded `#` ends the path in every HTTP library.
//! - Serverless Devs never sends a zip. It requests temporary credentials (`tempBucketToken`), puts
//!   an object into the bucket named beside them, through the folder `oss`, and publishes
//!   `{account}/{objectName}` of it.
//!
//! Decided here, where the documents are silent or disagree:
//! - A token is the plain name of the next layer, inclusive, in every generation.
//! - `code.ossBucketName` and `code.ossObjectName` name an object of this server's own buckets,
//!   of up to 500 MiB. It is copied when the layer is published. A `zipFile` beside them takes
//!   precedence.
//! - `limit` outside 1 to 100, `startVersion` below 1 and a boolean that is neither true nor false
//!   are refused.
//! - `public=true` lists the caller's public layers. There are no official layers.
//! - A stated `checksum` and a `license` are honoured in all generations, though only the last one
//!   has them in its model. The first two return a `license` only if the layer has one.
//! - The first generation's ARN starts with the MD5 of the account id. An ARN of another account
//!   names no layer here. The region of an ARN is ignored.
//! - The `ETag` of a layer version is its own id, which is as immutable as the version.
//! - A signature of every scheme is valid for 15 minutes before and after, and must cover the time
//!   of signing. Within that time the same request is accepted again: nonces are not stored.
//! - `Content-MD5` is not compared with the body for `FC`, whose clients spell it in their own
//!   ways. For `acs` it must be the body's in one of these spellings: it alone protects the body.
//! - Malformed credentials and a malformed date are an `InvalidArgument`. A body of another digest
//!   than the signed one is a `SignatureNotMatch`.
//! - `CodeSizeLimit` is the only setting of an account. A per-service token is like the other one.
//! - A deletion answers 204 in all generations. A function that uses the version keeps its code.
//! - A full disk is a 507, `ResourceExhausted`; a body in an encoding other than gzip a 415,
//!   `UnsupportedMediaType`. The reference has no code for either.
//! - A catalog that cannot be reached is a 503, after which Terraform and Serverless Devs repeat
//!   the request.

mod auth;
mod errors;
pub(super) mod oss;
mod paging;
mod routes;
mod wire;

use super::dialect::Dialect;
use super::guide::Guide;
use errors::{ApiError, generation};

/// Largest zip inside a request, 100 MiB (alibaba.md section 3.2).
const ZIP_MAX: u64 = 100 << 20;

/// Largest object in the store, 500 MiB (alibaba.md section 3.2).
const OBJECT_MAX: u64 = 500 << 20;

/// The Alibaba dialect.
pub(super) static ALIBABA: Dialect = Dialect {
    name: "alibaba",
    operations: routes::operations,
    recognizes: |head| {
        let first = generation::first_segment(head.uri.path());
        let date = generation::PREFIXES.iter().any(|date| date.strip_prefix('/') == Some(first));
        let bare =
            ["layers", "layerarn", "services", "functions", "tempBucketToken", "accountConfigs"];
        date || bare.contains(&first)
    },
    upload_limit: ZIP_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: |_| Ok(super::auth::anonymous()),
    word: |_, error| Box::new(ApiError::from(error)),
    unserved: |call, _| ApiError::unserved(call).into(),
    finish: errors::finish,
    serves_slash: true,
    actions: None,
    client_id_header: None,
    fills_inbox: false,
    cloud_ids: &[wire::ACCOUNT],
    weakness: Some(
        "whose scheme `FC` covers neither query nor body, and whose `acs` and object store cover a \
         body only by a Content-MD5: for 15 minutes a captured upload can be sent again with \
         other code",
    ),
    guide: Some(&Guide {
        title: "Alibaba Cloud Function Compute (2016-08-15, 2021-04-06, 2023-03-30)",
        key: "access_key_id and access_key_secret of the client; in s cli, `s config add`",
        variables: &[
            ("FC_CLIENT_CUSTOM_ENDPOINT", "{url}"),
            ("FC_CODE_TEMP_OSS_ENDPOINT", "{url}"),
        ],
        code: r#"
Serverless Devs reads the variables; its region must be a known name. The second is where it puts
code before it publishes it; write an IP address there, for a bucket is put before any other name:
  s cli fc3 layer list --region cn-hangzhou
  s cli fc3 layer publish --layer-name NAME --code ./code --compatible-runtime python3.10 --region cn-hangzhou
Node, ali-oss, with what GET {url}/2016-08-15/tempBucketToken answers:
  new OSS({accessKeyId, accessKeySecret, stsToken, bucket: "local-temp", region: "oss-cn-hangzhou", endpoint: "{url}"})
Python, alibabacloud-fc20230330 (endpoint without the scheme, and the protocol beside it):
  from alibabacloud_tea_openapi.utils_models import Config
  Config(access_key_id="local", access_key_secret="local", endpoint="{host}", protocol="{scheme}")
Node, @alicloud/fc20230330:
  new $OpenApiUtil.Config({accessKeyId: "local", accessKeySecret: "local", endpoint: "{host}", protocol: "{scheme}"})
Node, @alicloud/fc2:
  new FC("1234567890123456", {accessKeyID: "local", accessKeySecret: "local", region: "cn-hangzhou", endpoint: "{url}"})
curl:
  curl '{url}/layers?limit=20'"#,
    }),
};
