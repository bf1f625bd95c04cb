//! A client of each dialect: what it sends, how it signs, and what it reads in answers.

mod alibaba;
mod ctyun;
mod huawei;
pub mod native;
pub mod openyuanrong;
pub mod s3;
mod tencent;

use layerbase::dialects;
use layerbase::domain::Timestamp;
use serde_json::Value;

use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer};

/// All clients, in the order of their names.
pub const CLOUDS: [&dyn Cloud; 7] = [
    &alibaba::Alibaba,
    &ctyun::Ctyun,
    &huawei::Huawei,
    &native::Native,
    &openyuanrong::OpenYuanrong,
    &s3::S3,
    &tencent::Tencent,
];

/// Returns the client of a dialect.
pub fn named(name: &str) -> &'static dyn Cloud {
    let found = CLOUDS.into_iter().find(|cloud| cloud.name() == name);
    found.unwrap_or_else(|| panic!("{name} has no client"))
}

/// A client of one dialect.
pub trait Cloud {
    /// Returns the dialect's name.
    fn name(&self) -> &'static str;

    /// Returns the ways to sign a request. The first is the usual one.
    fn schemes(&self) -> &'static [Scheme];

    /// Signs a request to the server at `base`, at the time `now`.
    fn sign(&self, key: TestKey, request: Request, base: &str, now: Timestamp) -> Request {
        (self.schemes()[0].sign)(key, request, base, now)
    }

    /// Returns a request for a list, which may be empty.
    fn listing(&self) -> Request;

    /// Returns a request that publishes a zip as the layer `demo`; for S3, that puts it as an
    /// object.
    fn publishing(&self, zip: &[u8]) -> Request;

    /// Returns a change to a new server that has code, and how the log has it.
    fn change(&self, zip: &[u8]) -> Change;

    /// Whether an answer refuses a request whose signature is not that of a known key.
    fn is_refusal(&self, answer: &Answer) -> bool;

    /// Returns the client's layers; `None` where the cloud has none.
    fn layers(&self) -> Option<&dyn Layers>;
}

/// What the clients of a cloud with layers do with them.
pub trait Layers: Cloud {
    /// Returns a request that publishes a zip as a version of a layer.
    fn publication(&self, layer: &str, zip: &[u8]) -> Request;

    /// Returns the JSON pointer to a new version's number in the answer.
    fn number(&self) -> &'static str;

    /// Returns the number of the new version, or the text of the answer.
    fn publish(&self, server: &TestServer, layer: &str, zip: &[u8]) -> Result<u64, String> {
        let answer = server.send(&self.publication(layer, zip));
        body(&answer).pointer(self.number()).and_then(Value::as_u64).ok_or_else(|| answer.text())
    }

    /// Returns the layer's versions by ascending number; none for an unknown layer.
    fn list(&self, server: &TestServer, layer: &str) -> Vec<Row>;

    /// Returns whether the version existed.
    fn delete(&self, server: &TestServer, layer: &str, number: u64) -> bool;

    /// Returns the checksum as the cloud spells it.
    fn checksum(&self, zip: &[u8]) -> String;
}

/// A version in a dialect's list.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub number: u64,
    pub checksum: String,
    /// `None` where the cloud does not report it.
    pub size: Option<u64>,
}

/// A request that changes something, and its line in the log.
pub struct Change {
    pub request: Request,
    pub operation: &'static str,
    pub subject: &'static str,
}

/// One of a cloud's ways to sign a request.
pub struct Scheme {
    pub name: &'static str,
    /// Signs a request to the server at a base URL, at a time.
    pub sign: fn(TestKey, Request, &str, Timestamp) -> Request,
    /// The headers that the scheme reads or covers, in this client's requests.
    pub covered: &'static [&'static str],
    /// Returns the part of a covered header's value, without blanks around it, that the scheme
    /// distinguishes. Takes the header's name and its value.
    pub meaning: fn(&str, &str) -> String,
    /// Whether the publication sent with `GET` is refused as not signed.
    pub is_bound_to_method: bool,
}

/// The meaning of values that a scheme takes as they are.
fn as_sent(_: &str, value: &str) -> String {
    value.to_owned()
}

/// The meaning of an `Authorization` with fields, a signature last. Ignored: blanks around the
/// fields, and the case of the signature's digits.
fn fields_then_signature(name: &str, value: &str) -> String {
    if name != "authorization" {
        return value.to_owned();
    }
    let (front, signature) = value.split_once("Signature=").unwrap_or((value, ""));
    let (word, fields) = front.split_once(' ').unwrap_or((front, ""));
    let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
    format!("{word} {}{}", fields.join(","), signature.to_lowercase())
}

/// Returns the JSON of an answer; null where it has none.
fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Whether a text in an answer begins in one of these ways.
fn says(body: &Value, pointer: &str, starts: &[&str]) -> bool {
    let said = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    starts.iter().any(|start| said.starts_with(start))
}

/// Whether an answer is an object of this many fields.
fn has_fields(body: &Value, count: usize) -> bool {
    body.as_object().is_some_and(|body| body.len() == count)
}

/// Returns the rows of a list, given the names of its fields.
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

#[test]
fn every_dialect_has_a_client() {
    assert_eq!(CLOUDS.map(|cloud| cloud.name()).to_vec(), dialects::known().names);
}
