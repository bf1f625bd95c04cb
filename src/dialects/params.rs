//! A request's query or form as pairs of text, with the accessors that all clouds share.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Decoded pairs in the order they were sent; `+` and `%20` are both a space.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(pub(super) Vec<(String, String)>);

impl Params {
    /// Decodes the text after the `?`, or a form.
    pub(super) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Returns a parameter, even an empty one.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns a parameter; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// Returns every value of a repeated parameter.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether a parameter is `true` in any case, or `1`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(head.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_are_absent_and_booleans_forgiving() {
        let params = Params::parse("a=&b=x+y%20z&c=True&d=1&e=no&b=2");
        assert_eq!(params.get("a"), None);
        assert_eq!(params.raw("a"), Some(""));
        assert_eq!(params.get("b"), Some("x y z"));
        assert_eq!(params.all("b"), ["x y z", "2"]);
        assert!(params.is_true("c") && params.is_true("d"));
        assert!(!params.is_true("e") && !params.is_true("f"));
    }
}
