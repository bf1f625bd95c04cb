//! A client of our own API.

use layerbase::domain::Timestamp;
use sha2::{Digest, Sha256};

use super::{Change, Cloud, Layers, Row, Scheme, body, rows, says};
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer};

pub struct Native;

impl Cloud for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme {
            name: "native",
            sign: |key, request, _: &str, _: Timestamp| bearer(key, request),
            covered: &["authorization"],
            meaning,
            is_bound_to_method: false,
        }]
    }

    fn listing(&self) -> Request {
        Request::get("/api/v1/layers?limit=2")
    }

    fn publishing(&self, zip: &[u8]) -> Request {
        self.publication("demo", zip)
    }

    fn change(&self, zip: &[u8]) -> Change {
        Change {
            request: self.publication("by-native", zip),
            operation: "PublishLayerVersion",
            subject: "layer/by-native/1",
        }
    }

    fn is_refusal(&self, answer: &Answer) -> bool {
        answer.status == 401 && says(&body(answer), "/code", &["unauthorized"])
    }

    fn layers(&self) -> Option<&dyn Layers> {
        Some(self)
    }
}

impl Layers for Native {
    fn publication(&self, layer: &str, zip: &[u8]) -> Request {
        Request::new("POST", &format!("/api/v1/layers/{layer}/versions")).body(zip)
    }

    fn number(&self) -> &'static str {
        "/version"
    }

    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let answer = server.send(&Request::get(&format!("/api/v1/layers/{layer}/versions")));
        rows(&answer.json()["items"], "version", "sha256", "size")
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let path = format!("/api/v1/layers/{layer}/versions/{number}");
        server.send(&Request::new("DELETE", &path)).status == 204
    }

    fn checksum(&self, zip: &[u8]) -> String {
        hex::encode(Sha256::digest(zip))
    }
}

/// Ignored: the case of the word, and blanks after it.
fn meaning(_: &str, value: &str) -> String {
    match value.split_once(' ') {
        Some((word, token)) => format!("{} {}", word.to_lowercase(), token.trim_start()),
        None => value.to_owned(),
    }
}

/// Adds the key to a request.
pub fn bearer(key: TestKey, request: Request) -> Request {
    request.header("Authorization", &format!("Bearer {}.{}", key.id, key.secret))
}
