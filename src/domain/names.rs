//! Names and numbers, parsed once and then carried as types.
//!
//! The domain accepts the union of what the clouds allow (design.md section 1): 1 to 256 bytes,
//! no control characters, no `/`, not `.` or `..`. Each dialect narrows that for what it creates.

use std::fmt;

use super::{CatalogError, Field};

/// Longest name that the catalog stores, in bytes.
pub const NAME_MAX_BYTES: usize = 256;

fn check_name(field: Field, text: &str) -> Result<(), CatalogError> {
    let reason = if text.is_empty() {
        "must not be empty".to_owned()
    } else if text.len() > NAME_MAX_BYTES {
        format!("must be at most {NAME_MAX_BYTES} bytes long, this is {}", text.len())
    } else if text.chars().any(char::is_control) {
        "must not contain control characters".to_owned()
    } else if text.contains('/') {
        "must not contain '/'".to_owned()
    } else if text == "." || text == ".." {
        "must not be '.' or '..'".to_owned()
    } else {
        return Ok(());
    };
    Err(CatalogError::InvalidValue { field, reason })
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $field:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Parses a name; `CatalogError::InvalidValue` says which rule it breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, CatalogError> {
                let text = text.into();
                check_name($field, &text)?;
                Ok(Self(text))
            }

            /// Returns the name as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The owner of rows: an account, a project, an app id, a tenant.
    TenantId,
    Field::Tenant
);
impl TenantId {
    /// Returns the root of a subtenant: the part before the first `@`. A key's tenant, which has no
    /// `@`, is its own root.
    pub fn root(&self) -> &str {
        self.0.split_once('@').map_or(&*self.0, |(root, _)| root)
    }
}

name_type!(
    /// The name of a layer, unique within its tenant.
    LayerName,
    Field::LayerName
);
name_type!(
    /// The name of a function, unique within its tenant and group.
    FunctionName,
    Field::FunctionName
);
name_type!(
    /// The scope in which a function's name is unique: Alibaba service, Huawei package, Tencent
    /// namespace, openYuanrong service.
    Group,
    Field::Group
);
name_type!(
    /// The text that names one published version of a function, unique within the function.
    VersionName,
    Field::VersionName
);

impl TenantId {
    /// The tenant that always exists, and that every caller has while authentication is off.
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }
}

impl VersionName {
    /// The usual name of a function's head.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }
}

impl Group {
    /// The group of every dialect that has none of its own.
    pub fn default_group() -> Self {
        Self("default".to_owned())
    }

    /// Whether this is the group of the dialects without groups.
    pub fn is_default(&self) -> bool {
        self.0 == "default"
    }
}

/// A version's number: at least 1, assigned in order by the catalog and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber(u64);

impl VersionNumber {
    /// The number of a first version.
    pub const FIRST: Self = Self(1);

    /// Wraps a number; `None` for 0 and for numbers that SQLite cannot store.
    pub fn new(number: u64) -> Option<Self> {
        (1..=i64::MAX as u64).contains(&number).then_some(Self(number))
    }

    /// Parses plain decimal digits; `None` for anything else, for 0, and for numbers too large.
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::new(text.parse().ok()?)
        } else {
            None
        }
    }

    /// Returns the bare number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A selector of one state of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// The mutable head: `latest`, `$LATEST`, `LATEST`.
    Head,
    /// A published version by its number.
    Number(VersionNumber),
    /// A published version by its name.
    Name(VersionName),
    /// A published version by its name, else by its number.
    Either(VersionName),
}

/// The full key of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionKey {
    /// The owner.
    pub tenant: TenantId,
    /// The scope of the name.
    pub group: Group,
    /// The function's own name.
    pub name: FunctionName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_domain() {
        for good in ["a", "A.b-c_d", "0@svc@fn", "层", "with space", &"x".repeat(256)] {
            assert!(LayerName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\nb", "a\0", "\u{7f}", &"x".repeat(257)] {
            assert!(LayerName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn version_numbers_are_plain_digits_from_one() {
        assert_eq!(VersionNumber::parse("7").map(VersionNumber::get), Some(7));
        for bad in ["", "0", "-1", "+1", "1.0", " 1", "9223372036854775808", "99999999999999999999"]
        {
            assert_eq!(VersionNumber::parse(bad), None, "{bad:?}");
        }
    }
}
