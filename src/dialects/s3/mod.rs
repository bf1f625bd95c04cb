//! S3: the inbox. Clients of S3 and its relatives put code into it, and a layer or a function is
//! then made from that code.
//!
//! Sources: the Amazon S3 API reference, and what boto3, the AWS CLI, the AWS SDKs for JavaScript
//! and Java, rclone, minio's clients, s3cmd and Huawei's `esdk-obs-python` (`signature="v4"`) send.
//! The crate `s3s` reads parameters and writes XML; signatures, bodies and storage are this
//! folder's.
//!
//! Quirks:
//! - The address is `/s3`, path style only: `/s3/{bucket}/{key}`, and the signature covers `/s3`.
//!   Some clients (`mc`, s3cmd) take no address with a path: a request to any other path,
//!   `/{bucket}/{key}`, is moved here if it is signed for the service `s3`, in the header or in the
//!   query. So is one with the scheme of another object store (`OBS`, `q-sign-algorithm`): only
//!   version 4 is taken, and the refusal must be in XML. S3's version 2 (`AWS`) is refused so where
//!   no other dialect serves the path.
//! - A body comes whole, in chunks with a signature each, or in chunks with only a checksum behind
//!   them. The server compares a body with what was signed or stated before it stores anything.
//! - An entity tag is the MD5; of a multipart upload, the MD5 of the parts' MD5s and their number.
//! - Clients compare `Content-Length`, `ETag` and `Last-Modified`, and read a listing page by page.
//!
//! Decided here:
//! - Every bucket exists and is empty until an object is put into it. The list of buckets names
//!   those with objects. CreateBucket changes nothing and succeeds; DeleteBucket is refused while
//!   the bucket has objects.
//! - An object belongs to the tenant of the key that put it. It is deleted at the end of its
//!   lifetime, which answers state as `x-amz-expiration`.
//! - A key is a name and never a path of a file. Control characters, U+FFFE and U+FFFF in it are
//!   refused: XML cannot carry them.
//! - An object may be as large as the largest zip that a reference can name, 500 MiB, or
//!   `--max-upload`.
//! - A presigned URL is valid for up to seven days, every other signature for 15 minutes before and
//!   after. Every `x-amz-` header must be signed.
//! - There are no versions, ACLs, tags, encryption or storage classes. A read of versioning,
//!   versions or tags is answered as for a bucket that never had any: each object has the version
//!   `null`. All other requests for them are refused as not implemented; headers that ask for them
//!   beside an upload are ignored. `Cache-Control`, `Content-Disposition` and `Content-Encoding`
//!   are not stored.
//! - A `versionId` other than `null` is refused: an answer about the one object that exists would
//!   be wrong.
//! - A `partNumber` of a read counts the parts as they lie in the object, from 1. An object that
//!   was put whole, or before the sizes of parts were recorded, is its own only part.
//! - Answers with an object forbid browsers to guess its media type (`nosniff`). HTML, XML and all
//!   else that a browser may run are attachments, also when the query names the media type.
//! - An unfinished upload is deleted at the end of its lifetime, counted from its start.
//! - A copy inside the inbox has the bytes of its source without copying them, and its own
//!   lifetime. It is in one part, with the MD5 as its tag. A range of an object as a part is
//!   copied. The source of a copy is in the caller's own inbox: not in the bucket map, not behind
//!   an access point.
//! - A change on a condition is refused: conditions on changes are not checked. Conditions on the
//!   source of a copy are.
//! - No bucket is called `s3` here: from the root its path would be the prefix.
//! - A full disk is 507 `InsufficientStorage`; S3 itself is never full.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use errors::ApiError;
pub(super) use wire::{begins, reroute};

use super::auth::anonymous;
use super::dialect::{Actions, Dialect};
use super::guide::{Guide, KEY_ID, KEY_SECRET};

/// Bytes of the largest object: what the clouds take from a bucket (design.md section 3).
const OBJECT_MAX: u64 = 500 << 20;

/// The path of the endpoint; buckets are below it.
const PREFIX: &str = "/s3";

/// The service in the credential scope of every signature.
const SERVICE: &str = "s3";

/// The S3 dialect.
pub(super) static S3: Dialect = Dialect {
    name: "s3",
    operations: routes::operations,
    recognizes: wire::is_for_s3,
    upload_limit: OBJECT_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: |_| Ok(anonymous()),
    word: |_, error| Box::new(ApiError::from(error)),
    unserved: |_, unserved| ApiError::from(unserved).into(),
    finish: errors::finish,
    serves_slash: true,
    actions: Some(Actions { resolve: routes::resolve, parse: None, renew: |_, body| body.clone() }),
    client_id_header: None,
    fills_inbox: true,
    cloud_ids: &[],
    weakness: None,
    guide: Some(&Guide {
        title: "The inbox, through clients of S3",
        key: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        variables: &[
            ("AWS_ENDPOINT_URL_S3", "{url}/s3"),
            ("AWS_DEFAULT_REGION", "local-1"),
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", KEY_SECRET),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ],
        code: "\
aws s3 cp code.zip s3://code/demo.zip
boto3:   boto3.client(\"s3\", config=Config(s3={\"addressing_style\": \"path\"}, signature_version=\"s3v4\"))
rclone:  rclone config create local s3 provider=Other endpoint={url}/s3 region=local-1 access_key_id=ID secret_access_key=SECRET
         rclone copy code.zip local:code
Java:    S3AsyncClient.builder().endpointOverride(URI.create(\"{url}/s3\")).forcePathStyle(true), S3Client alike
Clients that take no path in an address are given the server's own, {url}:
mc:      mc alias set local {url} ID SECRET, also with --auth off a secret of 8 letters or more
         mc cp code.zip local/code/demo.zip
s3cmd:   --host={host} --host-bucket={host} --access_key=ID --secret_key=SECRET, and --no-ssl for http
Path style only: a client that puts the bucket before the host name must be told so.
A layer or a function is then made from bucket \"code\" and object \"demo.zip\".",
    }),
};
