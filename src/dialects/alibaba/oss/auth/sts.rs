//! Temporary credentials for uploads (alibaba.md sections 1.2 and 3.3).
//!
//! The server stores nothing of them. The id names their key and their end. Secret and token are
//! computed from the id, the key's secret and the secret of the catalog's links: a change of any of
//! the three ends the credentials.

use jiff::SignedDuration;

use crate::dialects::auth::UNKNOWN_SECRET;
use crate::dialects::signing::hmac_sha256;
use crate::domain::{Access, KeyId, Timestamp};

/// Their validity, which is the vendor's.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// The prefix of their ids; no id of a key has a `.`.
const PREFIX: &str = "STS.";

/// The key in an id while authentication is off.
const NO_KEY: &str = "local";

/// The credentials that a client signs its uploads with.
pub(in crate::dialects::alibaba) struct TemporaryCredentials {
    /// `STS.<key id>.<end in seconds>`.
    pub(in crate::dialects::alibaba) id: String,
    /// 64 hexadecimal digits.
    pub(in crate::dialects::alibaba) secret: String,
    /// 64 hexadecimal digits, which every request repeats.
    pub(in crate::dialects::alibaba) token: String,
    /// The time from which they are no longer valid.
    pub(in crate::dialects::alibaba) expires: Timestamp,
}

/// Makes the credentials of a key as of `now`.
pub(in crate::dialects::alibaba) fn issue(
    access: &Access,
    key: Option<&KeyId>,
    now: Timestamp,
) -> TemporaryCredentials {
    let known = key.and_then(|id| access.keys.get(id));
    let secret = known.map_or(UNKNOWN_SECRET, |key| key.secret.reveal());
    let end = (now + LIFETIME).as_second();
    let expires = Timestamp::from_second(end).unwrap_or(now);
    let key_id = key.map_or(NO_KEY, KeyId::as_str);
    let id = format!("{PREFIX}{key_id}.{end}");
    let temporary = Temporary { id: &id, key_id, expires };
    let (secret, token) = (temporary.secret(access, secret.as_bytes()), temporary.token(access));
    TemporaryCredentials { id, secret, token, expires }
}

/// The content of the id of temporary credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Temporary<'h> {
    id: &'h str,
    /// Their key.
    pub(super) key_id: &'h str,
    /// The time from which they are no longer valid.
    pub(super) expires: Timestamp,
}

impl<'h> Temporary<'h> {
    /// Reads an id; `None` when it is not of this kind.
    pub(super) fn read(id: &'h str) -> Option<Self> {
        let (key_id, end) = id.strip_prefix(PREFIX)?.split_once('.')?;
        let expires = Timestamp::from_second(end.parse().ok()?).ok()?;
        Some(Self { id, key_id, expires })
    }

    /// Computes the secret, given that of the key.
    pub(super) fn secret(&self, access: &Access, key_secret: &[u8]) -> String {
        code(access, &[b"secret\n", self.id.as_bytes(), b"\n", key_secret].concat())
    }

    /// Computes the token.
    pub(super) fn token(&self, access: &Access) -> String {
        code(access, &[b"token\n", self.id.as_bytes()].concat())
    }
}

/// Computes a code under a key of its own, so that a code is never a link's signature.
fn code(access: &Access, text: &[u8]) -> String {
    let key = hmac_sha256(&access.link_secret, b"temporary credentials of Alibaba");
    hex::encode(hmac_sha256(&key, text))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::domain::{Key, Role, Secret, TenantId};

    fn access(link_secret: [u8; 32], key_secret: &str) -> Access {
        let key = Key {
            id: KeyId::parse("KEY0").unwrap(),
            secret: Secret::parse(key_secret).unwrap(),
            tenant: TenantId::default_tenant(),
            role: Role::Write,
            enabled: true,
            created: Timestamp::UNIX_EPOCH,
            last_used: None,
        };
        Access {
            stamp: 0,
            link_secret,
            keys: HashMap::from([(key.id.clone(), key)]),
            keys_of: HashMap::new(),
            cloud_ids: HashMap::new(),
        }
    }

    #[test]
    fn credentials_are_computed_again_as_they_were_issued() {
        let (access, now) = (access([1; 32], "secret-0"), Timestamp::from_second(1000).unwrap());
        let issued = issue(&access, Some(&KeyId::parse("KEY0").unwrap()), now);
        assert_eq!(issued.id, "STS.KEY0.4600");
        assert_eq!(issued.expires.as_second(), 4600);
        let read = Temporary::read(&issued.id).unwrap();
        assert_eq!((read.key_id, read.expires), ("KEY0", issued.expires));
        assert_eq!(read.secret(&access, b"secret-0"), issued.secret);
        assert_eq!(read.token(&access), issued.token);
        assert!(![&*issued.secret, &issued.token].contains(&"secret-0"));
        assert_ne!(issued.secret, issued.token);
    }

    #[test]
    fn another_id_key_or_catalog_has_other_credentials() {
        let (id, now) = (KeyId::parse("KEY0").unwrap(), Timestamp::from_second(1000).unwrap());
        let mut seen = Vec::new();
        for (access, now) in [
            (access([1; 32], "secret-0"), now),
            (access([2; 32], "secret-0"), now),
            (access([1; 32], "secret-1"), now),
            (access([1; 32], "secret-0"), now + SignedDuration::from_secs(1)),
        ] {
            seen.push(issue(&access, Some(&id), now).secret);
            seen.push(issue(&access, None, now).secret);
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        // Credentials without a key do not depend on the secret of any key.
        assert_eq!(seen.len(), all - 1);
    }

    #[test]
    fn an_id_has_its_form() {
        for bad in ["", "KEY0", "STS.", "STS.KEY0", "STS.KEY0.", "STS.KEY0.x", "sts.KEY0.1"] {
            assert_eq!(Temporary::read(bad), None, "{bad}");
        }
        let far = format!("STS.KEY0.{}", i64::MAX);
        assert_eq!(Temporary::read(&far), None);
    }
}
