//! A client of Tencent.

use layerbase::domain::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Change, Cloud, Layers, Row, Scheme, body, rows, says};
use crate::support::sign::{TestKey, hmac, kind, parts};
use crate::support::{Answer, Request, TestServer, zips};

pub struct Tencent;

impl Cloud for Tencent {
    fn name(&self) -> &'static str {
        "tencent"
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme {
            name: "tencent",
            sign: tc3,
            covered: &["authorization", "x-tc-timestamp", "content-type", "host"],
            meaning,
            is_bound_to_method: true,
        }]
    }

    fn listing(&self) -> Request {
        action("ListLayers", &json!({"Limit": 2}))
    }

    fn publishing(&self, zip: &[u8]) -> Request {
        self.publication("demo", zip)
    }

    fn change(&self, zip: &[u8]) -> Change {
        Change {
            request: self.publication("by-tencent", zip),
            operation: "PublishLayerVersion",
            subject: "layer/by-tencent/1",
        }
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        let body = body(answer);
        let codes = ["AuthFailure.", "MissingParameter", "InvalidParameter"];
        let is_json = answer.header("content-type") == Some("application/json");
        let is_numbered = body.pointer("/Response/RequestId").is_some();
        let is_code = says(&body, "/Response/Error/Code", &codes);
        answer.status == 200 && is_json && is_numbered && is_code
    }

    fn layers(&self) -> Option<&dyn Layers> {
        Some(self)
    }
}

impl Layers for Tencent {
    fn publication(&self, layer: &str, zip: &[u8]) -> Request {
        let body = json!({
            "LayerName": layer, "CompatibleRuntimes": ["Python3.9"],
            "Content": {"ZipFile": zips::encode(zip)},
        });
        action("PublishLayerVersion", &body)
    }

    fn number(&self) -> &'static str {
        "/Response/LayerVersion"
    }

    /// The list has no checksum, therefore each version is fetched by itself.
    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let answer = server.send(&action("ListLayerVersions", &json!({"LayerName": layer}))).json();
        let mut found = rows(&answer["Response"]["LayerVersions"], "LayerVersion", "", "");
        for row in &mut found {
            let body = json!({"LayerName": layer, "LayerVersion": row.number});
            let version = server.send(&action("GetLayerVersion", &body)).json();
            row.checksum = version["Response"]["CodeSha256"].as_str().unwrap().to_owned();
        }
        found
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let body = json!({"LayerName": layer, "LayerVersion": number});
        let answer = server.send(&action("DeleteLayerVersion", &body)).json();
        answer["Response"]["Error"].is_null()
    }

    fn checksum(&self, zip: &[u8]) -> String {
        hex::encode(Sha256::digest(zip))
    }
}

fn action(name: &str, body: &Value) -> Request {
    Request::new("POST", "/")
        .header("X-TC-Action", name)
        .header("X-TC-Version", "2018-04-16")
        .json(body)
}

fn meaning(name: &str, value: &str) -> String {
    match name {
        // Ignored: blanks between the parts, and the case of the signature's digits.
        "authorization" => {
            let (word, parts) = value.split_once([' ', '\t']).unwrap_or((value, ""));
            let parts = parts.split(',').map(|part| match part.trim() {
                part if part.starts_with("Signature=") => part.to_lowercase(),
                part => part.to_owned(),
            });
            format!("{word} {}", parts.collect::<Vec<_>>().join(","))
        }
        // Ignored: the case, since these values are signed in lower case.
        "content-type" | "host" => value.to_lowercase(),
        _ => value.to_owned(),
    }
}

/// Signs with TC3-HMAC-SHA256, tencent.md section 9.1.
fn tc3(key: TestKey, request: Request, base: &str, now: Timestamp) -> Request {
    let date = now.strftime("%Y-%m-%d").to_string();
    let host = base.trim_start_matches("http://");
    let (_, query) = parts(&request);
    let (query, body) = match request.method.as_str() {
        "GET" => (query, &b""[..]),
        _ => ("", &request.body[..]),
    };
    let body = hex::encode(Sha256::digest(body));
    let (method, kind) = (&request.method, kind(&request));
    let headers = format!("content-type:{kind}\nhost:{host}\n");
    let canonical = format!("{method}\n/\n{query}\n{headers}\ncontent-type;host\n{body}");
    let canonical = hex::encode(Sha256::digest(canonical));
    let scope = format!("{date}/scf/tc3_request");
    let second = now.as_second();
    let text = format!("TC3-HMAC-SHA256\n{second}\n{scope}\n{canonical}");
    let day = hmac(format!("TC3{}", key.secret), &date);
    let signature = hex::encode(hmac(hmac(hmac(day, "scf"), "tc3_request"), text));
    let authorization = format!(
        "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host, \
         Signature={signature}",
        key.id
    );
    request.header("X-TC-Timestamp", &second.to_string()).header("Authorization", &authorization)
}
