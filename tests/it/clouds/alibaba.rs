//! A client of Alibaba.

use base64_simd::STANDARD;
use layerbase::domain::Timestamp;
use serde_json::json;

use super::{Change, Cloud, Layers, Row, Scheme, as_sent, body, has_fields, rows, says};
use crate::support::sign::{TestKey, hmac, kind, parts};
use crate::support::{Answer, Request, TestServer, zips};

pub struct Alibaba;

impl Cloud for Alibaba {
    fn name(&self) -> &'static str {
        "alibaba"
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme {
            name: "alibaba",
            sign: fc,
            covered: &["authorization", "date", "content-type"],
            meaning: as_sent,
            is_bound_to_method: true,
        }]
    }

    fn listing(&self) -> Request {
        Request::get("/2023-03-30/layers?limit=2")
    }

    fn publishing(&self, zip: &[u8]) -> Request {
        self.publication("demo", zip)
    }

    fn change(&self, zip: &[u8]) -> Change {
        Change {
            request: self.publication("by-alibaba", zip),
            operation: "CreateLayerVersion",
            subject: "layer/by-alibaba/1",
        }
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        let codes: &[&str] = match answer.status {
            400 => &["MissingRequiredHeader", "InvalidArgument"],
            403 => &["InvalidAccessKeyID", "SignatureNotMatch", "AccessDenied"],
            _ => &[],
        };
        let body = body(answer);
        says(&body, "/Code", codes) && has_fields(&body, 3)
    }

    fn layers(&self) -> Option<&dyn Layers> {
        Some(self)
    }
}

impl Layers for Alibaba {
    fn publication(&self, layer: &str, zip: &[u8]) -> Request {
        let code = json!({"zipFile": zips::encode(zip)});
        Request::new("POST", &format!("/2023-03-30/layers/{layer}/versions"))
            .json(&json!({"code": code, "compatibleRuntime": ["python3.10"]}))
    }

    fn number(&self) -> &'static str {
        "/version"
    }

    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let answer = server.send(&Request::get(&format!("/2023-03-30/layers/{layer}/versions")));
        rows(&answer.json()["layers"], "version", "codeChecksum", "codeSize")
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let path = format!("/2023-03-30/layers/{layer}/versions/{number}");
        server.send(&Request::new("DELETE", &path)).status == 204
    }

    fn checksum(&self, zip: &[u8]) -> String {
        crc64(zip).to_string()
    }
}

/// Computes CRC-64/XZ bit by bit, independently of the library under test.
fn crc64(bytes: &[u8]) -> u64 {
    let step = |crc: u64, byte: &u8| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xC96C_5795_D787_0F42 } else { crc >> 1 }
        })
    };
    !bytes.iter().fold(u64::MAX, step)
}

/// Signs with `FC`, alibaba.md section 9.1.
fn fc(key: TestKey, request: Request, _: &str, now: Timestamp) -> Request {
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let (method, kind) = (&request.method, kind(&request));
    let (path, _) = parts(&request);
    let mut own: Vec<String> = request
        .headers
        .iter()
        .filter(|(name, _)| name.to_lowercase().starts_with("x-fc-"))
        .map(|(name, value)| format!("{}:{value}\n", name.to_lowercase()))
        .collect();
    own.sort();
    let text = format!("{method}\n\n{kind}\n{date}\n{}{path}", own.concat());
    let signature = STANDARD.encode_to_string(hmac(key.secret, text));
    let authorization = format!("FC {}:{signature}", key.id);
    request.header("Date", &date).header("Authorization", &authorization)
}
