//! HmacSHA1 and HmacSHA256 over the parameters, which are the query of a GET and the form of a POST
//! (tencent.md section 9.2).
//!
//! A form may have any size: its code is never in memory. The HMAC reads it from the spool, in the
//! order of the names.

use std::mem;

use axum::http::Method;
use axum::http::request::Parts;

use super::{Claim, hosts, read_time};
use crate::dialects::signing::{StreamedHmac, from_base64};
use crate::dialects::tencent::errors::ApiError;
use crate::dialects::upload::FIELDS_MAX;
use crate::domain::{CatalogError, RequestError};
use crate::ingest::Spool;
use crate::ingest::form::scan_form;

/// Parameters that carry code (tencent.md section 3.1).
const CODE: [&str; 3] = ["Code.ZipFile", "Content.ZipFile", "ZipFile"];

/// The signature, and the values that it covers.
pub(super) struct Proof<'r> {
    method: &'r str,
    hosts: Vec<&'r str>,
    source: Source<'r>,
    /// All but the signature, in the order of their names; code has an empty value.
    pairs: Vec<(String, String)>,
    /// `None`: an unknown one, which no signature matches.
    algorithm: Option<Algorithm>,
    signature: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
}

/// The source of the parameters.
#[derive(Clone, Copy)]
pub(super) enum Source<'r> {
    Query(&'r str),
    Form(&'r Spool),
}

/// Reads the key and the signature from the parameters; `None` when both are absent.
///
/// The other parameters are not interpreted before the signature is verified.
pub(super) fn read<'r>(head: &'r Parts, source: Source<'r>) -> Option<Result<Claim<'r>, ApiError>> {
    let mut pairs = match source.scan(|_, _| Ok(())) {
        Ok(pairs) => pairs,
        Err(refusal) => return Some(Err(refusal.into())),
    };
    let take = |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_owned());
    let (key_id, signature) = match (take("SecretId"), take("Signature")) {
        (Some(key_id), Some(signature)) => (key_id, signature),
        (None, None) => return None,
        (None, Some(_)) => return Some(Err(ApiError::missing("SecretId"))),
        (Some(_), None) => return Some(Err(ApiError::missing("Signature"))),
    };
    let (time, algorithm) =
        (take("Timestamp"), Algorithm::parse(take("SignatureMethod").as_deref()));
    pairs.retain(|(name, _)| name != "Signature");
    // By bytes; parameters of the same name stay in the order in which they were sent.
    pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
    let claim = read_time(time.as_deref()).map(|signed| {
        let (method, hosts) = (head.method.as_str(), hosts(head));
        let signature = from_base64(&signature);
        let proof = Proof { method, hosts, source, pairs, algorithm, signature };
        Claim { key_id, signed, proof: super::Proof::V1(proof) }
    });
    Some(claim)
}

impl Algorithm {
    /// `@tencent-sdk/capi` omits it and means HmacSHA1.
    fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("HmacSHA1") => Some(Self::Sha1),
            Some("HmacSHA256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }
}

impl<'r> Source<'r> {
    /// Finds the parameters; `None` while they are in a body that has not arrived.
    pub(super) fn of(head: &'r Parts, body: Option<&'r Spool>) -> Option<Self> {
        if head.method == Method::GET {
            return Some(Self::Query(head.uri.query().unwrap_or_default()));
        }
        body.map(Self::Form)
    }

    /// Parses the parameters and passes the decoded code to `take` in pieces.
    fn scan(
        self,
        take: impl FnMut(usize, &[u8]) -> Result<(), CatalogError>,
    ) -> Result<Vec<(String, String)>, RequestError> {
        match self {
            Self::Query(text) => scan_form(text.as_bytes(), &CODE, FIELDS_MAX, take),
            Self::Form(body) => scan_form(body.reader()?, &CODE, FIELDS_MAX, take),
        }
    }
}

impl Proof<'_> {
    /// Tells whether the secret made the signature; fails when the body's file cannot be read.
    pub(super) fn is_made_with(&self, secret: &[u8]) -> Result<bool, RequestError> {
        let Some(algorithm) = self.algorithm else { return Ok(false) };
        for host in &self.hosts {
            let mut hmac = match algorithm {
                Algorithm::Sha1 => StreamedHmac::sha1(secret),
                Algorithm::Sha256 => StreamedHmac::sha256(secret),
            };
            self.write_text(host, |piece| hmac.update(piece))?;
            if hmac.is(&self.signature) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes the text to sign for one form of the host. The caller is not known yet, so the source
    /// is read again at most once for each name of code.
    pub(super) fn write_text(
        &self,
        host: &str,
        mut write: impl FnMut(&[u8]),
    ) -> Result<(), RequestError> {
        for part in [self.method, host, "/?"] {
            write(part.as_bytes());
        }
        let mut is_unread = [true; CODE.len()];
        for (index, (name, value)) in self.pairs.iter().enumerate() {
            if index > 0 {
                write(b"&");
            }
            write(name.as_bytes());
            write(b"=");
            write(value.as_bytes());
            if let Some(wanted) = CODE.iter().position(|code| code == name)
                && mem::take(&mut is_unread[wanted])
            {
                self.source.scan(|found, piece| {
                    if found == wanted {
                        write(piece);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_read_once_for_each_of_its_names() {
        let pair = |name: &str| (name.to_owned(), String::new());
        let proof = Proof {
            method: "GET",
            hosts: Vec::new(),
            source: Source::Query("ZipFile=aGk%3D&Code.ZipFile=x"),
            pairs: ["Code.ZipFile", "ZipFile", "ZipFile", "ZipFile"].map(pair).into(),
            algorithm: Some(Algorithm::Sha1),
            signature: Vec::new(),
        };
        let mut text = Vec::new();
        proof.write_text("host", |piece| text.extend_from_slice(piece)).unwrap();
        let wanted = "GEThost/?Code.ZipFile=x&ZipFile=aGk=&ZipFile=&ZipFile=";
        assert_eq!(String::from_utf8(text).unwrap(), wanted);
    }
}
