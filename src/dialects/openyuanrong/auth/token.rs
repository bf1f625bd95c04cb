//! The token of openYuanrong's gateway (openyuanrong.md section 9): made, parsed, verified.
//!
//! It has the form of a JWT and is none: its last part is base64url of the hexadecimal text of the
//! code, where a JWT has the code itself. Knows no request and no catalog.

use base64_simd::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::dialects::auth::Denied;
use crate::dialects::signing::{hmac_sha256, is_hmac_sha256};
use crate::domain::{Secret, TenantId, Timestamp};

/// The one algorithm; the vendor's own tools write these very bytes.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The `exp` of a token that never expires.
const NEVER: i64 = -1;

const NO_PARTS: Denied = Denied::Malformed("it does not have three parts");

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// The claims that are read; the role is not trusted.
#[derive(Deserialize)]
struct Claims {
    exp: i64,
    sub: String,
}

/// Makes a token that is valid until `expires`, or for ever. Its claims are in the order of their
/// names.
pub(crate) fn mint(secret: &Secret, tenant: &TenantId, expires: Option<Timestamp>) -> String {
    let exp = expires.map_or(NEVER, Timestamp::as_second);
    // The role that the vendor's tools write for people; the key's role counts here.
    let claims = json!({"exp": exp, "role": "developer", "sub": tenant.as_str()});
    sign(secret.reveal().as_bytes(), HEADER, &claims.to_string())
}

fn sign(secret: &[u8], header: &str, claims: &str) -> String {
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode_to_string(part)).join(".");
    let code = hex::encode(hmac_sha256(secret, signed.as_bytes()));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode_to_string(code))
}

/// A parsed token; nothing of it is trusted before [`Token::is_signed_with`] is true.
#[derive(Debug)]
pub(super) struct Token<'t> {
    signed: &'t str,
    code: [u8; 32],
    exp: i64,
    /// The tenant that it states.
    pub(super) tenant: String,
}

impl<'t> Token<'t> {
    /// Parses a token; `Malformed` when it is not of this cloud's form.
    pub(super) fn parse(text: &'t str) -> Result<Self, Denied> {
        let (signed, code) = text.rsplit_once('.').ok_or(NO_PARTS)?;
        let (header, claims) = signed.split_once('.').ok_or(NO_PARTS)?;
        let header: Header = decode(header).ok_or(Denied::Malformed("its header is unreadable"))?;
        if header.alg != "HS256" {
            return Err(Denied::Malformed("its algorithm is not HS256"));
        }
        let claims: Claims =
            decode(claims).ok_or(Denied::Malformed("its claims are unreadable"))?;
        let code = code_of(code).ok_or(Denied::Malformed("its signature is unreadable"))?;
        Ok(Self { signed, code, exp: claims.exp, tenant: claims.sub })
    }

    /// Returns in constant time whether a secret made the token.
    pub(super) fn is_signed_with(&self, secret: &[u8]) -> bool {
        is_hmac_sha256(secret, self.signed.as_bytes(), &self.code)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.exp != NEVER && self.exp <= now.as_second()
    }
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    let text = URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
    serde_json::from_slice(&text).ok()
}

fn code_of(part: &str) -> Option<[u8; 32]> {
    let text = URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
    let mut code = [0; 32];
    hex::decode_to_slice(&text, &mut code).ok()?;
    text.iter().all(|digit| b"0123456789abcdef".contains(digit)).then_some(code)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::dialects::signing::mutations::{Random, Sample, mutate_all};

    /// The vector of openyuanrong.md section 9.
    const VECTOR: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
        eyJleHAiOi0xLCJyb2xlIjoiZGV2ZWxvcGVyIiwic3ViIjoiZGVmYXVsdCJ9.\
        ZjA1YjE3NjRjZTc3MWNkYWQ4NTM2NTU5MmZkZWNlYzJlZmQ1YWNiZmUxYjkzYWMyYzFmYmNmNTBlMGNmOWY5MQ";
    const SECRET: &[u8] = b"fake-secret-key";
    const CLAIMS: &str = r#"{"exp":-1,"role":"developer","sub":"default"}"#;
    const CODE: &str = "f05b1764ce771cdad85365592fdecec2efd5acbfe1b93ac2c1fbcf50e0cf9f91";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_vector_is_made_and_verified() {
        let secret = Secret::parse("fake-secret-key").unwrap();
        assert_eq!(mint(&secret, &TenantId::default_tenant(), None), VECTOR);
        let token = Token::parse(VECTOR).unwrap();
        assert_eq!((&*hex::encode(token.code), &*token.tenant), (CODE, "default"));
        assert!(token.is_signed_with(SECRET) && !token.is_signed_with(b"fake-secret-kez"));
        assert!(!token.is_expired(at(i64::from(u32::MAX))));
    }

    #[test]
    fn a_token_is_valid_until_its_second() {
        let secret = Secret::parse("fake-secret-key").unwrap();
        let text = mint(&secret, &TenantId::default_tenant(), Some(at(1000)));
        let token = Token::parse(&text).unwrap();
        assert!(token.is_signed_with(SECRET));
        assert!(!token.is_expired(at(999)) && token.is_expired(at(1000)));
        for past in [0, -2, i64::MIN] {
            let text = sign(SECRET, HEADER, &format!(r#"{{"exp":{past},"sub":"default"}}"#));
            assert!(Token::parse(&text).unwrap().is_expired(at(1)), "{past}");
        }
    }

    #[test]
    fn texts_that_are_no_token_of_this_cloud_are_refused() {
        let claims = r#"{"exp":-1,"sub":"default"}"#;
        let double = r#"{"alg":"none","alg":"HS256"}"#;
        let headers = [r#"{"alg":"none"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":"HS512"}"#, double];
        let headers = headers.into_iter().chain(["{}", "", "[]"]);
        let bad_headers = headers.map(|header| sign(SECRET, header, claims));
        let bad_claims = [
            r#"{"sub":"default"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":"-1","sub":"default"}"#,
            r#"{"exp":-1.0,"sub":"default"}"#,
            r#"{"exp":-1,"sub":7}"#,
            r#"{"exp":-1,"sub":"default","sub":"other"}"#,
            r#"{"exp":-1,"sub":"default"}x"#,
            "",
        ]
        .map(|claims| sign(SECRET, HEADER, claims));
        let (head, _) = VECTOR.rsplit_once('.').unwrap();
        let code = |code: &[u8]| format!("{head}.{}", URL_SAFE_NO_PAD.encode_to_string(code));
        // A stock library writes the code itself.
        let stock = code(&hmac_sha256(SECRET, head.as_bytes()));
        let bad_codes = [stock, code(CODE.to_uppercase().as_bytes()), code(b"00")];
        let others =
            ["", ".", "..", "...", "a.b.c", head, &format!("{VECTOR}=")].map(str::to_owned);
        let bad = bad_headers.chain(bad_claims).chain(bad_codes).chain(others);
        for text in bad {
            assert!(Token::parse(&text).is_err(), "{text}");
        }
        assert!(Token::parse(&sign(SECRET, HEADER, claims)).unwrap().is_signed_with(SECRET));
    }

    /// A changed token is refused, or is still the text that was signed.
    #[test]
    fn no_mutation_of_a_token_is_accepted() {
        // The parts before they are encoded, so that each part stays base64url when it changes.
        let parts = [("header", HEADER), ("claims", CLAIMS), ("code", CODE)];
        let sample = |headers: &[_]| Sample::new("GET", "/", headers, "");
        let originals = [sample(&[("token", VECTOR)]), sample(&parts)];
        let text_of = |sample: &Sample| {
            let parts = parts.iter().filter_map(|(name, _)| sample.header(name));
            let parts: Vec<_> = parts.map(|part| URL_SAFE_NO_PAD.encode_to_string(part)).collect();
            let token = sample.header("token").map(|text| String::from_utf8_lossy(text).into());
            token.unwrap_or_else(|| parts.join("."))
        };
        let check = |sample: &Sample| {
            let is_signed = Token::parse(&text_of(sample))?.is_signed_with(SECRET);
            if is_signed { Ok(()) } else { Err(Denied::BadSignature) }
        };
        let (parsed, malformed) = (Cell::new(0), Cell::new(0));
        for seed in 0..4 {
            mutate_all(
                &mut Random(seed),
                &originals,
                check,
                |_, _, changed| text_of(changed) == VECTOR,
                |refusal, _| {
                    let count = if refusal == Denied::BadSignature { &parsed } else { &malformed };
                    count.set(count.get() + 1);
                },
            );
        }
        assert!(parsed.get() > 500 && malformed.get() > 500, "{parsed:?} {malformed:?}");
    }
}
