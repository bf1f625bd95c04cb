//! A client of S3.

use layerbase::domain::Timestamp;
use sha2::{Digest, Sha256};

use super::{Change, Cloud, Layers, Scheme, fields_then_signature};
use crate::support::sign::{TestKey, hmac, parts};
use crate::support::{Answer, Request};

pub struct S3;

impl Cloud for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme {
            name: "s3",
            sign: whole,
            covered: &["authorization", "x-amz-date", "x-amz-content-sha256", "host"],
            meaning: fields_then_signature,
            is_bound_to_method: true,
        }]
    }

    fn listing(&self) -> Request {
        Request::get("/s3/")
    }

    fn publishing(&self, zip: &[u8]) -> Request {
        Request::new("PUT", "/s3/code/demo.zip").body(zip)
    }

    fn change(&self, zip: &[u8]) -> Change {
        Change {
            request: self.publishing(zip),
            operation: "PutObject",
            subject: "object/code/demo.zip",
        }
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        let text = answer.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map(|(code, _)| code).unwrap_or_default();
        let codes: &[&str] = match answer.status {
            400 => &["AuthorizationHeaderMalformed", "XAmzContentSHA256Mismatch"],
            403 => &[
                "AccessDenied",
                "InvalidAccessKeyId",
                "SignatureDoesNotMatch",
                "RequestTimeTooSkewed",
            ],
            _ => &[],
        };
        codes.contains(&code)
    }

    fn layers(&self) -> Option<&dyn Layers> {
        None
    }
}

/// Signs with AWS4-HMAC-SHA256. Path and query must not need escaping.
fn whole(key: TestKey, request: Request, base: &str, now: Timestamp) -> Request {
    let content = hex::encode(Sha256::digest(&request.body));
    signed(key, request, base, now, &content).0
}

/// Signs a request whose `x-amz-content-sha256` is `content`, with the `x-amz-` headers it has.
/// Also returns the signing key and the signature, from which chunks are signed.
fn signed(
    key: TestKey,
    request: Request,
    base: &str,
    now: Timestamp,
    content: &str,
) -> (Request, [u8; 32], String) {
    let (date, host) = (date(now), base.trim_start_matches("http://"));
    let (path, query) = parts(&request);
    let method = &request.method;
    let mut signed =
        vec![("host", host), ("x-amz-content-sha256", content), ("x-amz-date", date.as_str())];
    let own = request.headers.iter().filter(|(name, _)| name.starts_with("x-amz-"));
    signed.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
    signed.sort_unstable();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let headers: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{content}");
    let canonical = hex::encode(Sha256::digest(canonical));
    let scope = format!("{}/local/s3/aws4_request", &date[..8]);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
    let day = hmac(format!("AWS4{}", key.secret), &date[..8]);
    let signing = hmac(hmac(hmac(day, "local"), "s3"), "aws4_request");
    let signature = hex::encode(hmac(signing, text));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        key.id
    );
    let request = request
        .header("x-amz-date", &date)
        .header("x-amz-content-sha256", content)
        .header("Authorization", &authorization);
    (request, signing, signature)
}

/// Signs an upload whose body is sent in chunks of a size, each with its own signature.
pub fn chunks(key: TestKey, request: Request, base: &str, now: Timestamp, size: usize) -> Request {
    let body = request.body.clone();
    let content = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let (request, signing, mut before) = signed(key, request, base, now, content);
    let date = date(now);
    let place = format!("{date}\n{}/local/s3/aws4_request", &date[..8]);
    let mut chunked = Vec::new();
    for chunk in body.chunks(size).chain([&[][..]]) {
        let digests = [&[][..], chunk].map(|bytes| hex::encode(Sha256::digest(bytes)));
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{place}\n{before}\n{}", digests.join("\n"));
        before = hex::encode(hmac(signing, text));
        chunked.extend(format!("{:x};chunk-signature={before}\r\n", chunk.len()).bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    request.body(chunked)
}

fn date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}
