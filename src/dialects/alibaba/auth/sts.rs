//! Temporary credentials for uploads (alibaba.md sections 1.2 and 3.3).
//!
//! Nothing of them is kept. The id says whose key they stand for and until when they are good;
//! secret and token are computed from it, from the key's own secret and from the secret of the
//! catalog's links, so that they end with any of the three.

use jiff::SignedDuration;

use crate::dialects::signing::{NOBODY, hmac_sha256};
use crate::domain::{Access, KeyId, Timestamp};

/// How long they are good, as the vendor's are.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What ids begin with; the `.` is in no id of a key.
const PREFIX: &str = "STS.";

/// The key that stands in an id while authentication is off.
const NO_KEY: &str = "local";

/// What a client signs its uploads with.
pub(in crate::dialects::alibaba) struct Credentials {
    /// `STS.<key id>.<end in seconds>`.
    pub(in crate::dialects::alibaba) id: String,
    /// 64 hexadecimal digits.
    pub(in crate::dialects::alibaba) secret: String,
    /// Goes with every request; 64 hexadecimal digits.
    pub(in crate::dialects::alibaba) token: String,
    /// From when on they are no longer good.
    pub(in crate::dialects::alibaba) expires: Timestamp,
}

/// Makes the credentials that stand for a key from `now` on.
pub(in crate::dialects::alibaba) fn issue(
    access: &Access,
    key: Option<&KeyId>,
    now: Timestamp,
) -> Credentials {
    let known = key.and_then(|id| access.keys.get(id));
    let secret = known.map_or(NOBODY, |key| key.secret.reveal());
    let end = (now + LIFETIME).as_second();
    let id = format!("{PREFIX}{}.{end}", key.map_or(NO_KEY, KeyId::as_str));
    Credentials {
        secret: secret_of(access, &id, secret.as_bytes()),
        token: token_of(access, &id),
        expires: Timestamp::from_second(end).unwrap_or(now),
        id,
    }
}

/// What the id of temporary credentials says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Temporary<'h> {
    id: &'h str,
    /// The key that they stand for.
    pub(super) key_id: &'h str,
    /// From when on they are no longer good.
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
        secret_of(access, self.id, key_secret)
    }

    /// Computes the token.
    pub(super) fn token(&self, access: &Access) -> String {
        token_of(access, self.id)
    }
}

fn secret_of(access: &Access, id: &str, key_secret: &[u8]) -> String {
    code(access, &[b"secret\n", id.as_bytes(), b"\n", key_secret].concat())
}

fn token_of(access: &Access, id: &str) -> String {
    code(access, &[b"token\n", id.as_bytes()].concat())
}

/// Under a key of its own: what is given out here must open no link, and the other way round.
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
    fn what_is_issued_is_what_is_computed_again() {
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
        // Nobody's is the same whatever the secret of a key is.
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
