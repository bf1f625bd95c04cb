//! The caller of a request, by AWS Signature Version 4 (Amazon S3 API reference, "Authenticating
//! Requests").
//!
//! The signature covers the whole path, `/s3` included: `s3s`, which knows the rest of the
//! protocol, could not verify it.

#[cfg(test)]
mod tests;

use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use s3s::S3ErrorCode;

use super::SERVICE;
use super::errors::ApiError;
use super::wire::{self, chunked};
use crate::dialects::auth::{self, AuthHead, AuthRequest};
use crate::dialects::refusal::Refused;
use crate::dialects::signing;
use crate::dialects::sigv4::Signature;
use crate::domain::{Caller, Key};

/// The header with the body's SHA-256, or with the kind of a body that is not signed as a whole.
const CONTENT: &str = "x-amz-content-sha256";

/// Bodies in chunks, each of which is signed.
const SIGNED_CHUNKS: [&str; 2] =
    ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"];

/// Bodies that are not signed: whole, and in chunks.
const UNSIGNED: [&str; 2] = ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];

/// Returns the key that a head claims to be signed with.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    let signature = signature(request)?;
    let key = auth::claimed_key(request, &signature.key_id);
    Ok(Some(key.map_err(ApiError::from)?))
}

/// Returns the caller whose key signed the request.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    let AuthRequest { head, body } = request;
    let signature = signature(head)?;
    let sha256 = hex::encode(request.body_sha256());
    let payload = payload_hash(head.parts, &signature, &sha256);
    let strings = signature.strings_to_sign(head.parts, wire::signed_path(head.parts), payload);
    // A fault of the disk is not a wrong signature.
    let mut fault = None;
    let caller = auth::identify(head, &signature.key_id, |secret| {
        let key = signature.signing_key(secret);
        let is_signed = signature.is_made_with(&key, &strings);
        if !is_signed || !SIGNED_CHUNKS.contains(&payload) {
            return is_signed;
        }
        let (place, seed) = (signature.time_and_scope(), signature.seed());
        let is_signed = head.app.in_place(|| chunked::is_signed(body, &key, &place, seed));
        is_signed.unwrap_or_else(|error| {
            fault = Some(error);
            false
        })
    });
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    let caller = caller.map_err(ApiError::from)?;
    if is_hash_of_body(payload, &sha256) {
        return Ok(caller);
    }
    let message = "the body's SHA-256 is not the one in x-amz-content-sha256";
    let (code, status) = ("XAmzContentSHA256Mismatch", StatusCode::BAD_REQUEST);
    Err(ApiError::with_status(code, status, message).into())
}

fn signature(request: AuthHead<'_>) -> Result<Signature, ApiError> {
    let signature = Signature::read(request, SERVICE)?;
    check_headers(request.parts, &signature)?;
    Ok(signature)
}

/// Refuses an `x-amz-` header that is not signed: an attacker on the way could have added it.
fn check_headers(head: &Parts, signature: &Signature) -> Result<(), ApiError> {
    let mut names = head.headers.keys().map(HeaderName::as_str);
    match names.find(|name| name.starts_with("x-amz-") && !signature.covers(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("the header {name} was sent and is not among the signed headers");
            Err(ApiError::new(S3ErrorCode::AccessDenied, message))
        }
    }
}

/// Returns what stands for the body in the canonical request: the stated hash or kind of body, else
/// its SHA-256. The signer of a presigned URL does not know the body.
fn payload_hash<'t>(head: &'t Parts, signature: &Signature, sha256: &'t str) -> &'t str {
    let unstated = if signature.is_presigned() { UNSIGNED[0] } else { sha256 };
    signing::header(head, CONTENT).unwrap_or(unstated)
}

/// Whether a payload hash is the body's SHA-256, or that of a body that is not signed as a whole.
fn is_hash_of_body(payload: &str, sha256: &str) -> bool {
    payload == sha256 || SIGNED_CHUNKS.contains(&payload) || UNSIGNED.contains(&payload)
}
