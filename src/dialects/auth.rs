//! Authentication: finds a request's key, checks the proof, compares times, makes the caller.
//!
//! Each dialect's own `auth` reads its headers and builds its string to sign; `signing` computes
//! and compares codes. Only files called `auth` make a `Caller`.

use axum::http::request::Parts;
use jiff::SignedDuration;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::signing::is_same;
use crate::app::App;
use crate::domain::{Access, Caller, Key, KeyId, TenantId, Timestamp};
use crate::ingest::Spool;

/// Stands in for the secret of an unknown key, so that its refusal takes as long as that of a wrong
/// signature.
pub(super) const UNKNOWN_SECRET: &str = "the secret of a key that does not exist";

/// A request's head, and the state that its credentials are checked against.
#[derive(Clone, Copy)]
pub struct AuthHead<'r> {
    /// The settings and the clock.
    pub app: &'r App,
    /// The keys as of this request.
    pub access: &'r Access,
    /// The request's head as it was sent.
    pub parts: &'r Parts,
}

/// A request with its body, as its signature is verified.
#[derive(Clone, Copy)]
pub struct AuthRequest<'r> {
    /// The request without its body.
    pub head: AuthHead<'r>,
    /// The body, with its SHA-256, and its MD5 where a header states one.
    pub body: &'r Spool,
}

impl AuthRequest<'_> {
    /// The body's SHA-256; that of no bytes when there is no body.
    pub fn body_sha256(&self) -> [u8; 32] {
        self.body.sha256().unwrap_or_else(|| Sha256::digest(b"").into())
    }

    /// The body's MD5, for a request with the header `Content-MD5`.
    pub fn body_md5(&self) -> [u8; 16] {
        self.body.md5().unwrap_or_else(|| Md5::digest(b"").into())
    }
}

/// Why a request is not authenticated. Each dialect renders all reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It has no credentials that the dialect knows.
    Missing,
    /// Its credentials cannot be read, for this reason.
    Malformed(&'static str),
    /// No key has this id, or the key is disabled.
    UnknownKey(String),
    /// The signature or the token does not match the key.
    BadSignature,
    /// It was signed too long ago, or in the future.
    Skewed {
        /// The stated time of signing.
        signed: Timestamp,
        /// When it arrived.
        now: Timestamp,
    },
}

/// Returns the enabled key `id` that a request claims; nothing is proved, as the body is missing.
///
/// The refusal of an unknown key is quicker than that of a wrong signature. That reveals nothing
/// new: their texts differ too.
pub(super) fn claimed_key<'r>(request: AuthHead<'r>, id: &str) -> Result<&'r Key, Denied> {
    let key = find(request, id).filter(|key| key.enabled);
    key.ok_or_else(|| Denied::UnknownKey(id.to_owned()))
}

/// Returns the caller with the key `id`, if `check` finds that its secret made the signature.
pub(super) fn identify(
    request: AuthHead<'_>,
    id: &str,
    check: impl FnOnce(&[u8]) -> bool,
) -> Result<Caller, Denied> {
    Ok(caller(request, prove(request, id, check)?))
}

/// Returns the key of a token, `<key id>.<secret>`.
pub(super) fn prove_by_token<'r>(request: AuthHead<'r>, token: &str) -> Result<&'r Key, Denied> {
    let (id, given) = token.split_once('.').ok_or(Denied::Malformed("the token has no '.'"))?;
    prove(request, id, |secret| is_same(secret, given.as_bytes()))
}

/// Returns the key `id`, if `check` finds that its secret made the signature.
///
/// `check` also runs for an unknown key, and must not depend on the key.
fn prove<'r>(
    request: AuthHead<'r>,
    id: &str,
    check: impl FnOnce(&[u8]) -> bool,
) -> Result<&'r Key, Denied> {
    let known = find(request, id);
    let secret = known.map_or(UNKNOWN_SECRET, |key| key.secret.reveal());
    let proved = check(secret.as_bytes());
    match known.filter(|key| key.enabled) {
        None => Err(Denied::UnknownKey(id.to_owned())),
        Some(_) if !proved => Err(Denied::BadSignature),
        Some(key) => Ok(key),
    }
}

/// Finds a key, enabled or not.
fn find<'r>(request: AuthHead<'r>, id: &str) -> Option<&'r Key> {
    KeyId::parse(id).ok().and_then(|id| request.access.keys.get(&id))
}

/// Returns the caller of every request while authentication is off.
pub(super) fn anonymous() -> Caller {
    Caller::new_anonymous(TenantId::default_tenant())
}

/// Returns the caller that proved possession of a key, and records the key's use.
pub(super) fn caller(request: AuthHead<'_>, key: &Key) -> Caller {
    request.app.note_use(request.access, key);
    Caller::new(key.tenant.clone(), key.role, key.id.clone())
}

/// Refuses a time of signing further from now than `max`, in either direction.
pub(super) fn check_skew(
    request: AuthHead<'_>,
    signed: Timestamp,
    max: SignedDuration,
) -> Result<(), Denied> {
    let now = request.app.clock().now();
    if now.duration_since(signed).abs() <= max {
        return Ok(());
    }
    Err(Denied::Skewed { signed, now })
}
