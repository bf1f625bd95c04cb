//! Names and URNs: read from paths and bodies, spelled into answers (openyuanrong.md sections 5
//! and 7).

use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::{
    FunctionKey, FunctionName, Group, LayerName, LayerRef, TenantId, VersionNumber,
};

/// The one business of this API; the one that a client states is ignored.
pub(crate) const BUSINESS: &str = "yrk";

/// The names of heads: of functions of the kind `faas`, and of all others.
const FAAS_HEAD: &str = "latest";
pub(crate) const OTHER_HEAD: &str = "$latest";

/// The kind that is different from all others.
pub(crate) const FAAS: &str = "faas";

/// Returns the name of a head by the function's kind.
pub(crate) fn head_name(kind: &str) -> &'static str {
    if kind == FAAS { FAAS_HEAD } else { OTHER_HEAD }
}

/// A function as a request names it.
#[derive(Clone, Debug)]
pub(crate) struct FunctionRef {
    pub(crate) key: FunctionKey,
    /// The name as it was sent; of a URN its name part alone.
    pub(crate) spelled: String,
    /// The version part of a URN, with the whole URN.
    pub(crate) version: Option<(String, String)>,
}

impl FunctionRef {
    /// Reads the name of a function to be registered.
    pub(crate) fn parse_new(account: &Account, text: &str) -> Result<Self, ApiError> {
        let rule = "format is 0@{serviceName}@{funcName} or 0-{serviceName}-{funcName}; \
                    serviceName can only contains letters、digits and cannot exceed 16 characters; \
                    funcName can only contains lowercase letters、digits、- and cannot exceed 127 \
                    characters or end with -";
        Self::parse(account, text, false).ok_or_else(|| ApiError::invalid(rule))
    }

    /// Reads a name, a URN or a version's URN out of a path; names that only other clouds make are
    /// accepted too. Checks in the order of openyuanrong.md section 7.
    pub(crate) fn parse_path(account: &Account, text: &str) -> Result<Self, ApiError> {
        if let Some(named) = Self::parse(account, text, true) {
            return Ok(named);
        }
        let (name, version) = match text.split(':').collect::<Vec<_>>()[..] {
            [_, _, business, tenant, _, name] if is_ours(account, business, tenant) => (name, None),
            [_, _, business, tenant, _, name, version] if is_ours(account, business, tenant) => {
                (name, Some((version.to_owned(), text.to_owned())))
            }
            [_, _, _, _, _, _] | [_, _, _, _, _, _, _] => return Err(ApiError::foreign_urn(text)),
            _ => return Err(bad_urn(text)),
        };
        let named = Self::parse(account, name, true).ok_or_else(|| ApiError::bad_name(name))?;
        match version {
            Some((version, _)) if !is_version_number(&version) && !is_head(&version) => {
                Err(ApiError::bad_version(&version))
            }
            version => Ok(Self { version, ..named }),
        }
    }

    /// Returns the vendor's refusal of a name that only other clouds make; `text` is the path's
    /// segment. `None` for names that the vendor accepts too.
    pub(crate) fn foreign_name(&self, text: &str) -> Option<ApiError> {
        let is_urn = text != self.spelled;
        let refusal = || if is_urn { ApiError::bad_name(&self.spelled) } else { bad_urn(text) };
        split(&self.spelled, false).is_none().then(refusal)
    }

    fn parse(account: &Account, text: &str, lenient: bool) -> Option<Self> {
        let (group, name) = split(text, lenient)?;
        let group = group.map_or_else(|| Ok(Group::default_group()), Group::parse).ok()?;
        let (tenant, name) = (account.owner.clone(), FunctionName::parse(name).ok()?);
        let key = FunctionKey { tenant, group, name };
        Some(Self { key, spelled: text.to_owned(), version: None })
    }

    /// Returns the name as refusals have it: of `0-svc-fn` only the last part.
    pub(crate) fn shown(&self) -> &str {
        if self.spelled.starts_with("0-") { self.key.name.as_str() } else { &self.spelled }
    }
}

/// Splits a name into service and function.
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

/// Whether a text is a service; another cloud's group may be longer and have more kinds of bytes.
fn is_service(text: &str, lenient: bool) -> bool {
    const RULE: NameRule = NameRule { max: 16, first: Edge::Any, inner: b"", last: Edge::Any };
    const LENIENT: NameRule = NameRule { max: usize::MAX, inner: b".-_", ..RULE };
    RULE.allows(text) || lenient && LENIENT.allows(text)
}

/// Whether a text is a function's name. Upper case and dots are accepted, against the text of the
/// refusal (openyuanrong.md section 11, 17).
fn is_function_name(text: &str, lenient: bool) -> bool {
    let inner: &[u8] = if lenient { b".-_" } else { b".-" };
    let rule = NameRule { max: 128, first: Edge::Any, inner, last: Edge::Any };
    rule.allows(text) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_ours(account: &Account, business: &str, tenant: &str) -> bool {
    business == BUSINESS && tenant == account.owner.as_str()
}

/// Spells a function that another cloud made, so that this name finds it again.
///
/// It has a service, because `yrcli list` prints every name without its first two characters.
pub(crate) fn spell(key: &FunctionKey) -> String {
    format!("0@{}@{}", key.group, key.name)
}

pub(crate) fn function_urn(owner: &TenantId, name: &str) -> String {
    format!("sn:cn:{BUSINESS}:{owner}:function:{name}")
}

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
    let bad = || bad_urn(urn);
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

fn bad_urn(text: &str) -> ApiError {
    ApiError::invalid(format!("invalid URN: {text}"))
}

fn foreign_layer(urn: &str) -> ApiError {
    ApiError::new(121_036, format!("urn {urn} is invalid"))
}

/// Whether a publication may state this name: 1 to 42 letters, digits, `.`, `_`, `-`, with a letter
/// or a digit at each end.
pub(crate) fn is_version_number(text: &str) -> bool {
    const RULE: NameRule =
        NameRule { max: 42, first: Edge::Alphanumeric, inner: b"._-", last: Edge::Alphanumeric };
    RULE.allows(text)
}

/// Whether a qualifier has the form of an alias; such an alias need not exist.
pub(crate) fn is_alias(text: &str) -> bool {
    const RULE: NameRule =
        NameRule { max: 16, first: Edge::Letter, inner: b"-", last: Edge::Alphanumeric };
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    text.len() >= 2 && text != FAAS_HEAD && is_lower && RULE.allows(text)
}

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
    fn names_are_split_into_service_and_function() {
        for (text, service, name) in [
            ("0@svc@fn", Some("svc"), "fn"),
            ("0-svc-fn-x", Some("svc"), "fn-x"),
            ("Plain.Fn", None, "Plain.Fn"),
            ("0-fn", None, "0-fn"),
            ("0-svc--x", None, "0-svc--x"),
            (&"x".repeat(128), None, &"x".repeat(128)),
        ] {
            assert_eq!(split(text, false), Some((service, name)), "{text}");
        }
        let (long, long_service) = ("x".repeat(129), "0@12345678901234567@fn");
        for text in
            ["0@a_b@fn", "under_score", "0@svc@", "-x", "x-", "a@b", "", long_service, &long]
        {
            assert_eq!(split(text, false), None, "{text}");
        }
        assert_eq!(split("0@a_b@f_n", true), Some((Some("a_b"), "f_n")));
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
