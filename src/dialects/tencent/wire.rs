//! Parameters and answers (tencent.md sections 1 and 2).

use jiff::ToSpan;
use jiff::fmt::strtime;
use serde::Serialize;
use serde_json::{Map, Value};

use super::errors::ApiError;
use crate::dialects::links::Links;
use crate::dialects::params::Params;
use crate::domain::{LayerVersion, Timestamp};

/// Deepest nesting of a known dotted parameter; deeper ones are ignored as unknown.
const DEPTH_MAX: usize = 6;

/// An action's parameters from JSON, form or query.
#[derive(Debug)]
pub(super) struct Input(Value);

impl Input {
    /// Takes the parameters of a JSON body, which must be an object.
    pub(super) fn from_json(value: Value) -> Result<Self, ApiError> {
        if value.is_object() { Ok(Self(value)) } else { Err(ApiError::not_json()) }
    }

    /// Nests flat parameters: `Tags.0.Key` is the `Key` of the first of `Tags`.
    pub(super) fn from_pairs(pairs: &Params) -> Self {
        let mut root = Value::Object(Map::new());
        for (key, value) in &pairs.0 {
            let path: Vec<&str> = key.split('.').collect();
            if path.len() <= DEPTH_MAX {
                insert(&mut root, &path, value);
            }
        }
        Self(number_lists(root))
    }

    /// Returns a text; `None` when it is absent, null or empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(ApiError::wrong_type(name)),
        }
    }

    /// Returns an integer, sent as a number or as digits in a text.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let number = match self.value(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| ApiError::wrong_type(name))
    }

    /// Returns a list of texts; one text counts as a list of one (tencent.md section 11, 4).
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let one = |value: &Value| value.as_str().map(str::to_owned);
        let texts = match self.value(name) {
            None => Some(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(one).collect(),
            Some(text) => one(text).map(|text| vec![text]),
        };
        texts.ok_or_else(|| ApiError::wrong_type(name))
    }

    /// Returns `Tags`; `None` when there are none.
    pub(super) fn tags(&self) -> Result<Option<Vec<(String, String)>>, ApiError> {
        let wrong = || ApiError::wrong_type("Tags");
        let Some(tags) = self.value("Tags") else { return Ok(None) };
        let pair = |tag: &Value| {
            let text = |name: &str| tag.get(name)?.as_str().map(str::to_owned);
            Some((text("Key")?, text("Value")?))
        };
        let tags: Option<Vec<_>> = tags.as_array().ok_or_else(wrong)?.iter().map(pair).collect();
        Ok(Some(tags.ok_or_else(wrong)?).filter(|tags| !tags.is_empty()))
    }

    /// Returns a text inside an object; `None` when it is absent, null or empty.
    pub(super) fn inner_text(&self, object: &str, member: &str) -> Result<Option<&str>, ApiError> {
        match self.value(object).and_then(|object| object.get(member)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(ApiError::wrong_type(&format!("{object}.{member}"))),
        }
    }

    /// Whether an object has a member that is neither null nor empty.
    pub(super) fn has(&self, object: &str, member: &str) -> bool {
        self.value(object)
            .and_then(|object| object.get(member))
            .is_some_and(|value| !value.is_null() && value != "")
    }

    /// Returns a parameter; null counts as absent.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
}

fn insert(object: &mut Value, path: &[&str], value: &str) {
    let Value::Object(members) = object else { return };
    match path {
        [] => {}
        [last] => {
            members.insert((*last).to_owned(), Value::from(value));
        }
        [first, rest @ ..] => {
            let inner = members.entry(*first).or_insert_with(|| Value::Object(Map::new()));
            insert(inner, rest, value);
        }
    }
}

/// Turns objects whose keys are all numbers into lists in the order of these numbers.
fn number_lists(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let numbers: Option<Vec<u32>> = members.keys().map(|key| key.parse().ok()).collect();
    let inner = members.into_iter().map(|(key, value)| (key, number_lists(value)));
    match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let mut list: Vec<_> = numbers.into_iter().zip(inner.map(|(_, value)| value)).collect();
            list.sort_by_key(|(number, _)| *number);
            Value::Array(list.into_iter().map(|(_, value)| value).collect())
        }
        _ => Value::Object(inner.collect()),
    }
}

/// The wrapper around every success.
#[derive(Serialize)]
pub(super) struct Envelope<T> {
    #[serde(rename = "Response")]
    pub(super) response: Success<T>,
}

#[derive(Serialize)]
pub(super) struct Success<T> {
    #[serde(flatten)]
    pub(super) fields: T,
    #[serde(rename = "RequestId")]
    pub(super) request_id: String,
}

/// An answer without fields of its own.
#[derive(Serialize)]
pub(super) struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Published {
    pub(super) layer_version: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

/// A layer version: a row of a list (tencent.md section 2.3), or alone with its code (section 2.2).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LayerVersionBody {
    compatible_runtimes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    add_time: String,
    description: String,
    license_info: String,
    layer_version: u64,
    layer_name: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Tag>>,
}

impl LayerVersionBody {
    /// Returns the row of a list.
    pub(super) fn row(version: LayerVersion) -> Self {
        let tags = version.layer.tags.into_iter().map(|(key, value)| Tag { key, value });
        Self {
            compatible_runtimes: version.runtimes,
            code_sha256: None,
            location: None,
            add_time: time(version.created),
            description: version.description,
            license_info: version.license,
            layer_version: version.number.get(),
            layer_name: version.layer.name.to_string(),
            status: "Active",
            stamp: Some("default"),
            tags: Some(tags.collect()),
        }
    }

    /// Returns the record of `GetLayerVersion`, the seed operation.
    pub(super) fn with_code(version: LayerVersion, links: &Links) -> Self {
        let file = format!("{}_{}.zip", version.layer.name, version.number);
        let sha256 = version.code.digests.sha256;
        Self {
            code_sha256: Some(hex::encode(sha256)),
            location: Some(links.code(&sha256, &file)),
            stamp: None,
            tags: None,
            ..Self::row(version)
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Layers {
    pub(super) layers: Vec<LayerVersionBody>,
    pub(super) total_count: u64,
}

/// Renders a time as wall clock at UTC+8, without a zone (tencent.md section 5).
fn time(time: Timestamp) -> String {
    let local = time.checked_add(8.hours()).unwrap_or(time);
    strtime::format("%Y-%m-%d %H:%M:%S", local).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_eight_hours_ahead() {
        let instant = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(time(instant), "2023-11-15 06:13:20");
    }

    #[test]
    fn flat_parameters_nest_and_lists_follow_their_numbers() {
        let pairs = Params::parse(
            "Tags.0.Key=a&Tags.0.Value=b&List.10=k&List.2=c&Content.ZipFile=x&LayerVersion=7",
        );
        let input = Input::from_pairs(&pairs);
        assert_eq!(input.tags().unwrap(), Some(vec![("a".to_owned(), "b".to_owned())]));
        assert_eq!(input.texts("List").unwrap(), ["c", "k"]);
        assert_eq!(input.integer("LayerVersion").unwrap(), Some(7));
        assert!(input.has("Content", "ZipFile"));
    }

    #[test]
    fn a_very_deep_parameter_is_ignored() {
        let pairs = Params::parse(&format!("A{}=x&B=y", ".0".repeat(100_000)));
        assert_eq!(Input::from_pairs(&pairs).text("B").unwrap(), Some("y"));
    }
}
