//! What the generations share and where they differ: paths, identifiers, fields of a body
//! (alibaba.md sections 0 and 5). The records are in one file per noun.

pub(super) mod layers;
pub(super) mod objects;
pub(super) mod tokens;

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::errors::ApiError;
use crate::app::App;
use crate::dialects::links::Links;
use crate::dialects::{Caller, tenants};
use crate::domain::{CatalogError, LayerName, Noun, VersionNumber};

/// What paths start with; the documents print them bare.
pub(super) const PREFIXES: [&str; 4] = ["", "/2016-08-15", "/2021-04-06", "/2023-03-30"];

/// Returns the text between the first slash of a path and the next one.
pub(super) fn first_segment(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Which of the API's shapes a request is in, by the date in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// 2016-08-15, and no date.
    First,
    /// 2021-04-06.
    Second,
    /// 2023-03-30, called FC 3.0.
    Third,
}

impl Generation {
    /// Reads the date off a path.
    pub(super) fn of(path: &str) -> Self {
        match first_segment(path) {
            "2021-04-06" => Self::Second,
            "2023-03-30" => Self::Third,
            _ => Self::First,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Generation {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(head.uri.path()))
    }
}

/// What is put into every record beside the record itself.
pub(super) struct Renderer<'a> {
    generation: Generation,
    links: &'a Links,
    region: &'a str,
    account: String,
    /// What stands for the account in an ARN of the first form.
    account_hash: String,
}

impl<'a> Renderer<'a> {
    pub(super) fn new(
        app: &'a App,
        caller: &'a Caller,
        links: &'a Links,
        generation: Generation,
    ) -> Self {
        let tenant = caller.tenant();
        let account = app
            .cloud_ids(tenant)
            .alibaba_account
            .unwrap_or_else(|| tenants::decimal(tenant, "alibaba account", 16).to_string());
        let account_hash = hex::encode(Md5::digest(account.as_bytes()));
        let region = app.config().region.as_str();
        Self { generation, links, region, account, account_hash }
    }

    /// Reads a layer version's ARN in either form; one of another account names nothing here.
    pub(super) fn parse_arn(&self, arn: &str) -> Result<(LayerName, VersionNumber), ApiError> {
        let (owner, name, number) = split_arn(arn).ok_or_else(|| {
            ApiError::invalid(format!("arn '{arn}' is not the ARN of a layer version"))
        })?;
        if owner != self.account && owner != self.account_hash {
            return Err(CatalogError::not_found(Noun::Layer, arn).into());
        }
        Ok((LayerName::parse(name)?, number))
    }
}

/// Takes an ARN apart: account or its hash, layer, version.
fn split_arn(arn: &str) -> Option<(&str, &str, VersionNumber)> {
    let (owner, name, number) = match arn.strip_prefix("acs:fc:") {
        Some(rest) => {
            let (_region, rest) = rest.split_once(':')?;
            let (account, rest) = rest.split_once(":layers/")?;
            let (name, number) = rest.split_once("/versions/")?;
            (account, name, number)
        }
        None => {
            let (hash, rest) = arn.split_once('#')?;
            let (name, number) = rest.rsplit_once('#')?;
            (hash, name, number)
        }
    };
    Some((owner, name, VersionNumber::parse(number)?))
}

/// The members of an object in a body. Keys are found in any case, one that is spelled exactly
/// first, and `null` counts as absent (alibaba.md section 0).
struct Fields<'v> {
    members: &'v Map<String, Value>,
    /// What stands before the names in a refusal.
    place: &'static str,
}

impl<'v> Fields<'v> {
    /// Takes a whole body; it must be an object.
    fn of_body(body: &'v Value) -> Result<Self, ApiError> {
        let members = body.as_object();
        let members = members.ok_or_else(|| {
            ApiError::invalid("the request body must be a JSON object".to_owned())
        })?;
        Ok(Self { members, place: "" })
    }

    /// Returns a member that is an object itself; `place` is its path with a dot behind it.
    fn object(&self, name: &str, place: &'static str) -> Result<Option<Self>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let members = value.as_object().ok_or_else(|| self.wrong_type(name, "an object"))?;
        Ok(Some(Self { members, place }))
    }

    fn text(&self, name: &str) -> Result<Option<&'v str>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong_type(name, "a string"))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let one = |value: &Value| value.as_str().map(str::to_owned);
        let texts = value.as_array().and_then(|values| values.iter().map(one).collect());
        texts.ok_or_else(|| self.wrong_type(name, "an array of strings"))
    }

    fn value(&self, name: &str) -> Option<&'v Value> {
        let any_case = || {
            let same = |(key, value): &(&String, &Value)| {
                key.eq_ignore_ascii_case(name) && !value.is_null()
            };
            self.members.iter().find(same).map(|(_, value)| value)
        };
        self.members.get(name).filter(|value| !value.is_null()).or_else(any_case)
    }

    fn wrong_type(&self, name: &str, wanted: &str) -> ApiError {
        ApiError::invalid(format!("{}{name} must be {wanted}", self.place))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn generations_are_known_by_the_whole_first_segment() {
        for path in ["/layers", "/2016-08-15/layers", "/2023-03-30x/layers", "/", ""] {
            assert_eq!(Generation::of(path), Generation::First, "{path}");
        }
        assert_eq!(Generation::of("/2021-04-06/layers"), Generation::Second);
        assert_eq!(Generation::of("/2023-03-30/"), Generation::Third);
    }

    #[test]
    fn both_forms_of_an_arn_come_apart() {
        let one = VersionNumber::FIRST;
        assert_eq!(split_arn("ab#my#layer#1"), Some(("ab", "my#layer", one)));
        let second = "acs:fc:cn-hangzhou:123:layers/my:layer/versions/1";
        assert_eq!(split_arn(second), Some(("123", "my:layer", one)));
        for bad in ["", "ab", "ab#x", "ab#x#0", "ab#x#1a", "acs:fc:r:1:functions/f", "acs:fc:#x#1"]
        {
            assert_eq!(split_arn(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_are_met_in_any_case_and_null_is_absent() {
        let body = json!({"Description": "any", "LICENSE": "x", "license": null, "code": 1});
        let fields = Fields::of_body(&body).unwrap();
        assert_eq!(fields.text("description").unwrap(), Some("any"));
        assert_eq!(fields.text("license").unwrap(), Some("x"));
        assert_eq!(fields.text("absent").unwrap(), None);
        assert!(fields.object("code", "code.").is_err());
        assert!(Fields::of_body(&json!([])).is_err());
    }
}
