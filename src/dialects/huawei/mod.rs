//! Huawei Cloud FunctionGraph, API version 2.
//!
//! Sources: Huawei Cloud API reference "FunctionGraph", the same service's reference by Open
//! Telekom Cloud, the SDKs for Python and Node.js, and the official Terraform provider. One of
//! these clients needs each of the rules below. A dependency is a layer, a package is a group.
//!
//! Quirks:
//! - A URN in one path segment names a function, with colons raw (Node.js) or escaped (Python).
//!   Documented short forms leave parts out. The project in the path is a label.
//! - The head is the version `latest`, always first in the list. Each row's URN ends with its
//!   version, because Terraform uses it as that version's name.
//! - Publishing may have an empty object for a body, or no body, under a JSON media type.
//! - `marker` is an offset. `next_marker` is never 0 behind rows: one client would start again.
//! - The version list has no default page size: without `maxitems` it is the whole list.
//! - Times are texts in UTC with seconds, but epoch seconds in dependencies.
//! - A signature covers the headers that its own list names; `X-Sdk-Date` must be among them. The
//!   path that it covers ends with a slash and is encoded anew, by some clients encoded twice.
//! - Refusals of the service are `FSS.…`, those of the gateway `APIGW.…` with the request's id.
//!   Every answer has the id in `X-Request-Id`.
//!
//! Decided here, where the documents are silent:
//! - A refusal's text is the vendor's. Where the text alone is unclear, the field and its limit
//!   follow in parentheses. A missing or mistyped field has the code of that field.
//! - A token is a key's id and secret, `X-Auth-Token: <key id>.<secret>`: there is no IAM here that
//!   issues others. A token beside an `Authorization` is ignored.
//! - An `Authorization` that cannot be read, of another algorithm (SM3, ECDSA, SM2, V11), or
//!   without its date is APIGW.0301 with words of our own. A disabled key counts as an unknown key.
//! - A key is not locked after wrong signatures; the vendor locks it for five minutes.
//! - The code type states where code is: with `obs` in `code_url`, else in `func_code.file`, else
//!   in `func_code.link`. The other fields are ignored: the Terraform provider copies them from the
//!   last answer. A dependency's type states the same of its two fields.
//! - Code by reference is an archive in a bucket, named as `obs://<bucket>/<key>` with the key as
//!   it is, or by the storage's https addresses, or by a download link of this server for as long
//!   as the link is good, for whatever host it was made. A query on the storage's addresses is
//!   refused, since it may select another object. The code is copied when it is named.
//! - `code_url` is shown as it was given, while the code type is `obs`.
//! - A dependency's archive that is no zip is FSS.1024, like other bad dependencies.
//! - The lists leave out a dependency without versions. Made again, it continues its numbers.
//! - Layers that another cloud made public are `owner` `public`, all others the caller's.
//! - `depend_list` holds dependency ids, `depend_version_list` version ids. Both leave out a
//!   version that was deleted while a function was bound to it.
//! - `encrypted_user_data` is stored with its values blanked, as it is always shown.
//! - The environment of a function is `user_data`, for all clouds. After another cloud changed it,
//!   the text is made anew.
//! - An update of the code that names neither code nor dependencies nor a file name is FSS.1012.
//! - The settings that only this cloud knows have defaults for functions of other clouds.
//! - A catalog that cannot be reached is a 503 and a full disk a 507, both FSS.0500 with the
//!   reason: the clients retry 429 alone, which must be the answer to throttling alone.

mod auth;
mod errors;
mod paging;
mod routes;
mod wire;

use super::auth::anonymous;
use super::dialect::Dialect;
use super::guide::{Guide, KEY_ID, KEY_SECRET};
use super::name_rule::{Edge, NameRule};
use crate::domain::CloudIdField;
use errors::ApiError;

/// Largest function code inside a request: 50 MB (huawei.md section 3).
const CODE_MAX: u64 = 50 << 20;

/// Largest dependency inside a request: 40 MB (huawei.md section 3).
const DEPENDENCY_MAX: u64 = 40 << 20;

/// Largest archive that is named and not sent: 300 MB (huawei.md section 3).
const OBJECT_MAX: u64 = 300 << 20;

/// The ids of projects and domains.
const ID: NameRule = NameRule { max: 64, first: Edge::Any, inner: b"_-", last: Edge::Any };

/// The account of a tenant, which owns its functions and dependencies.
const DOMAIN: CloudIdField = CloudIdField {
    name: "huawei_domain",
    about: "domain id",
    rule: "must be 1 to 64 letters, digits, '_' or '-'",
    parse: |text| ID.allows(text).then(|| text.to_owned()),
};

/// The Huawei dialect.
pub(super) static HUAWEI: Dialect = Dialect {
    name: "huawei",
    operations: routes::operations,
    // No other cloud's paths begin so.
    recognizes: |head| ["/v2/", "/v3/"].iter().any(|start| head.uri.path().starts_with(start)),
    upload_limit: CODE_MAX,
    claimed_key: auth::claimed_key,
    authenticate: auth::authenticate,
    anonymous: |_| Ok(anonymous()),
    word: |_, error| Box::new(ApiError::from(error)),
    unserved: |_, unserved| ApiError::from(unserved).into(),
    finish: errors::finish,
    serves_slash: true,
    actions: None,
    client_id_header: None,
    fills_inbox: false,
    cloud_ids: &[DOMAIN],
    weakness: None,
    guide: Some(&GUIDE),
};

const GUIDE: Guide = Guide {
    title: "Huawei Cloud FunctionGraph v2",
    key: "AK and SK; or all of it, <key id>.<secret>, into the header X-Auth-Token",
    variables: &[
        ("HUAWEICLOUD_SDK_AK", KEY_ID),
        ("HUAWEICLOUD_SDK_SK", KEY_SECRET),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "0123456789abcdef0123456789abcdef"),
        ("HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_LOCAL_1", "{url}"),
    ],
    code: r#"
Python, huaweicloudsdkfunctiongraph, with the variables: FunctionGraphRegion.value_of("local-1")
  or in code (always with a project id):
  FunctionGraphClient.new_builder() \
      .with_credentials(BasicCredentials("local", "local", "0123456789abcdef0123456789abcdef")) \
      .with_endpoint("{url}").build()
Node, @huaweicloud/huaweicloud-sdk-functiongraph/v2/public-api (install uuid@9 beside it):
  FunctionGraphClient.newBuilder().withCredential(new BasicCredentials().withAk("local")
      .withSk("local").withProjectId("0123456789abcdef0123456789abcdef")).withEndpoint("{url}").build()
Terraform, provider huaweicloud:
  endpoints = { fgs = "{url}/" }
curl:
  curl -H 'X-Auth-Token: local' -H 'Content-Type: application/json' \
      '{url}/v2/0123456789abcdef0123456789abcdef/fgs/dependencies'"#,
};
