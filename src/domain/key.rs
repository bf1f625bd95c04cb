//! Access keys: one key signs requests of every cloud.

use std::fmt;

use super::{CatalogError, Field, Role, TenantId, Timestamp};

/// Shortest and longest id of a key, in bytes.
const ID_BYTES: std::ops::RangeInclusive<usize> = 4..=128;

/// Shortest and longest secret, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=128;

/// The public half of a key: what clients call access key id, AK or SecretId.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Parses an id: 4 to 128 letters, digits, `_` and `-`, so that it fits between the separators
    /// of every cloud's signature. `InvalidValue` otherwise.
    pub fn parse(text: impl Into<String>) -> Result<Self, CatalogError> {
        let text = text.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if ID_BYTES.contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text));
        }
        let (min, max) = (ID_BYTES.start(), ID_BYTES.end());
        let reason = format!("must be {min} to {max} letters, digits, '_' and '-'");
        Err(CatalogError::invalid(Field::KeyId, reason))
    }

    /// Returns the id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The private half of a key. It prints as a placeholder; only [`Secret::reveal`] returns it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Parses a secret: 8 to 128 printable ASCII characters without blanks. `InvalidValue`
    /// otherwise, without the secret in its text.
    pub fn parse(text: impl Into<String>) -> Result<Self, CatalogError> {
        let text = text.into();
        if SECRET_BYTES.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text));
        }
        let (min, max) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        let reason = format!("must be {min} to {max} printable ASCII characters without blanks");
        Err(CatalogError::invalid(Field::Secret, reason))
    }

    /// Returns the secret itself, to sign with it or to show it to its owner once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(***)")
    }
}

/// A key as the catalog stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Unique on the node.
    pub id: KeyId,
    /// Stored in plain text, because the clouds' signatures are HMACs with it.
    pub secret: Secret,
    /// The owner of everything that it publishes.
    pub tenant: TenantId,
    /// What it may do.
    pub role: Role,
    /// Whether requests with it are accepted.
    pub enabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last accepted, to about ten minutes.
    pub last_used: Option<Timestamp>,
}

/// Parses the tenant of a key.
///
/// `InvalidValue` also for `@`, which separates a tenant from its product in openYuanrong: the
/// tenant `a` with the product `b` is the subtenant `a@b`.
pub fn parse_key_tenant(text: &str) -> Result<TenantId, CatalogError> {
    if text.contains('@') {
        return Err(CatalogError::invalid(Field::Tenant, "must not contain '@'"));
    }
    TenantId::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_secrets_fit_between_the_separators_of_every_cloud() {
        for good in ["AKID0", "a_b-c0", &"k".repeat(128)] {
            assert!(KeyId::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "abc", "a b c", "id/x", "id.x", "id:x", "id,x", "名字名字", &"k".repeat(129)]
        {
            assert!(KeyId::parse(bad).is_err(), "{bad}");
        }
        assert!(Secret::parse("testSecret/AbC+=.:").is_ok());
        for bad in ["short", "with blank in it", "tab\tin the middle", &"s".repeat(129)] {
            let refusal = Secret::parse(bad).unwrap_err().to_string();
            assert!(!refusal.contains(bad), "{refusal}");
        }
    }

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::parse("do-not-print-me").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn the_tenant_of_a_key_is_no_subtenant() {
        assert!(parse_key_tenant("a@b").is_err());
        assert_eq!(parse_key_tenant("a").unwrap().as_str(), "a");
    }
}
