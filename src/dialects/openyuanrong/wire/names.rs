//! Names and URNs: read from paths and bodies, spelled into answers (openyuanrong.md sections 5
//! and 7).

use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::{
    FunctionKey, FunctionName, Group, LayerName, LayerRef, TenantId, VersionNumber,
};

/// The one business of this API, whatever a client says.
pub(crate) const BUSINESS: &str = "yrk";

/// The head of a function of the kind `faas`, which any other kind calls by [`OTHER_HEAD`].
pub(crate) const FAAS_HEAD: &str = "latest";
pub(crate) const OTHER_HEAD: &str = "$latest";

/// The kind that is different from all others.
pub(crate) const FAAS: &str = "faas";

/// Returns what the head of a kind is called.
pub(crate) fn head_name(kind: &str) -> &'static str {
    if kind == FAAS { FAAS_HEAD } else { OTHER_HEAD }
}

/// A function as a request names it.
#[derive(Clone, Debug)]
pub(crate) struct FunctionRef {
    pub(crate) key: FunctionKey,
    /// As it was sent, without what surrounds it in a URN.
    pub(crate) spelled: String,
    /// The version part of a URN, with the whole URN.
    pub(crate) version: Option<(String, String)>,
}

impl FunctionRef {
    /// Reads the name of a function to be registered.
    pub(crate) fn parse_new(account: &Account, text: &str) -> Result<Self, ApiError> {
        Self::parse(account, text, false).ok_or_else(ApiError::bad_name)
    }

    /// Reads a name, a URN or a version's URN out of a path.
    ///
    /// Names may be of any kind that another cloud makes.
    pub(crate) fn parse_path(account: &Account, text: &str) -> Result<Self, ApiError> {
        if let Some(named) = Self::parse(account, text, true) {
            return Ok(named);
        }
        let bad = || ApiError::invalid(format!("invalid URN: {text}"));
        let (name, version) = match text.split(':').collect::<Vec<_>>()[..] {
            [_, _, business, tenant, _, name] if is_ours(account, business, tenant) => (name, None),
            [_, _, business, tenant, _, name, version] if is_ours(account, business, tenant) => {
                (name, Some((version.to_owned(), text.to_owned())))
            }
            [_, _, _, _, _, _] | [_, _, _, _, _, _, _] => return Err(ApiError::foreign_urn(text)),
            _ => return Err(bad()),
        };
        let named = Self::parse(account, name, true).ok_or_else(bad)?;
        Ok(Self { version, ..named })
    }

    fn parse(account: &Account, text: &str, lenient: bool) -> Option<Self> {
        let (group, name) = split(text, lenient)?;
        let key = FunctionKey {
            tenant: account.owner.clone(),
            group: match group {
                Some(group) => Group::parse(group).ok()?,
                None => Group::default_group(),
            },
            name: FunctionName::parse(name).ok()?,
        };
        Some(Self { key, spelled: text.to_owned(), version: None })
    }

    /// What refusals call it: of `0-svc-fn` only the last part.
    pub(crate) fn shown(&self) -> &str {
        if self.spelled.starts_with("0-") { self.key.name.as_str() } else { &self.spelled }
    }
}

/// Takes a name apart: service and function.
fn split(text: &str, lenient: bool) -> Option<(Option<&str>, &str)> {
    let is_name = |text: &str| is_function_name(text, lenient);
    if let Some((service, name)) = text.strip_prefix("0@").and_then(|rest| rest.split_once('@')) {
        return (is_service(service, lenient) && is_name(name)).then_some((Some(service), name));
    }
    if let Some((service, name)) = text.strip_prefix("0-").and_then(|rest| rest.split_once('-'))
        && is_service(service, false)
        && is_name(name)
    {
        return Some((Some(service), name));
    }
    is_name(text).then_some((None, text))
}

fn is_service(text: &str, lenient: bool) -> bool {
    let strict = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    !text.is_empty() && (strict || lenient && text.bytes().all(|byte| is_inner(byte, true)))
}

/// Upper case and dots are fine, whatever the refusal says (openyuanrong.md section 11, 17).
fn is_function_name(text: &str, lenient: bool) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| is_inner(byte, lenient))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_inner(byte: u8, lenient: bool) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || lenient && byte == b'_'
}

fn is_ours(account: &Account, business: &str, tenant: &str) -> bool {
    business == BUSINESS && tenant == account.owner.as_str()
}

/// Spells a function that another cloud made, so that it is found again by this name.
///
/// Never plain: `yrcli list` prints every name without its first two characters.
pub(crate) fn spell(key: &FunctionKey) -> String {
    format!("0@{}@{}", key.group, key.name)
}

/// Spells a function's URN.
pub(crate) fn function_urn(owner: &TenantId, name: &str) -> String {
    format!("sn:cn:{BUSINESS}:{owner}:function:{name}")
}

/// Spells a layer's URN.
pub(crate) fn layer_urn(owner: &TenantId, name: &LayerName) -> String {
    format!("sn:cn:{BUSINESS}:{owner}:layer:{name}")
}

/// Reads a layer's name or URN out of a path.
pub(crate) fn parse_layer(account: &Account, text: &str) -> Result<LayerName, ApiError> {
    let name = match text.split(':').collect::<Vec<_>>()[..] {
        [_, _, business, tenant, _, name] if is_ours(account, business, tenant) => name,
        [_, _, _, _, "layer", _] => return Err(foreign_layer(text)),
        _ => text,
    };
    LayerName::parse(name).map_err(|_| ApiError::invalid("invalid layerName length"))
}

/// Reads the URN of a layer version that is to be bound to a function.
pub(crate) fn parse_layer_version(account: &Account, urn: &str) -> Result<LayerRef, ApiError> {
    let bad = || ApiError::invalid(format!("invalid URN: {urn}"));
    match urn.split(':').collect::<Vec<_>>()[..] {
        [_, _, business, tenant, _, name, number] if is_ours(account, business, tenant) => {
            Ok(LayerRef {
                layer: LayerName::parse(name).map_err(|_| bad())?,
                number: VersionNumber::parse(number).ok_or_else(bad)?,
            })
        }
        [_, _, _, _, _, _, _] => Err(foreign_layer(urn)),
        _ => Err(bad()),
    }
}

fn foreign_layer(urn: &str) -> ApiError {
    ApiError::new(121_036, format!("urn {urn} is invalid"))
}

/// Whether a caller may give a version this name: 1 to 42 letters, digits, `.`, `_`, `-`, the ends
/// letters or digits.
pub(crate) fn is_version_number(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 42 && text.bytes().all(inner) && end(bytes.first()) && end(bytes.last())
}

/// Whether a qualifier means an alias, be there one or not.
pub(crate) fn is_alias(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (2..=16).contains(&bytes.len())
        && text != FAAS_HEAD
        && bytes[0].is_ascii_lowercase()
        && text.bytes().all(inner)
        && !text.ends_with('-')
}

/// Checks a `qualifier`.
pub(crate) fn check_qualifier(text: &str) -> Result<(), ApiError> {
    if is_alias(text) || is_head(text) || is_version_number(text) {
        return Ok(());
    }
    Err(ApiError::new(121_047, format!("invalid qualifier: {text}")))
}

/// Whether a text is one of the heads' names.
pub(crate) fn is_head(text: &str) -> bool {
    text == FAAS_HEAD || text == OTHER_HEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (text, parts) in [
            ("0@svc@fn", Some((Some("svc"), "fn"))),
            ("0-svc-fn-x", Some((Some("svc"), "fn-x"))),
            ("Plain.Fn", Some((None, "Plain.Fn"))),
            ("0-fn", Some((None, "0-fn"))),
            ("0-svc--x", Some((None, "0-svc--x"))),
            ("0@a_b@fn", None),
            ("under_score", None),
            ("0@svc@", None),
            ("-x", None),
            ("x-", None),
            ("a@b", None),
            ("0@12345678901234567@fn", None),
            ("", None),
        ] {
            assert_eq!(split(text, false), parts, "{text}");
        }
        assert_eq!(split("0@a_b@f_n", true), Some((Some("a_b"), "f_n")));
        assert!(
            split(&"x".repeat(128), false).is_some() && split(&"x".repeat(129), false).is_none()
        );
    }

    #[test]
    fn versions_and_aliases_are_told_apart() {
        for good in ["1", "v2", "A.b_c-9", &"x".repeat(42)] {
            assert!(is_version_number(good), "{good}");
        }
        for bad in ["", "-1", "1-", "$latest", "a b", &"x".repeat(43)] {
            assert!(!is_version_number(bad), "{bad}");
        }
        assert!(is_alias("v2") && is_alias("prod-1") && is_alias(&"x".repeat(16)));
        for no in ["1", "V2", "x", "latest", "v-", "a.b", &"x".repeat(17)] {
            assert!(!is_alias(no), "{no}");
        }
    }
}
