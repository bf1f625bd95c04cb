//! A JSON body as Go decodes it: keys in any case, null and absent members are zero values, types
//! are strict, and what follows the first value is not read (openyuanrong.md section 1.1).

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Deserializer, Number, Value};

use crate::dialects::json_fields::{Fields, KeyCase, Kind, WrongType, type_of};
use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::CatalogError;
use crate::ingest::Spool;

/// The code of everything that Go's decoder refuses.
const NOT_JSON: u32 = 130_600;

impl From<WrongType> for ApiError {
    fn from(WrongType { field, wanted, found }: WrongType) -> Self {
        let wanted = match wanted {
            Kind::Text => "string",
            Kind::Integer => "int",
            Kind::Boolean => "bool",
            Kind::Texts => "[]string",
            Kind::Object => "struct",
            Kind::Array => "array",
            Kind::TextMap => "map[string]string",
            Kind::NumberMap => "map[string]float64",
        };
        let message =
            format!("json: cannot unmarshal {found} into Go struct field {field} of type {wanted}");
        Self::new(NOT_JSON, message)
    }
}

/// Reads a body and passes its members to `parse`.
pub(crate) fn read<T>(
    body: &Spool,
    parse: impl FnOnce(&Fields<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let mut text = Vec::new();
    body.reader()?.read_to_end(&mut text).map_err(CatalogError::from)?;
    read_text(&text, parse)
}

fn read_text<T>(
    text: &[u8],
    parse: impl FnOnce(&Fields<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let refuse = |message: &str| ApiError::new(NOT_JSON, message);
    let document = match Deserializer::from_slice(text).into_iter::<Value>().next() {
        None => return Err(refuse("EOF")),
        Some(Ok(Value::Null)) => return parse(&Fields::none(KeyCase::Any)),
        Some(Ok(document)) => document,
        Some(Err(error)) if error.is_eof() => return Err(refuse("unexpected EOF")),
        Some(Err(error)) => return Err(refuse(&error.to_string())),
    };
    let members = Fields::of(&document, KeyCase::Any).ok_or_else(|| {
        refuse(&format!("json: cannot unmarshal {} into Go value", type_of(&document)))
    })?;
    parse(&members)
}

pub(crate) fn text(fields: &Fields<'_>, name: &str) -> Result<String, WrongType> {
    Ok(fields.text(name)?.unwrap_or_default().to_owned())
}

/// Returns a whole number; `3.0` is none.
pub(crate) fn integer(fields: &Fields<'_>, name: &str) -> Result<i64, WrongType> {
    Ok(fields.integer(name)?.unwrap_or_default())
}

pub(crate) fn boolean(fields: &Fields<'_>, name: &str) -> Result<bool, WrongType> {
    Ok(fields.boolean(name)?.unwrap_or_default())
}

pub(crate) fn object<'v>(fields: &Fields<'v>, name: &str) -> Result<Fields<'v>, WrongType> {
    Ok(fields.object(name)?.unwrap_or(Fields::none(KeyCase::Any)))
}

/// Returns a list of anything, null when it is absent.
pub(crate) fn list(fields: &Fields<'_>, name: &str) -> Result<Value, WrongType> {
    let list = fields.read(name, Kind::Array, |value| value.is_array().then_some(value))?;
    Ok(list.cloned().unwrap_or_default())
}

/// Returns a map of texts; its keys keep their case, and null is the empty text.
pub(crate) fn text_map(
    fields: &Fields<'_>,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, WrongType> {
    let map: Option<BTreeMap<String, Option<String>>> = fields.typed(name, Kind::TextMap)?;
    Ok(map.map(|map| map.into_iter().map(|(key, text)| (key, text.unwrap_or_default())).collect()))
}

/// Returns what is wrong with a text of more than `max` characters.
pub(crate) fn too_long(name: &str, text: &str, max: usize) -> Option<String> {
    let rule = || format!("{name}: {text} does not validate as maxstringlength({max})");
    (text.chars().count() > max).then(rule)
}

/// Returns a map of numbers, written as Go writes them: `1.0` is 1.
pub(crate) fn number_map(
    fields: &Fields<'_>,
    name: &str,
) -> Result<Option<BTreeMap<String, Number>>, WrongType> {
    let map: Option<BTreeMap<String, Option<f64>>> = fields.typed(name, Kind::NumberMap)?;
    let number = |value: Option<f64>| plain_number(value.unwrap_or_default());
    Ok(map.map(|map| map.into_iter().map(|(key, value)| (key, number(value))).collect()))
}

fn plain_number(value: f64) -> Number {
    /// Every whole number up to this one is exact in a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Number::from(value as i64);
    }
    // The numbers of a JSON document are finite.
    Number::from_f64(value).unwrap_or_else(|| Number::from(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_as_go_reads_it() {
        let body = br#"{"NAME":"n","Cpu":null,"device":{"Model":"m"},"unknown":[1],
            "Environment":{"K":"v","k":null},"customResources":{"a":1.0,"b":0.5}} trailing"#;
        let check = |fields: &Fields<'_>| {
            assert_eq!((&*text(fields, "name")?, integer(fields, "cpu")?), ("n", 0));
            assert_eq!(text(&object(fields, "device")?, "model")?, "m");
            let environment = text_map(fields, "environment")?.unwrap();
            assert_eq!((&*environment["K"], &*environment["k"]), ("v", ""));
            let numbers = number_map(fields, "customResources")?.unwrap();
            assert_eq!(serde_json::to_string(&numbers).unwrap(), r#"{"a":1,"b":0.5}"#);
            Ok(())
        };
        read_text(body, check).unwrap();
        assert_eq!(read_text(b"null", |fields| Ok(text(fields, "name")?)).unwrap(), "");
    }

    #[test]
    fn refusals_are_worded_as_go_words_them() {
        let parse = |fields: &Fields<'_>| {
            text(&object(fields, "x")?, "y")?;
            Ok(integer(fields, "cpu")?)
        };
        for (body, part) in [
            ("[]", "cannot unmarshal array"),
            ("{a}", "130600"),
            (r#"{"cpu":3.0}"#, "number 3.0 into Go struct field cpu of type int"),
            (r#"{"x":{"y":1}}"#, "number into Go struct field x.y of type string"),
        ] {
            let refused = format!("{:?}", read_text(body.as_bytes(), parse).unwrap_err());
            assert!(refused.contains(part), "{refused}");
        }
    }
}
