//! The token of openYuanrong's gateway (openyuanrong.md section 9): made, taken apart, verified.
//!
//! It looks like a JWT and is none: its last part is base64url of the hexadecimal text of the code,
//! where a JWT has the code itself. Knows no request and no catalog.

use base64_simd::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::dialects::signing::{Denied, hmac_sha256, is_hmac_sha256};
use crate::domain::{Secret, TenantId, Timestamp};

/// The one algorithm; the vendor's own tools write these very bytes.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What the vendor's tools say of a person; the role that counts is the key's.
const ROLE: &str = "developer";

/// The expiry of a token that is good for ever.
const NEVER: i64 = -1;

const HEX: &[u8] = b"0123456789abcdef";

const NO_PARTS: Denied = Denied::Malformed("it does not have three parts");

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// What is read of the claims; a role is not believed.
#[derive(Deserialize)]
struct Claims {
    exp: i64,
    sub: String,
}

/// The claims as they are written, in the order of their names.
#[derive(Serialize)]
struct NewClaims<'a> {
    exp: i64,
    role: &'a str,
    sub: &'a str,
}

/// Makes a token that is good until `expires`, or for ever.
pub(crate) fn mint(secret: &Secret, tenant: &TenantId, expires: Option<Timestamp>) -> String {
    let exp = expires.map_or(NEVER, Timestamp::as_second);
    let claims = NewClaims { exp, role: ROLE, sub: tenant.as_str() };
    // A number and two texts always have a JSON form.
    let claims = serde_json::to_vec(&claims).unwrap_or_default();
    let mut token = URL_SAFE_NO_PAD.encode_to_string(HEADER);
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode_to_string(&claims));
    let code = hex::encode(hmac_sha256(secret.reveal().as_bytes(), token.as_bytes()));
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode_to_string(code));
    token
}

/// A token taken apart; nothing of it is to be believed before [`Token::is_signed_with`] says so.
#[derive(Debug)]
pub(super) struct Token<'t> {
    signed: &'t str,
    code: [u8; 32],
    exp: i64,
    /// Whose it says to be.
    pub(super) tenant: String,
}

impl<'t> Token<'t> {
    /// Takes a token apart; `Malformed` when it is none of this cloud's.
    pub(super) fn parse(text: &'t str) -> Result<Self, Denied> {
        let (signed, code) = text.rsplit_once('.').ok_or(NO_PARTS)?;
        let (header, claims) = signed.split_once('.').ok_or(NO_PARTS)?;
        let header: Header = json(header).ok_or(Denied::Malformed("its header is unreadable"))?;
        if header.alg != "HS256" {
            return Err(Denied::Malformed("its algorithm is not HS256"));
        }
        let claims: Claims = json(claims).ok_or(Denied::Malformed("its claims are unreadable"))?;
        let code = code_of(code).ok_or(Denied::Malformed("its signature is unreadable"))?;
        Ok(Self { signed, code, exp: claims.exp, tenant: claims.sub })
    }

    /// Tells in constant time whether a secret made the token.
    pub(super) fn is_signed_with(&self, secret: &[u8]) -> bool {
        is_hmac_sha256(secret, self.signed.as_bytes(), &self.code)
    }

    /// Tells whether the token is no longer good.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.exp != NEVER && self.exp <= now.as_second()
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    let text = URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
    serde_json::from_slice(&text).ok()
}

fn code_of(part: &str) -> Option<[u8; 32]> {
    let text = URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
    let mut code = [0; 32];
    hex::decode_to_slice(&text, &mut code).ok()?;
    text.iter().all(|digit| HEX.contains(digit)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of openyuanrong.md section 9.
    const VECTOR: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
        eyJleHAiOi0xLCJyb2xlIjoiZGV2ZWxvcGVyIiwic3ViIjoiZGVmYXVsdCJ9.\
        ZjA1YjE3NjRjZTc3MWNkYWQ4NTM2NTU5MmZkZWNlYzJlZmQ1YWNiZmUxYjkzYWMyYzFmYmNmNTBlMGNmOWY5MQ";
    const SECRET: &[u8] = b"fake-secret-key";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A token of any header and claims, signed with the vector's secret.
    fn signed(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode_to_string(text);
        let text = format!("{}.{}", encode(header), encode(claims));
        let code = hex::encode(hmac_sha256(SECRET, text.as_bytes()));
        format!("{text}.{}", encode(&code))
    }

    #[test]
    fn the_vector_is_made_and_verified() {
        let secret = Secret::parse("fake-secret-key").unwrap();
        assert_eq!(mint(&secret, &TenantId::default_tenant(), None), VECTOR);
        let token = Token::parse(VECTOR).unwrap();
        let code = "f05b1764ce771cdad85365592fdecec2efd5acbfe1b93ac2c1fbcf50e0cf9f91";
        assert_eq!((hex::encode(token.code), &*token.tenant), (code.to_owned(), "default"));
        assert!(token.is_signed_with(SECRET) && !token.is_signed_with(b"fake-secret-kez"));
        assert!(!token.is_expired(at(i64::from(u32::MAX))));
    }

    #[test]
    fn a_token_is_good_until_its_second() {
        let secret = Secret::parse("fake-secret-key").unwrap();
        let text = mint(&secret, &TenantId::default_tenant(), Some(at(1000)));
        let token = Token::parse(&text).unwrap();
        assert!(token.is_signed_with(SECRET));
        assert!(!token.is_expired(at(999)) && token.is_expired(at(1000)));
        for past in [0, -2, i64::MIN] {
            let text = signed(HEADER, &format!(r#"{{"exp":{past},"sub":"default"}}"#));
            assert!(Token::parse(&text).unwrap().is_expired(at(1)), "{past}");
        }
    }

    #[test]
    fn what_is_no_token_of_this_cloud_is_refused() {
        let claims = r#"{"exp":-1,"sub":"default"}"#;
        assert!(Token::parse(&signed(HEADER, claims)).unwrap().is_signed_with(SECRET));
        for header in
            [r#"{"alg":"none"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":"HS512"}"#, "{}", "", "[]"]
        {
            assert!(Token::parse(&signed(header, claims)).is_err(), "{header}");
        }
        let double = r#"{"alg":"none","alg":"HS256"}"#;
        assert!(Token::parse(&signed(double, claims)).is_err());
        for claims in [
            r#"{"sub":"default"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":"-1","sub":"default"}"#,
            r#"{"exp":-1.0,"sub":"default"}"#,
            r#"{"exp":-1,"sub":7}"#,
            r#"{"exp":-1,"sub":"default","sub":"other"}"#,
            r#"{"exp":-1,"sub":"default"}x"#,
            "",
        ] {
            assert!(Token::parse(&signed(HEADER, claims)).is_err(), "{claims}");
        }
        let upper = hex::encode_upper(hmac_sha256(SECRET, b"x"));
        let (head, _) = VECTOR.rsplit_once('.').unwrap();
        let code = |text: &str| format!("{head}.{}", URL_SAFE_NO_PAD.encode_to_string(text));
        for text in
            ["", ".", "..", "...", "a.b.c", head, &format!("{VECTOR}="), &code(&upper), &code("00")]
        {
            assert!(Token::parse(text).is_err(), "{text}");
        }
        // What a stock library would make of it: the code itself.
        let raw = URL_SAFE_NO_PAD.encode_to_string(hmac_sha256(SECRET, head.as_bytes()));
        assert!(Token::parse(&format!("{head}.{raw}")).is_err());
    }

    /// Whatever is changed, the token is refused or is still what was signed.
    #[test]
    fn no_mutation_of_a_token_is_let_in() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        const LETTERS: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \0\xC3\xA9";
        let (mut parsed, mut refused) = (0, 0);
        for round in 0..20_000 {
            let mut text = VECTOR.as_bytes().to_vec();
            if round % 2 == 0 {
                // Inside of a part, so that it stays base64url.
                let mut parts: Vec<Vec<u8>> = VECTOR
                    .split('.')
                    .map(|part| URL_SAFE_NO_PAD.decode_to_vec(part).unwrap())
                    .collect();
                let part = &mut parts[next(3)];
                let (place, letter) = (next(part.len()), HEX[next(HEX.len())]);
                part[place] = letter;
                let parts: Vec<String> =
                    parts.iter().map(|part| URL_SAFE_NO_PAD.encode_to_string(part)).collect();
                text = parts.join(".").into_bytes();
            }
            for _ in 0..next(4) {
                let (place, letter) = (next(text.len()), LETTERS[next(LETTERS.len())]);
                match next(5) {
                    0 => text.insert(place, letter),
                    1 => drop(text.remove(place)),
                    2 => text.swap(place, next(VECTOR.len() / 2)),
                    3 => text.truncate(place.max(VECTOR.len() / 2)),
                    _ => text[place] = letter,
                }
            }
            let text = String::from_utf8_lossy(&text);
            match Token::parse(&text) {
                Ok(token) => {
                    parsed += 1;
                    assert_eq!(token.is_signed_with(SECRET), text == VECTOR, "{text}");
                }
                Err(_) => refused += 1,
            }
        }
        assert!(parsed > 500 && refused > 500, "{parsed} were read, {refused} were not");
    }
}
