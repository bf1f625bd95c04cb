//! CTyun function compute, `/openapi/v1/`.
//!
//! Sources: the vendor's documentation page "List layer versions" of 2025-10-20, its API portal's
//! catalogue of function compute (revision 40), the `cf` package of its Go SDK, its Terraform
//! provider and its Python core. The operations have only Chinese titles there: their English
//! names are ours.
//!
//! Quirks:
//! - Success is HTTP 200 with `statusCode` 0. A refusal by the service is HTTP 200 with another
//!   `statusCode` and without `returnObj`: the Go client drops every body with another status.
//! - A refusal by the gateway in front of the service has a real status and a text as `statusCode`.
//! - The header `regionId` is required. It is returned as `region` and in the `ctrn`.
//! - A size is sent as `codeSize` and as `codesize`: documents and clients differ.
//! - `codeChecksum` is an object storage's ETag: the MD5 inside double quotes of its own.
//! - The list of a layer's versions has no pages.
//! - A signature covers the named headers, the query and the body, but neither method nor path nor
//!   `regionId`. `Eop-date` ends in `Z` and is Beijing time, the machine's or UTC, by the client.
//! - The official Python core sends no body in place of `{}`.
//!
//! Decided here, where the documents are silent:
//! - Versions are listed from the highest number down. The list of an unknown layer is empty; a
//!   version of it that is read or deleted is not found.
//! - `code.zipFile` creates a layer version without a bucket, and wins over a reference. A
//!   reference without a bucket means the bucket `faas-local`. The code is copied: later changes of
//!   the object do not change the version.
//! - All layer operations answer with the same record. The creation names the object that the code
//!   was copied from, the others the place where it is stored.
//! - `x-trace-id`, which the Python core reads, is the request's id in the server's log.
//! - An operation that the key's role does not cover is the gateway's CTAPI_403: no number is
//!   documented for it, and 10002 and 10009 are about wrong credentials.
//! - An unavailable catalog is the gateway's 503: clients retry only real statuses. A full disk is
//!   the service's `CF_507`: clients show only the service's messages.
//! - An `Eop-date` of any age is accepted unless the setting `ctyun_skew` limits it.
//! - A name that the catalog cannot hold, such as one with a control character, is an invalid
//!   parameter also when it is only read.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use axum::http::StatusCode;

use super::dialect::Dialect;
use super::guide::Guide;
use super::refusal::Unserved;
use crate::domain::CloudIdField;
use errors::ApiError;

/// Bytes of the largest zip inside a request (ctyun.md section 3).
const ZIP_MAX: u64 = 100 << 20;

/// Bytes of the largest zip in a bucket (ctyun.md section 3).
const OBJECT_MAX: u64 = 500 << 20;

/// The 32 hexadecimal digits of a tenant in a `ctrn`; another account than the number.
const ACCOUNT: CloudIdField = CloudIdField {
    name: "ctyun_account",
    about: "account, 32 hexadecimal digits",
    rule: "must be 32 hexadecimal digits",
    parse: |text| {
        let follows = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        follows.then(|| text.to_ascii_lowercase())
    },
};

/// The number of a tenant in records and object names.
const TENANT: CloudIdField = CloudIdField {
    name: "ctyun_tenant",
    about: "tenant number",
    rule: "must be a whole number above 0, such as 7000",
    parse: |text| {
        let number = text.parse::<i64>().ok().filter(|number| *number > 0);
        number.map(|number| number.to_string())
    },
};

/// The CTyun dialect.
pub(super) static CTYUN: Dialect = Dialect {
    name: "ctyun",
    operations: routes::operations,
    recognizes: |head| head.uri.path().starts_with("/openapi/v1/"),
    upload_limit: ZIP_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: |_| Ok(super::auth::anonymous()),
    word: |_, error| Box::new(ApiError::from(error)),
    unserved: |_, unserved| {
        let reason = match unserved {
            Unserved::Path => "no operation has this path",
            Unserved::Method => "no operation has this path with this method",
        };
        ApiError::gateway(StatusCode::NOT_FOUND, reason).into()
    },
    finish: errors::finish,
    serves_slash: true,
    actions: None,
    client_id_header: Some("ctyun-eop-request-id"),
    fills_inbox: false,
    cloud_ids: &[ACCOUNT, TENANT],
    weakness: Some(
        "whose signature covers neither method nor path: a captured request can be sent again with \
         another method or path, such as a deletion, with the same query and body",
    ),
    guide: Some(&Guide {
        title: "CTyun function compute",
        key: "access key and secret key, the two texts of Credential",
        variables: &[],
        code: r#"
CTyun's clients read no variable. Python, ctyun_python_sdk_core:
  from ctyun_python_sdk_core import CtyunClient, Credential
  client = CtyunClient(verify_tls=False)
  client.request("{url}/openapi/v1/layers/NAME/versions", "GET",
                 headers={"regionId": "local-1"}, params={"acl": "0"},
                 credential=Credential("local", "local"))
Go, package cf of the Terraform provider (as copied source):
  RegisterEndpoint(Endpoint{Name: "cf", Url: "{url}"})
The Terraform provider itself has its address built in and cannot be pointed here.
curl:
  curl -H 'regionId: local-1' '{url}/openapi/v1/layers/NAME/versions?acl=0'"#,
    }),
};
