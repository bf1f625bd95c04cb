//! A JSON body as Go decodes it: keys in any case, null is absent, types are strict, and what
//! follows the first value is not looked at (openyuanrong.md section 1.1).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::CatalogError;
use crate::ingest::Spool;

/// The code of everything that Go's decoder refuses.
const NOT_JSON: u32 = 130_600;

/// The members of an object, by their names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    members: BTreeMap<String, Value>,
    /// What stands in front of a member's name in a refusal.
    path: String,
}

impl Fields {
    /// Reads a body.
    pub(crate) fn read(body: &Spool) -> Result<Self, ApiError> {
        let mut text = Vec::new();
        let mut reader = body.reader()?;
        std::io::Read::read_to_end(&mut reader, &mut text).map_err(CatalogError::from)?;
        Self::parse(&text)
    }

    fn parse(text: &[u8]) -> Result<Self, ApiError> {
        match serde_json::Deserializer::from_slice(text).into_iter::<Value>().next() {
            None => Err(ApiError::new(NOT_JSON, "EOF")),
            Some(Ok(Value::Object(members))) => Ok(Self::new(members, String::new())),
            Some(Ok(Value::Null)) => Ok(Self::default()),
            Some(Ok(other)) => {
                let message = format!("json: cannot unmarshal {} into Go value", kind(&other));
                Err(ApiError::new(NOT_JSON, message))
            }
            Some(Err(error)) if error.is_eof() => Err(ApiError::new(NOT_JSON, "unexpected EOF")),
            Some(Err(error)) => Err(ApiError::new(NOT_JSON, error.to_string())),
        }
    }

    fn new(members: Map<String, Value>, path: String) -> Self {
        let present = members.into_iter().filter(|(_, value)| !value.is_null());
        let members = present.map(|(key, value)| (key.to_ascii_lowercase(), value)).collect();
        Self { members, path }
    }

    /// Takes a member out; `name` is spelled as the vendor does.
    fn take<T>(
        &mut self,
        name: &str,
        kind_wanted: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.members.remove(&name.to_ascii_lowercase()) else { return Ok(None) };
        read(value).map(Some).map_err(|value| {
            let (kind, path) = (kind(&value), &self.path);
            let message = format!(
                "json: cannot unmarshal {kind} into Go struct field {path}{name} of type {kind_wanted}"
            );
            ApiError::new(NOT_JSON, message)
        })
    }

    /// Returns a text, empty when it is absent.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, ApiError> {
        let text = self.take(name, "string", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        });
        Ok(text?.unwrap_or_default())
    }

    /// Returns a whole number, 0 when it is absent; `3.0` is none.
    pub(crate) fn integer(&mut self, name: &str) -> Result<i64, ApiError> {
        let number = self.take(name, "int", |value| value.as_i64().ok_or(value));
        Ok(number?.unwrap_or_default())
    }

    /// Returns a switch, off when it is absent.
    pub(crate) fn switch(&mut self, name: &str) -> Result<bool, ApiError> {
        Ok(self.take(name, "bool", |value| value.as_bool().ok_or(value))?.unwrap_or_default())
    }

    /// Returns a list of texts, empty when it is absent.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        Ok(self.take(name, "[]string", typed)?.unwrap_or_default())
    }

    /// Returns a map of texts; its keys keep their case, and null is the empty text.
    pub(crate) fn text_map(
        &mut self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let map: Option<BTreeMap<String, Option<String>>> =
            self.take(name, "map[string]string", typed)?;
        let filled = |map: BTreeMap<String, Option<String>>| {
            map.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect()
        };
        Ok(map.map(filled))
    }

    /// Returns a map of numbers, written as Go writes them: `1.0` is 1.
    pub(crate) fn number_map(
        &mut self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, Number>>, ApiError> {
        /// Up to here every whole number is exact in a float.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let map: Option<BTreeMap<String, Option<f64>>> =
            self.take(name, "map[string]float64", typed)?;
        let number = |value: f64| match value.fract() == 0.0 && value.abs() <= EXACT {
            true => Number::from(value as i64),
            // Numbers of a JSON document are finite.
            false => Number::from_f64(value).unwrap_or_else(|| Number::from(0)),
        };
        let numbers = |map: BTreeMap<String, Option<f64>>| {
            map.into_iter().map(|(key, value)| (key, number(value.unwrap_or_default()))).collect()
        };
        Ok(map.map(numbers))
    }

    /// Returns an object, `None` when it is absent.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        let path = format!("{}{name}.", self.path);
        self.take(name, "struct", |value| match value {
            Value::Object(members) => Ok(Self::new(members, path)),
            other => Err(other),
        })
    }

    /// Returns a list of anything, null when it is absent.
    pub(crate) fn list(&mut self, name: &str) -> Result<Value, ApiError> {
        let list = self.take(name, "array", |value| match value {
            Value::Array(_) => Ok(value),
            other => Err(other),
        });
        Ok(list?.unwrap_or_default())
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Value> {
    T::deserialize(&value).map_err(|_| value)
}

/// What Go calls a value.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if number.is_f64() => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_null_is_absent_and_the_rest_is_not_read() {
        let body = br#"{"NAME":"n","Cpu":null,"device":{"Model":"m"},"unknown":[1]} trailing"#;
        let mut fields = Fields::parse(body).unwrap();
        assert_eq!(fields.text("name").unwrap(), "n");
        assert_eq!(fields.integer("cpu").unwrap(), 0);
        let mut device = fields.object("device").unwrap().unwrap();
        assert_eq!(device.text("model").unwrap(), "m");
        assert!(Fields::parse(b"null").unwrap().members.is_empty());
    }

    #[test]
    fn maps_keep_their_keys_and_numbers_are_spelled_as_go_does() {
        let body = br#"{"Environment":{"K":"v","k":null},"customResources":{"a":1.0,"b":0.5}}"#;
        let mut fields = Fields::parse(body).unwrap();
        let environment = fields.text_map("environment").unwrap().unwrap();
        assert_eq!((environment["K"].as_str(), environment["k"].as_str()), ("v", ""));
        let numbers = fields.number_map("customResources").unwrap().unwrap();
        assert_eq!(serde_json::to_string(&numbers).unwrap(), r#"{"a":1,"b":0.5}"#);
    }

    #[test]
    fn refusals_are_worded_as_go_does() {
        let refused = |body: &str| format!("{:?}", Fields::parse(body.as_bytes()).unwrap_err());
        assert!(refused("").contains("\"EOF\"") && refused("{").contains("\"unexpected EOF\""));
        assert!(
            refused("[]").contains("cannot unmarshal array") && refused("{a}").contains("130600")
        );
        let mut fields = Fields::parse(br#"{"cpu":3.0,"x":{"y":1}}"#).unwrap();
        let refused = format!("{:?}", fields.integer("cpu").unwrap_err());
        assert!(refused.contains("number 3.0 into Go struct field cpu of type int"), "{refused}");
        let mut inner = fields.object("x").unwrap().unwrap();
        let refused = format!("{:?}", inner.text("y").unwrap_err());
        assert!(refused.contains("number into Go struct field x.y of type string"), "{refused}");
    }
}
