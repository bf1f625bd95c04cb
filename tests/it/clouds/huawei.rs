//! A client of Huawei.

use layerbase::domain::Timestamp;
use md5::Md5;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    Change, Cloud, Layers, Row, Scheme, as_sent, body, fields_then_signature, has_fields, rows,
    says,
};
use crate::support::sign::{TestKey, hmac, parts};
use crate::support::{Answer, Request, TestServer, zips};

pub struct Huawei;

impl Cloud for Huawei {
    fn name(&self) -> &'static str {
        "huawei"
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[
            Scheme {
                name: "huawei",
                sign: token,
                covered: &["x-auth-token"],
                meaning: as_sent,
                is_bound_to_method: false,
            },
            Scheme {
                name: "huawei, signed",
                sign: sdk_hmac,
                covered: &["authorization", "x-sdk-date"],
                meaning: fields_then_signature,
                // These paths have no other method.
                is_bound_to_method: false,
            },
        ]
    }

    fn listing(&self) -> Request {
        Request::get("/v2/p0/fgs/dependencies?maxitems=2")
    }

    fn publishing(&self, zip: &[u8]) -> Request {
        self.publication("demo", zip)
    }

    fn change(&self, zip: &[u8]) -> Change {
        let mut request = self.publication("by-huawei", zip);
        request.path = request.path.replace("p0", "0123456789abcdef0123456789abcdef");
        Change { request, operation: "CreateDependencyVersion", subject: "layer/by-huawei/1" }
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        let body = body(answer);
        answer.status == 401 && says(&body, "/error_code", &["APIGW.030"]) && has_fields(&body, 3)
    }

    fn layers(&self) -> Option<&dyn Layers> {
        Some(self)
    }
}

impl Layers for Huawei {
    fn publication(&self, layer: &str, zip: &[u8]) -> Request {
        Request::new("POST", "/v2/p0/fgs/dependencies/version").json(&json!({
            "name": layer, "runtime": "Python3.9", "depend_type": "zip",
            "depend_file": zips::encode(zip),
        }))
    }

    fn number(&self) -> &'static str {
        "/version"
    }

    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let Some(id) = id(server, layer) else { return Vec::new() };
        let answer = server.send(&Request::get(&format!("/v2/p0/fgs/dependencies/{id}/version")));
        rows(&answer.json()["dependencies"], "version", "etag", "size")
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let Some(id) = id(server, layer) else { return false };
        let path = format!("/v2/p0/fgs/dependencies/{id}/version/{number}");
        server.send(&Request::new("DELETE", &path)).status == 204
    }

    fn checksum(&self, zip: &[u8]) -> String {
        hex::encode(Md5::digest(zip))
    }
}

/// Returns the id of the dependency of that name.
fn id(server: &TestServer, layer: &str) -> Option<String> {
    let path = format!("/v2/p0/fgs/dependencies?name={layer}");
    let answer = server.send(&Request::get(&path));
    answer.json()["dependencies"][0]["id"].as_str().map(str::to_owned)
}

fn token(key: TestKey, request: Request, _: &str, _: Timestamp) -> Request {
    request.header("X-Auth-Token", &format!("{}.{}", key.id, key.secret))
}

/// Signs with `SDK-HMAC-SHA256`, huawei.md section 9. Path and query must not need escaping.
fn sdk_hmac(key: TestKey, request: Request, _: &str, now: Timestamp) -> Request {
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (path, query) = parts(&request);
    let (method, body) = (&request.method, hex::encode(Sha256::digest(&request.body)));
    let canonical = format!("{method}\n{path}/\n{query}\nx-sdk-date:{date}\n\nx-sdk-date\n{body}");
    let canonical = hex::encode(Sha256::digest(canonical));
    let text = format!("SDK-HMAC-SHA256\n{date}\n{canonical}");
    let authorization = format!(
        "SDK-HMAC-SHA256 Access={}, SignedHeaders=x-sdk-date, Signature={}",
        key.id,
        hex::encode(hmac(key.secret, text))
    );
    request.header("X-Sdk-Date", &date).header("Authorization", &authorization)
}
