//! The object store beside Alibaba's Function Compute: the part that uploads need.
//!
//! Sources: alibaba.md sections 3.3 and 9.4; `ali-oss`, which Serverless Devs uploads with.
//!
//! Quirks:
//! - The clients write the bucket into `Host`, whatever address they connect to, and any path may
//!   be a key. So the scheme (`OSS`, `OSS2`, `OSS4-HMAC-SHA256`, or the parameters of a signed
//!   address) identifies a request of the store, and the request is moved below `/_oss/` before it
//!   is routed.
//! - Refusals are in XML, the only format that the clients parse. Digests are an MD5 in upper case
//!   and the CRC-64.
//!
//! Decided here, where the documents are silent or disagree:
//! - The operations are those that uploads need, on single objects without parameters. All others,
//!   also copies, callbacks and `x-oss-forbid-overwrite`, are `NotImplemented`. Where the host is
//!   an IP address the bucket begins the path. A `Content-MD5` must be the body's, as RFC 1864 has
//!   it.
//! - `OSS` is valid for the store alone, and the store accepts no other scheme. Its versions 2 and
//!   4 and signed addresses are refused in XML.
//! - Objects have `X-Content-Type-Options: nosniff`; what a browser may run is an attachment.
//! - Temporary credentials act for the key that requested them, if it may write. They are valid for
//!   an hour and for the bucket `local-temp` alone, with the role that the key has at that time.
//!   They do not contain the key's own secret.
//! - A full disk is a 507, `InsufficientStorage`, whose message states it.

mod auth;
mod errors;
mod routes;
mod wire;

use super::OBJECT_MAX;
use crate::dialects::dialect::Dialect;
pub(super) use auth::{TemporaryCredentials, issue};
use errors::StoreError;
pub(super) use wire::INBOX;
pub(crate) use wire::reroute;

/// The object store of the Alibaba dialect.
pub(crate) static OSS: Dialect = Dialect {
    name: "alibaba",
    operations: routes::operations,
    recognizes: |head| head.uri.path().starts_with("/_oss/"),
    upload_limit: OBJECT_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: |_| Ok(crate::dialects::auth::anonymous()),
    word: |_, error| Box::new(StoreError::from(error)),
    unserved: |_, _| StoreError::not_implemented().into(),
    finish: errors::finish,
    serves_slash: true,
    actions: None,
    client_id_header: None,
    fills_inbox: true,
    cloud_ids: &[],
    weakness: None,
    guide: None,
};
