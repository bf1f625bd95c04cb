//! A client of CTyun.

use base64_simd::STANDARD;
use layerbase::domain::Timestamp;
use md5::Md5;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Change, Cloud, Layers, Row, Scheme, body, has_fields, rows, says};
use crate::support::sign::{TestKey, hmac, parts};
use crate::support::{Answer, Request, TestServer, zips};

pub struct Ctyun;

impl Cloud for Ctyun {
    fn name(&self) -> &'static str {
        "ctyun"
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme {
            name: "ctyun",
            sign: eop,
            covered: &["eop-authorization", "eop-date", "ctyun-eop-request-id"],
            meaning,
            // The signature does not cover the method.
            is_bound_to_method: false,
        }]
    }

    fn listing(&self) -> Request {
        Request::get("/openapi/v1/layers/demo/versions?maxResults=2").header("regionId", "r")
    }

    fn publishing(&self, zip: &[u8]) -> Request {
        self.publication("demo", zip)
    }

    fn change(&self, zip: &[u8]) -> Change {
        Change {
            request: self.publication("by-ctyun", zip),
            operation: "CreateLayerVersion",
            subject: "layer/by-ctyun/1",
        }
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        let codes: &[&str] = match answer.status {
            401 => &["CTAPI_10002"],
            403 => &["CTAPI_10009"],
            _ => &[],
        };
        let body = body(answer);
        says(&body, "/statusCode", codes) && has_fields(&body, 7)
    }

    fn layers(&self) -> Option<&dyn Layers> {
        Some(self)
    }
}

impl Layers for Ctyun {
    fn publication(&self, layer: &str, zip: &[u8]) -> Request {
        let code = json!({"zipFile": zips::encode(zip)});
        Request::new("POST", &format!("/openapi/v1/layers/{layer}/versions"))
            .header("regionId", "r")
            .json(&json!({"code": code, "compatibleRuntime": ["python3.10"]}))
    }

    fn number(&self) -> &'static str {
        "/returnObj/version"
    }

    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let path = format!("/openapi/v1/layers/{layer}/versions");
        let answer = server.send(&Request::get(&path).header("regionId", "r"));
        rows(&answer.json()["returnObj"], "version", "codeChecksum", "codesize")
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let path = format!("/openapi/v1/layers/{layer}/versions/{number}");
        let answer = server.send(&Request::new("DELETE", &path).header("regionId", "r"));
        answer.json()["statusCode"] == 0
    }

    fn checksum(&self, zip: &[u8]) -> String {
        format!("\"{}\"", hex::encode(Md5::digest(zip)))
    }
}

/// Ignored: the case of the names, and the older spelling of `Headers=`.
fn meaning(name: &str, value: &str) -> String {
    if name != "eop-authorization" {
        return value.to_owned();
    }
    let text = value.replacen(" Headers=", " Header=", 1);
    let (front, signature) = text.split_once(" Signature=").unwrap_or((&text, ""));
    let (id, names) = front.split_once(" Header=").unwrap_or((front, "none"));
    format!("{id} {} {signature}", names.to_lowercase())
}

/// Signs as in ctyun.md section 9.
fn eop(key: TestKey, request: Request, _: &str, now: Timestamp) -> Request {
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let id = "00000000-0000-4000-8000-000000000001";
    let (_, query) = parts(&request);
    let body = hex::encode(Sha256::digest(&request.body));
    let text = format!("ctyun-eop-request-id:{id}\neop-date:{date}\n\n{query}\n{body}");
    let day = hmac(hmac(hmac(key.secret, &date), key.id), &date[..8]);
    let signature = STANDARD.encode_to_string(hmac(day, text));
    let authorization =
        format!("{} Headers=ctyun-eop-request-id;eop-date Signature={signature}", key.id);
    request
        .header("Eop-date", &date)
        .header("ctyun-eop-request-id", id)
        .header("Eop-Authorization", &authorization)
}
