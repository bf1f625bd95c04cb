//! Temporary credentials for an upload (alibaba.md section 1.2).

use crate::dialects::alibaba::oss::{INBOX, TemporaryCredentials};
use crate::dialects::json_writer::JsonObject;

/// Writes credentials, and the bucket and the name of the object that they are for: the client is
/// to call it `{account}/{object}`. `limit` is the largest object in bytes.
pub(in crate::dialects::alibaba) fn write(
    credentials: &TemporaryCredentials,
    object: &str,
    limit: Option<u64>,
) -> Vec<u8> {
    let mut text = Vec::new();
    let mut token = JsonObject::begin(&mut text);
    let mut members = token.object("credentials");
    members.text("AccessKeyId", &credentials.id);
    members.text("AccessKeySecret", &credentials.secret);
    // `YYYY-MM-DDTHH:MM:SSZ`: the time has whole seconds.
    members.text("Expiration", &credentials.expires.to_string());
    members.text("SecurityToken", &credentials.token);
    members.end();
    // Clients have a list of the store's regions and make a host name of this one. It has no
    // meaning here.
    token.text("ossRegion", "oss-cn-hangzhou");
    token.text("ossBucket", INBOX);
    token.text("objectName", object);
    if let Some(bytes) = limit {
        token.number("codeSizeLimit", bytes);
    }
    token.end();
    text
}
