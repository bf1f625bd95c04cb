//! A request's JSON fields, read by name and type.

use serde_json::{Map, Value};

use crate::dialects::huawei::errors::ApiError;

/// The fields of a body; unknown ones are never looked at.
#[derive(Debug)]
pub(crate) struct Input(Map<String, Value>);

impl Input {
    /// Takes a body that must be an object.
    pub(crate) fn from_json(value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(ApiError::not_json("the body must be a JSON object")),
        }
    }

    /// Stands for a request without a body.
    pub(crate) fn none() -> Self {
        Self(Map::new())
    }

    /// Returns a field; null counts as absent.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a text; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let text = self.read(name, "a string", Value::as_str)?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Returns a text that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| ApiError::missing(name))
    }

    /// Returns a whole number.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.read(name, "an integer", Value::as_i64)
    }

    /// Returns a switch.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.read(name, "a boolean", Value::as_bool)
    }

    /// Returns an object, to be kept as it is.
    pub(crate) fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, ApiError> {
        self.read(name, "an object", Value::as_object)
    }

    /// Returns a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, ApiError> {
        self.read(name, "an array of strings", |value| {
            value.as_array()?.iter().map(Value::as_str).collect()
        })
    }

    fn read<'v, T>(
        &'v self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(ApiError::field(name, format!("must be {kind}"))),
            },
        }
    }
}
