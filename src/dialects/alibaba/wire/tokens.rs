//! What a client is told before an upload: temporary credentials, and how much it may send
//! (alibaba.md section 1.2).

use serde::Serialize;

use super::objects::INBOX;
use crate::dialects::alibaba::auth;
use crate::domain::Timestamp;

/// Clients know the store's regions by heart and make a host name of this one; which one it is
/// means nothing here.
const REGION: &str = "oss-cn-hangzhou";

/// Where to put an object, and what to sign the request with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialects::alibaba) struct Token {
    credentials: Credentials,
    oss_region: &'static str,
    oss_bucket: &'static str,
    object_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_size_limit: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    access_key_secret: String,
    expiration: String,
    security_token: String,
}

impl Token {
    /// Spells credentials for an object that the client is to call `{account}/{object_name}`.
    pub(in crate::dialects::alibaba) fn new(
        credentials: auth::Credentials,
        object_name: String,
    ) -> Self {
        let auth::Credentials { id, secret, token, expires } = credentials;
        let credentials = Credentials {
            access_key_id: id,
            access_key_secret: secret,
            expiration: seconds(expires),
            security_token: token,
        };
        let (oss_region, oss_bucket) = (REGION, INBOX);
        Self { credentials, oss_region, oss_bucket, object_name, code_size_limit: None }
    }

    /// Says beside it how many bytes the object may have.
    pub(in crate::dialects::alibaba) fn with_limit(mut self, bytes: u64) -> Self {
        self.code_size_limit = Some(bytes);
        self
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`; the time is one of whole seconds.
fn seconds(time: Timestamp) -> String {
    time.to_string()
}

/// The settings of an account that a client may ask for; all of them are texts.
#[derive(Serialize)]
pub(in crate::dialects::alibaba) struct AccountConfigs {
    #[serde(rename = "CodeSizeLimit", skip_serializing_if = "Option::is_none")]
    code_size_limit: Option<String>,
}

impl AccountConfigs {
    /// Answers for those of `names` that mean something here; none at all asks for all.
    pub(in crate::dialects::alibaba) fn new(names: &[String], code_size_limit: u64) -> Self {
        let is_asked = names.is_empty() || names.iter().any(|name| name == "CodeSizeLimit");
        Self { code_size_limit: is_asked.then(|| code_size_limit.to_string()) }
    }
}
