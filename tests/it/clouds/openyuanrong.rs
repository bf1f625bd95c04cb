//! A client of openYuanrong.

use base64_simd::URL_SAFE_NO_PAD;
use layerbase::domain::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha512};

use super::{Change, Cloud, Layers, Row, Scheme, as_sent, body, rows};
use crate::support::sign::{TestKey, hmac};
use crate::support::{Answer, Request, TestServer};

pub struct OpenYuanrong;

impl Cloud for OpenYuanrong {
    fn name(&self) -> &'static str {
        "openyuanrong"
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme {
            name: "openyuanrong",
            sign: |key, request, _: &str, _: Timestamp| request.header("X-Auth", &token(key)),
            covered: &["x-auth"],
            meaning: as_sent,
            is_bound_to_method: false,
        }]
    }

    fn listing(&self) -> Request {
        Request::get("/serverless/v1/functions")
    }

    fn publishing(&self, zip: &[u8]) -> Request {
        self.publication("demo", zip)
    }

    /// Registers a function, whose code is on a worker.
    fn change(&self, _: &[u8]) -> Change {
        let function = json!({
            "name": "0@svc@hello", "runtime": "python3.9", "kind": "faas", "handler": "h.main",
            "cpu": 600, "memory": 512, "timeout": 30, "storageType": "local",
            "codePath": "/opt/pkg",
        });
        Change {
            request: Request::new("POST", "/admin/v1/functions").json(&function),
            operation: "RegisterFunction",
            subject: "function/svc/hello",
        }
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        let is_said = answer.text().contains("Authentication failed");
        answer.status == 401 && !body(answer).is_null() && is_said
    }

    fn layers(&self) -> Option<&dyn Layers> {
        Some(self)
    }
}

impl Layers for OpenYuanrong {
    fn publication(&self, layer: &str, zip: &[u8]) -> Request {
        let head =
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\n";
        let declared = format!("application/vnd.yuanrong+attachment;file-size={}", zip.len());
        Request::new("POST", &format!("/function-repository/v1/layers/{layer}/versions"))
            .header("Content-Type", &declared)
            .header("X-Content-Type", "multipart/form-data; boundary=B")
            .header("X-Header-Compatible-Runtimes", "[\"python3.9\"]")
            .body([head.as_bytes(), zip, b"\r\n--B--\r\n"].concat())
    }

    fn number(&self) -> &'static str {
        "/result/versionNumber"
    }

    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let path = format!("/function-repository/v1/layers/{layer}/versions");
        let answer = server.send(&Request::get(&path));
        rows(&answer.json()["result"]["layerVersions"], "versionNumber", "layerSha256", "layerSize")
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let path = format!("/function-repository/v1/layers/{layer}/versions/{number}");
        server.send(&Request::new("DELETE", &path)).status == 200
    }

    fn checksum(&self, zip: &[u8]) -> String {
        hex::encode(Sha512::digest(zip))
    }
}

/// Returns a token that never expires, openyuanrong.md section 9.
pub fn token(key: TestKey) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
    let head = encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let payload = format!(r#"{{"exp":-1,"role":"developer","sub":"{}"}}"#, key.tenant);
    let signed = format!("{head}.{}", encode(&payload));
    let signature = encode(&hex::encode(hmac(key.secret, &signed)));
    format!("{signed}.{signature}")
}
