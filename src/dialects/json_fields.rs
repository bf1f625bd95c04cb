//! The members of a JSON object, read by name and type.
//!
//! `null` counts as absent for every cloud. The dialects add their own leniency, such as numbers as
//! digits in a text.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How keys are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyCase {
    /// Exactly as they are named.
    Exact,
    /// In any case of ASCII letters; an exact match takes precedence.
    Any,
}

/// The types that members can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An array of strings.
    Texts,
    /// An object.
    Object,
    /// An array of anything.
    Array,
    /// An object whose values are strings.
    TextMap,
    /// An object whose values are numbers.
    NumberMap,
}

/// A member of a wrong type.
#[derive(Debug)]
pub(super) struct WrongType {
    /// The member's path, joined by dots.
    pub(super) field: String,
    /// The required type.
    pub(super) wanted: Kind,
    /// Its actual JSON type, with the text of a number that is no integer.
    pub(super) found: String,
}

/// The members of one object.
#[derive(Clone, Debug)]
pub(super) struct Fields<'v> {
    members: Option<&'v Map<String, Value>>,
    /// The prefix of names in a refusal: the object's path and a dot.
    path: String,
    keys: KeyCase,
}

impl<'v> Fields<'v> {
    /// Takes a document; `None` when it is not an object.
    pub(super) fn of(document: &'v Value, keys: KeyCase) -> Option<Self> {
        let members = document.as_object()?;
        Some(Self { members: Some(members), path: String::new(), keys })
    }

    /// An object without members.
    pub(super) fn none(keys: KeyCase) -> Self {
        Self { members: None, path: String::new(), keys }
    }

    /// Returns a member.
    pub(super) fn value(&self, name: &str) -> Option<&'v Value> {
        let members = self.members?;
        let exact = members.get(name).filter(|value| !value.is_null());
        if exact.is_some() || self.keys == KeyCase::Exact {
            return exact;
        }
        let is_same =
            |(key, value): &(&String, &Value)| key.eq_ignore_ascii_case(name) && !value.is_null();
        members.iter().rfind(is_same).map(|(_, value)| value)
    }

    /// Returns a text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'v str>, WrongType> {
        self.read(name, Kind::Text, Value::as_str)
    }

    /// Returns a whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, WrongType> {
        self.read(name, Kind::Integer, Value::as_i64)
    }

    /// Returns a boolean.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, WrongType> {
        self.read(name, Kind::Boolean, Value::as_bool)
    }

    /// Returns a list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'v str>>, WrongType> {
        self.read(name, Kind::Texts, |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// Returns an object as it is.
    pub(super) fn map(&self, name: &str) -> Result<Option<&'v Map<String, Value>>, WrongType> {
        self.read(name, Kind::Object, Value::as_object)
    }

    /// Returns the members of an object.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, WrongType> {
        let path = format!("{}{name}.", self.path);
        let members = self.map(name)?;
        Ok(members.map(|members| Self { members: Some(members), path, keys: self.keys }))
    }

    /// Returns a member of a type that serde reads.
    pub(super) fn typed<T: DeserializeOwned>(
        &self,
        name: &str,
        wanted: Kind,
    ) -> Result<Option<T>, WrongType> {
        self.read(name, wanted, |value| T::deserialize(value).ok())
    }

    /// Returns a member as `read` reads it.
    pub(super) fn read<T>(
        &self,
        name: &str,
        wanted: Kind,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Result<Option<T>, WrongType> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let wrong = || {
            let field = format!("{}{name}", self.path);
            WrongType { field, wanted, found: type_of(value) }
        };
        read(value).map(Some).ok_or_else(wrong)
    }
}

/// Returns the JSON type of a value.
pub(super) fn type_of(value: &Value) -> String {
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

impl Kind {
    /// Names the type in plain words.
    pub(super) fn article(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
            Self::Texts => "an array of strings",
            Self::Object => "an object",
            Self::Array => "an array",
            Self::TextMap => "an object of strings",
            Self::NumberMap => "an object of numbers",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_absent_and_keys_fold_only_on_request() {
        let body = json!({"Description": "any", "LICENSE": "x", "license": null, "code": 1});
        let fields = Fields::of(&body, KeyCase::Any).unwrap();
        assert_eq!(fields.text("description").unwrap(), Some("any"));
        assert_eq!(fields.text("license").unwrap(), Some("x"));
        assert_eq!(fields.text("absent").unwrap(), None);
        let exact = Fields::of(&body, KeyCase::Exact).unwrap();
        assert_eq!(exact.text("description").unwrap(), None);
        assert!(Fields::of(&json!([]), KeyCase::Any).is_none());
        assert_eq!(Fields::none(KeyCase::Any).text("x").unwrap(), None);
    }

    #[test]
    fn wrong_types_are_named_with_their_path() {
        let body = json!({"code": {"zip": 3.5}, "list": ["a", 1]});
        let fields = Fields::of(&body, KeyCase::Exact).unwrap();
        let code = fields.object("code").unwrap().unwrap();
        let wrong = code.text("zip").unwrap_err();
        assert_eq!(
            (&*wrong.field, wrong.wanted, &*wrong.found),
            ("code.zip", Kind::Text, "number 3.5")
        );
        let wrong = fields.texts("list").unwrap_err();
        assert_eq!((&*wrong.field, wrong.wanted.article()), ("list", "an array of strings"));
    }
}
