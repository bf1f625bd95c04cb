//! The same steps through every dialect: publish, list, delete, continue the numbers, refuse; and
//! one layer seen through all dialects.

use std::fmt::Write;

use md5::Md5;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::support::{Answer, Request, TestServer, zips};

/// A version in a dialect's list.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    number: u64,
    checksum: String,
    /// `None` where the cloud does not report it.
    size: Option<u64>,
}

/// A client of one dialect.
trait Client {
    fn name(&self) -> &'static str;
    /// Returns the number of the new version, or the text of the answer.
    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String>;
    /// Returns the layer's versions by ascending number; none for an unknown layer.
    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row>;
    /// Returns whether the version existed.
    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool;
    /// Returns the checksum as the cloud spells it.
    fn checksum(&self, zip: &[u8]) -> String;
}

const CLIENTS: [&dyn Client; 6] = [&Alibaba, &Ctyun, &Huawei, &Native, &OpenYuanrong, &Tencent];

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
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

fn rows(list: &Value, number: &str, checksum: &str, size: &str) -> Vec<Row> {
    let row = |item: &Value| Row {
        number: item[number].as_u64().unwrap(),
        checksum: item[checksum].as_str().unwrap_or_default().to_owned(),
        size: item[size].as_u64(),
    };
    let mut rows: Vec<Row> = list.as_array().into_iter().flatten().map(row).collect();
    rows.sort_by_key(|row| row.number);
    rows
}

fn number(answer: &Answer, pointer: &str) -> Result<u64, String> {
    let found = serde_json::from_slice::<Value>(&answer.body).ok();
    let found = found.and_then(|body| body.pointer(pointer).and_then(Value::as_u64));
    found.ok_or_else(|| answer.text())
}

struct Alibaba;

impl Client for Alibaba {
    fn name(&self) -> &'static str {
        "alibaba"
    }

    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String> {
        let body =
            json!({"code": {"zipFile": zips::encode(zip)}, "compatibleRuntime": ["python3.10"]});
        let path = format!("/2023-03-30/layers/{layer}/versions");
        number(&server.send(&Request::new("POST", &path).json(&body)), "/version")
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

struct Ctyun;

impl Client for Ctyun {
    fn name(&self) -> &'static str {
        "ctyun"
    }

    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String> {
        let body =
            json!({"code": {"zipFile": zips::encode(zip)}, "compatibleRuntime": ["python3.10"]});
        let path = format!("/openapi/v1/layers/{layer}/versions");
        let request = Request::new("POST", &path).header("regionId", "r").json(&body);
        number(&server.send(&request), "/returnObj/version")
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
        format!("\"{}\"", hexadecimal(&Md5::digest(zip)))
    }
}

struct Huawei;

impl Huawei {
    /// Returns the id of the dependency of that name.
    fn id(server: &TestServer, layer: &str) -> Option<String> {
        let path = format!("/v2/p0/fgs/dependencies?name={layer}");
        let answer = server.send(&Request::get(&path));
        answer.json()["dependencies"][0]["id"].as_str().map(str::to_owned)
    }
}

impl Client for Huawei {
    fn name(&self) -> &'static str {
        "huawei"
    }

    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String> {
        let body = json!({
            "name": layer, "runtime": "Python3.9", "depend_type": "zip",
            "depend_file": zips::encode(zip),
        });
        let request = Request::new("POST", "/v2/p0/fgs/dependencies/version").json(&body);
        number(&server.send(&request), "/version")
    }

    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let Some(id) = Self::id(server, layer) else { return Vec::new() };
        let answer = server.send(&Request::get(&format!("/v2/p0/fgs/dependencies/{id}/version")));
        rows(&answer.json()["dependencies"], "version", "etag", "size")
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let Some(id) = Self::id(server, layer) else { return false };
        let path = format!("/v2/p0/fgs/dependencies/{id}/version/{number}");
        server.send(&Request::new("DELETE", &path)).status == 204
    }

    fn checksum(&self, zip: &[u8]) -> String {
        hexadecimal(&Md5::digest(zip))
    }
}

struct Native;

impl Client for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String> {
        let path = format!("/api/v1/layers/{layer}/versions");
        number(&server.send(&Request::new("POST", &path).body(zip)), "/version")
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
        hexadecimal(&Sha256::digest(zip))
    }
}

struct OpenYuanrong;

impl Client for OpenYuanrong {
    fn name(&self) -> &'static str {
        "openyuanrong"
    }

    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String> {
        let head =
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\n";
        let body = [head.as_bytes(), zip, b"\r\n--B--\r\n"].concat();
        let declared = format!("application/vnd.yuanrong+attachment;file-size={}", zip.len());
        let path = format!("/function-repository/v1/layers/{layer}/versions");
        let request = Request::new("POST", &path)
            .header("Content-Type", &declared)
            .header("X-Content-Type", "multipart/form-data; boundary=B")
            .header("X-Header-Compatible-Runtimes", "[\"python3.9\"]")
            .body(body);
        number(&server.send(&request), "/result/versionNumber")
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
        hexadecimal(&Sha512::digest(zip))
    }
}

struct Tencent;

impl Tencent {
    fn ask(server: &TestServer, action: &str, body: &Value) -> Answer {
        let request = Request::new("POST", "/")
            .header("X-TC-Action", action)
            .header("X-TC-Version", "2018-04-16")
            .json(body);
        server.send(&request)
    }
}

impl Client for Tencent {
    fn name(&self) -> &'static str {
        "tencent"
    }

    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String> {
        let body = json!({
            "LayerName": layer, "CompatibleRuntimes": ["Python3.9"],
            "Content": {"ZipFile": zips::encode(zip)},
        });
        number(&Self::ask(server, "PublishLayerVersion", &body), "/Response/LayerVersion")
    }

    /// The list has no checksum, therefore each version is fetched by itself.
    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row> {
        let answer = Self::ask(server, "ListLayerVersions", &json!({"LayerName": layer})).json();
        let mut found = rows(&answer["Response"]["LayerVersions"], "LayerVersion", "", "");
        for row in &mut found {
            let body = json!({"LayerName": layer, "LayerVersion": row.number});
            let version = Self::ask(server, "GetLayerVersion", &body).json();
            row.checksum = version["Response"]["CodeSha256"].as_str().unwrap().to_owned();
        }
        found
    }

    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool {
        let body = json!({"LayerName": layer, "LayerVersion": number});
        Self::ask(server, "DeleteLayerVersion", &body).json()["Response"]["Error"].is_null()
    }

    fn checksum(&self, zip: &[u8]) -> String {
        hexadecimal(&Sha256::digest(zip))
    }
}

fn numbers(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.number).collect()
}

#[test]
fn every_dialect_publishes_lists_deletes_and_refuses_alike() {
    for client in CLIENTS {
        let (server, name) = (TestServer::start(), client.name());
        let (one, two) = (zips::vector("tencent"), zips::vector("alibaba"));
        let list = || client.list(&server, "demo");
        assert_eq!(list(), [], "{name}: nothing is there yet");
        for (zip, expected) in [(&one, 1), (&two, 2), (&one, 3)] {
            assert_eq!(client.publish(&server, "demo", zip), Ok(expected), "{name}");
        }
        let rows = list();
        assert_eq!(numbers(&rows), [1, 2, 3], "{name}");
        for (row, zip) in rows.iter().zip([&one, &two, &one]) {
            assert_eq!(row.checksum, client.checksum(zip), "{name} {}", row.number);
            assert!(row.size.is_none_or(|size| size == zip.len() as u64), "{name}: {row:?}");
        }
        assert!(client.delete(&server, "demo", 3), "{name}");
        assert!(!client.delete(&server, "demo", 3), "{name}: it is gone");
        assert_eq!(numbers(&list()), [1, 2], "{name}");
        assert_eq!(client.publish(&server, "demo", &two), Ok(4), "{name}: 3 stays used");
        for number in [1, 2, 4] {
            assert!(client.delete(&server, "demo", number), "{name} {number}");
        }
        assert_eq!(list(), [], "{name}: all are gone");
        assert_eq!(client.publish(&server, "demo", &two), Ok(5), "{name}: the counter stays");

        let before = server.footprint();
        assert!(client.publish(&server, "demo", b"this is no zip").is_err(), "{name}");
        assert_eq!(server.footprint(), before, "{name}: nothing was stored");
    }
}

#[test]
fn layer_of_one_dialect_is_listed_by_all_with_their_own_checksum() {
    for publisher in CLIENTS {
        let server = TestServer::start();
        let zip = zips::vector("ctyun");
        assert_eq!(publisher.publish(&server, "demo", &zip), Ok(1), "{}", publisher.name());
        for reader in CLIENTS {
            let rows = reader.list(&server, "demo");
            let context = format!("{} through {}", publisher.name(), reader.name());
            assert_eq!(numbers(&rows), [1], "{context}");
            assert_eq!(rows[0].checksum, reader.checksum(&zip), "{context}");
        }
    }
}
