//! JSON uploads: `ingest::json` must read what serde_json reads, whatever the sizes of the pieces.

use std::fmt;

use base64_simd::STANDARD;
use layerbase::domain::{ArchiveProblem, CatalogError, Field, RequestError};
use layerbase::ingest::Leniency;
use layerbase::ingest::json::{JsonError, JsonOptions, read_json};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::uploads::{FIELDS_MAX, INPUT_MAX, Pieces, STEPS, bytes, writer};

/// Where the code may be, and the pointers that serde_json has for that.
const WANTED: [&[&str]; 2] = [&["Content", "ZipFile"], &["ZipFile"]];
const POINTERS: [&str; 2] = ["/Content/ZipFile", "/ZipFile"];

/// The fields, the code and its place, or the refusal.
type Outcome = Result<(Value, Option<Vec<u8>>, Option<usize>), JsonError>;

/// Checks a body.
pub fn check(data: &[u8]) {
    if data.len() > INPUT_MAX {
        return;
    }
    let mut spelled = STEPS.map(|step| {
        let outcome = read(data, step, false);
        compare(data, &outcome);
        format!("{outcome:?}")
    });
    let first = spelled[0].clone();
    spelled.iter_mut().for_each(|other| assert_eq!(*other, first, "in other pieces"));
    // Keys in any case have no reference; whether it is JSON must not depend on that.
    let folded = read(data, usize::MAX, true);
    let is_malformed = matches!(folded, Err(JsonError::Malformed(_)));
    assert_eq!(is_malformed, serde_json::from_slice::<Value>(data).is_err());
}

fn read(data: &[u8], step: usize, fold_keys: bool) -> Outcome {
    let options = JsonOptions { fold_keys, leniency: Leniency::Strict };
    let upload = read_json(Pieces(data, step), &WANTED, options, writer(), FIELDS_MAX)?;
    Ok((upload.fields, upload.staging.map(bytes), upload.found))
}

fn compare(data: &[u8], outcome: &Outcome) {
    match (serde_json::from_slice::<Value>(data), outcome) {
        (Err(plain), Err(JsonError::Malformed(reason))) => {
            let plain = plain.to_string();
            let end = plain.rfind(" at line ").unwrap_or(plain.len());
            assert_eq!(reason, &plain[..end]);
        }
        (Err(plain), other) => panic!("serde_json says {plain}, not {other:?}"),
        (Ok(mut plain), Ok((fields, code, found))) => {
            let text = found.and_then(|at| plain.pointer_mut(POINTERS[at])).map(Value::take);
            let text = text.as_ref().and_then(Value::as_str);
            let reference = text.map(|text| STANDARD.decode_to_vec(text).expect("it is base64"));
            assert_eq!((code, fields), (&reference, &plain));
            let left = POINTERS.iter().filter_map(|at| plain.pointer(at)?.as_str());
            assert!(left.into_iter().all(str::is_empty), "code stayed in the fields");
        }
        (Ok(_), Err(JsonError::Refused(RequestError::Catalog(refusal)))) => match refusal {
            CatalogError::BadArchive(ArchiveProblem::NotBase64) => {
                let places = places(data);
                let mut texts = places.iter().filter_map(Value::as_str);
                assert!(texts.any(|text| STANDARD.decode_to_vec(text).is_err()), "it is base64");
            }
            CatalogError::InvalidValue { field: Field::Code, .. } => {
                assert!(places(data).len() > 1, "the code is in one place");
            }
            other => panic!("{other:?}"),
        },
        (Ok(_), Err(other)) => panic!("{other:?}"),
    }
}

/// The members of an object, repeated ones too.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// Returns the members with this key, or none of what is no object.
fn members(object: &[u8], wanted: &str) -> Vec<Box<RawValue>> {
    let members: Result<Members, _> = serde_json::from_slice(object);
    let members = members.map(|Members(members)| members).unwrap_or_default();
    members.into_iter().filter(|(key, _)| key == wanted).map(|(_, value)| value).collect()
}

/// Returns all values where the code may be. A repeated key on the path to one counts as two.
fn places(document: &[u8]) -> Vec<Value> {
    let contents = members(document, "Content");
    let inner = contents.iter().flat_map(|content| members(content.get().as_bytes(), "ZipFile"));
    let values = inner.chain(members(document, "ZipFile"));
    let values = values.map(|value| serde_json::from_str(value.get()).unwrap_or_default());
    let repeated = contents.iter().skip(1).flat_map(|_| [Value::Null, Value::Null]);
    values.chain(repeated).collect()
}
