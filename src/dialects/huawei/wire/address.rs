//! The addresses that code may have (huawei.md section 3): an object in a bucket, or a download
//! link of this server. Does not check whether the address leads to anything.

use axum::http::Uri;
use percent_encoding::percent_decode_str;

use crate::domain::{CatalogError, ObjectRef};

/// The end of every host of the vendor's object storage, behind the region.
const DOMAIN: &str = ".myhuaweicloud.com";

const FORMS: &str = "must be obs://<bucket>/<key>, \
                     https://<bucket>.obs.<region>.myhuaweicloud.com/<key>, \
                     https://obs.<region>.myhuaweicloud.com/<bucket>/<key> or a download link of \
                     this server";

/// The address of code that a request names and does not send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// An object in a bucket.
    Object(ObjectRef),
    /// Path and query of a download link of this server, if its signature is good.
    Link(Uri),
}

impl Address {
    /// Reads an address; the error is the rule that it breaks.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("obs://") {
            // The storage's own tools write the key as it is, without escapes.
            let (bucket, key) = rest.split_once('/').ok_or(FORMS)?;
            return object(bucket, key);
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let (host, path) = rest.and_then(|rest| rest.split_once('/')).ok_or(FORMS)?;
        let host = host.to_ascii_lowercase();
        let Some(service) = service_of(&host) else { return link(path) };
        if path.contains(['?', '#']) {
            let rule = "must end with the key: a query cannot be followed here, and neither can a \
                        fragment";
            return Err(rule.to_owned());
        }
        match service.strip_suffix(".obs") {
            Some(bucket) => object(bucket, &decode(path)?),
            None => {
                let (bucket, key) = path.split_once('/').ok_or(FORMS)?;
                object(&decode(bucket)?, &decode(key)?)
            }
        }
    }
}

/// Returns what precedes the region in a host of the storage: `<bucket>.obs`, or `obs` where the
/// path begins with the bucket.
fn service_of(host: &str) -> Option<&str> {
    let (service, region) = host.strip_suffix(DOMAIN)?.rsplit_once('.')?;
    let is_storage = service == "obs" || service.ends_with(".obs");
    (is_storage && !region.is_empty()).then_some(service)
}

/// Cuts off what precedes `/code/`: the links of a server behind a proxy may have a path there.
fn link(path: &str) -> Result<Address, String> {
    let path = format!("/{path}");
    let start = path.split('?').next().unwrap_or_default().rfind("/code/").ok_or(FORMS)?;
    let uri = path[start..].parse().map_err(|_| FORMS)?;
    Ok(Address::Link(uri))
}

fn object(bucket: &str, key: &str) -> Result<Address, String> {
    ObjectRef::parse(bucket, key).map(Address::Object).map_err(|error| match error {
        CatalogError::InvalidValue { field, reason } => {
            format!("cannot be followed: its {field} {reason}")
        }
        other => other.to_string(),
    })
}

fn decode(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text.map_err(|_| "must be UTF-8 when it is decoded")?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_in_every_form() {
        for (text, bucket, key) in [
            ("obs://code/demo.zip", "code", "demo.zip"),
            ("obs://code/a/b c%20d?e#f.zip", "code", "a/b c%20d?e#f.zip"),
            ("obs://code//a", "code", "/a"),
            ("https://code.obs.cn-north-4.myhuaweicloud.com/a/b.zip", "code", "a/b.zip"),
            ("http://my.code.obs.cn-north-4.myhuaweicloud.com/b", "my.code", "b"),
            ("https://Code.OBS.cn-north-4.MyHuaweiCloud.com/B", "code", "B"),
            ("https://obs.cn-north-4.myhuaweicloud.com/code/a/b.zip", "code", "a/b.zip"),
            ("https://code.obs.x.myhuaweicloud.com/a%20b%2Fc%2525", "code", "a b/c%25"),
            ("https://obs.x.myhuaweicloud.com/co%64e/%E5%B1%82", "code", "层"),
        ] {
            let object = ObjectRef::parse(bucket, key).unwrap();
            assert_eq!(Address::parse(text), Ok(Address::Object(object)), "{text}");
        }
    }

    #[test]
    fn links_are_found_on_every_host() {
        for (text, uri) in [
            ("http://127.0.0.1:1/code/ab/c.zip?tenant=t&x=1", "/code/ab/c.zip?tenant=t&x=1"),
            ("https://edge/lb/code/code/ab/c?x=/code/", "/code/ab/c?x=/code/"),
        ] {
            assert_eq!(Address::parse(text), Ok(Address::Link(uri.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "demo.zip",
            "obs://",
            "obs://code",
            "obs://code/",
            "obs:///demo.zip",
            "obs://../demo.zip",
            "s3://code/demo.zip",
            "file:///etc/passwd",
            "https://example.com/demo.zip",
            "https://example.com/?x=/code/a/b",
            "https://code.obs.myhuaweicloud.com/demo.zip",
            "https://code.oss.x.myhuaweicloud.com/demo.zip",
            "https://code.obs.x.myhuaweicloud.com.evil.com/demo.zip",
            "https://code.obs.x.myhuaweicloud.com",
            "https://code.obs.x.myhuaweicloud.com/",
            "https://code.obs.x.myhuaweicloud.com/demo.zip?versionId=1",
            "https://code.obs.x.myhuaweicloud.com/demo.zip#a",
            "https://code.obs.x.myhuaweicloud.com/%ff",
            "https://code.obs.x.myhuaweicloud.com/a%00b",
            "https://obs.x.myhuaweicloud.com/code",
            "https://obs.x.myhuaweicloud.com/a%2Fb/c",
            "https://.obs.x.myhuaweicloud.com/demo.zip",
            "https://code.obs..myhuaweicloud.com/demo.zip",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
