//! Signs requests as each cloud's clients do, with the shortest signature that the cloud accepts.

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use layerbase::domain::Timestamp;
use sha2::{Digest, Sha256};

use super::Request;

/// A key that the server under test knows.
#[derive(Clone, Copy)]
pub struct TestKey {
    pub id: &'static str,
    pub secret: &'static str,
    pub tenant: &'static str,
}

impl TestKey {
    /// Signs a request to a dialect of the server at `base`, at the time `now`.
    pub fn sign(&self, dialect: &str, request: Request, base: &str, now: Timestamp) -> Request {
        match dialect {
            "alibaba" => self.alibaba(request, now),
            "ctyun" => self.ctyun(request, now),
            "huawei" => request.header("X-Auth-Token", &format!("{}.{}", self.id, self.secret)),
            "openyuanrong" => request.header("X-Auth", &self.token()),
            "s3" => self.s3(request, base, now),
            "tencent" => self.tencent(request, base, now),
            _ => self.native(request),
        }
    }

    /// Signs a request to our own API.
    pub fn native(&self, request: Request) -> Request {
        request.header("Authorization", &format!("Bearer {}.{}", self.id, self.secret))
    }

    /// Signs with `FC`, alibaba.md section 9.1.
    fn alibaba(&self, request: Request, now: Timestamp) -> Request {
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let method = &request.method;
        let kind = header(&request, "content-type");
        let (path, _) = parts(&request);
        let mut own: Vec<String> = request
            .headers
            .iter()
            .filter(|(name, _)| name.to_lowercase().starts_with("x-fc-"))
            .map(|(name, value)| format!("{}:{value}\n", name.to_lowercase()))
            .collect();
        own.sort();
        let text = format!("{method}\n\n{kind}\n{date}\n{}{path}", own.concat());
        let signature = STANDARD.encode_to_string(hmac(self.secret, text));
        let authorization = format!("FC {}:{signature}", self.id);
        request.header("Date", &date).header("Authorization", &authorization)
    }

    /// Signs as in ctyun.md section 9.
    fn ctyun(&self, request: Request, now: Timestamp) -> Request {
        let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let id = "00000000-0000-4000-8000-000000000001";
        let (_, query) = parts(&request);
        let body = hex::encode(Sha256::digest(&request.body));
        let text = format!("ctyun-eop-request-id:{id}\neop-date:{date}\n\n{query}\n{body}");
        let key = hmac(hmac(hmac(self.secret, &date), self.id), &date[..8]);
        let signature = STANDARD.encode_to_string(hmac(key, text));
        let authorization =
            format!("{} Headers=ctyun-eop-request-id;eop-date Signature={signature}", self.id);
        request
            .header("Eop-date", &date)
            .header("ctyun-eop-request-id", id)
            .header("Eop-Authorization", &authorization)
    }

    /// Signs with `SDK-HMAC-SHA256`, huawei.md section 9. Path and query must not need escaping.
    pub fn huawei_signed(&self, request: Request, now: Timestamp) -> Request {
        let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (path, query) = parts(&request);
        let (method, body) = (&request.method, hex::encode(Sha256::digest(&request.body)));
        let canonical =
            format!("{method}\n{path}/\n{query}\nx-sdk-date:{date}\n\nx-sdk-date\n{body}");
        let canonical = hex::encode(Sha256::digest(canonical));
        let text = format!("SDK-HMAC-SHA256\n{date}\n{canonical}");
        let authorization = format!(
            "SDK-HMAC-SHA256 Access={}, SignedHeaders=x-sdk-date, Signature={}",
            self.id,
            hex::encode(hmac(self.secret, text))
        );
        request.header("X-Sdk-Date", &date).header("Authorization", &authorization)
    }

    /// Returns a token that never expires, openyuanrong.md section 9.
    pub fn token(&self) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
        let head = encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let payload = format!(r#"{{"exp":-1,"role":"developer","sub":"{}"}}"#, self.tenant);
        let signed = format!("{head}.{}", encode(&payload));
        let signature = encode(&hex::encode(hmac(self.secret, &signed)));
        format!("{signed}.{signature}")
    }

    /// Signs with AWS4-HMAC-SHA256. Path and query must not need escaping.
    fn s3(&self, request: Request, base: &str, now: Timestamp) -> Request {
        let content = hex::encode(Sha256::digest(&request.body));
        self.s3_with(request, base, now, &content).0
    }

    /// Signs a request whose `x-amz-content-sha256` is `content`. Also returns the signing key and
    /// the signature, from which chunks are signed.
    fn s3_with(
        &self,
        request: Request,
        base: &str,
        now: Timestamp,
        content: &str,
    ) -> (Request, [u8; 32], String) {
        let (date, host) = (s3_date(now), base.trim_start_matches("http://"));
        let (path, query) = parts(&request);
        let method = &request.method;
        let names = "host;x-amz-content-sha256;x-amz-date";
        let headers = format!("host:{host}\nx-amz-content-sha256:{content}\nx-amz-date:{date}\n");
        let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{content}");
        let canonical = hex::encode(Sha256::digest(canonical));
        let scope = format!("{}/local/s3/aws4_request", &date[..8]);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
        let day = hmac(format!("AWS4{}", self.secret), &date[..8]);
        let key = hmac(hmac(hmac(day, "local"), "s3"), "aws4_request");
        let signature = hex::encode(hmac(key, text));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.id
        );
        let request = request
            .header("x-amz-date", &date)
            .header("x-amz-content-sha256", content)
            .header("Authorization", &authorization);
        (request, key, signature)
    }

    /// Signs an upload whose body is sent in chunks of a size, each with its own signature.
    pub fn s3_chunks(&self, request: Request, base: &str, now: Timestamp, size: usize) -> Request {
        let body = request.body.clone();
        let content = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        let (request, key, mut before) = self.s3_with(request, base, now, content);
        let date = s3_date(now);
        let place = format!("{date}\n{}/local/s3/aws4_request", &date[..8]);
        let mut chunked = Vec::new();
        for chunk in body.chunks(size).chain([&[][..]]) {
            let digests = [&[][..], chunk].map(|bytes| hex::encode(Sha256::digest(bytes)));
            let text =
                format!("AWS4-HMAC-SHA256-PAYLOAD\n{place}\n{before}\n{}", digests.join("\n"));
            before = hex::encode(hmac(key, text));
            chunked.extend(format!("{:x};chunk-signature={before}\r\n", chunk.len()).bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
        }
        request.body(chunked)
    }

    /// Signs with TC3-HMAC-SHA256, tencent.md section 9.1.
    fn tencent(&self, request: Request, base: &str, now: Timestamp) -> Request {
        let date = now.strftime("%Y-%m-%d").to_string();
        let host = base.trim_start_matches("http://");
        let (_, query) = parts(&request);
        let (query, body) = match request.method.as_str() {
            "GET" => (query, &b""[..]),
            _ => ("", &request.body[..]),
        };
        let body = hex::encode(Sha256::digest(body));
        let (method, kind) = (&request.method, header(&request, "content-type"));
        let headers = format!("content-type:{kind}\nhost:{host}\n");
        let canonical = format!("{method}\n/\n{query}\n{headers}\ncontent-type;host\n{body}");
        let canonical = hex::encode(Sha256::digest(canonical));
        let scope = format!("{date}/scf/tc3_request");
        let second = now.as_second();
        let text = format!("TC3-HMAC-SHA256\n{second}\n{scope}\n{canonical}");
        let key = hmac(format!("TC3{}", self.secret), &date);
        let signature = hex::encode(hmac(hmac(hmac(key, "scf"), "tc3_request"), text));
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host, \
             Signature={signature}",
            self.id
        );
        request
            .header("X-TC-Timestamp", &second.to_string())
            .header("Authorization", &authorization)
    }
}

fn s3_date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn hmac(key: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).unwrap();
    mac.update(data.as_ref());
    mac.finalize().into_bytes().into()
}

fn parts(request: &Request) -> (&str, &str) {
    request.path.split_once('?').unwrap_or((&request.path, ""))
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    let found = request.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str()).unwrap_or_default()
}
