//! How a server is reached: its address, whom to believe that it is the one, the key to show it.
//!
//! Knows files, certificates and the form of a key. What is asked of the server is `client`'s
//! business.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::http::HeaderValue;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::failure::Failure;
use crate::domain::KeyId;

/// The variable that carries a key.
pub(super) const KEY: &str = "LAYERBASE_KEY";

/// Most bytes of a key's file, far above any key.
const KEY_MAX: u64 = 4096;

/// Where the server is and what it takes to talk to it.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// The server's URL, as it was given.
    pub(super) server: String,
    /// A file of certificates to believe beside the system's.
    pub(super) ca: Option<String>,
    /// What proves who asks.
    pub(super) key: Option<Key>,
}

impl Access {
    /// Returns whom an https server is believed by.
    pub(super) fn tls(&self) -> Result<TlsConfig, Failure> {
        // What the system cannot read is missing for those servers alone that it would vouch for.
        let mut roots = rustls_native_certs::load_native_certs().certs;
        if let Some(path) = &self.ca {
            roots.extend(certificates(path)?);
        }
        if roots.is_empty() {
            let what = "this system has no certificates to believe servers by";
            return Err(Failure::failed(what).hint("name the server's own with --ca FILE"));
        }
        let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
        Ok(TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(crypto::ring::default_provider()))
            .root_certs(RootCerts::from(roots))
            .build())
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let text = fs::read(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Failure::usage(format!("{path}: has no PEM certificate"))),
    }
}

/// A key's id and secret, as they are sent; shown to nobody.
#[derive(Clone)]
pub(super) struct Key(HeaderValue);

impl Key {
    /// Reads `<key id>.<secret>`; `origin` is what a mistake is blamed on.
    pub(super) fn parse(text: &str, origin: &str) -> Result<Self, Failure> {
        let text = text.trim();
        let formed = text.split_once('.').is_some_and(|(id, secret)| {
            KeyId::parse(id).is_ok()
                && !secret.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let header = HeaderValue::try_from(format!("Bearer {text}")).ok().filter(|_| formed);
        let Some(mut header) = header else {
            // The text is not repeated: a secret with a mistake in it is a secret all the same.
            return Err(Failure::usage(format!("{origin} is not a key")).hint(
                "write it as <key id>.<secret>: the token that `layerbase key add` printed, which \
                 is the field token with --json",
            ));
        };
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// Reads a key's file, which holds the key and nothing else.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let origin = path.display().to_string();
        let failed = |error: std::io::Error| Failure::usage(format!("{origin}: {error}"));
        let file = fs::File::open(path).map_err(failed)?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(file, KEY_MAX), &mut text)
            .map_err(failed)?;
        Self::parse(&text, &origin)
    }

    /// Returns the value of the header `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::Kind;
    use super::*;

    #[test]
    fn a_key_is_an_id_and_a_secret_and_is_never_shown() {
        let key = Key::parse(" AKID.s3cret/+=.x\n", KEY).unwrap();
        assert_eq!(key.header(), "Bearer AKID.s3cret/+=.x");
        assert!(!format!("{key:?} {:?}", key.header()).contains("s3cret"));
        for text in [
            "",
            "{\"id\":\"AKID\",\"token\":\"AKID.s3cret\"}",
            "AKID",
            ".s3cret",
            "AKID.",
            "AKID.s3 cret",
            "AKID.s3\ncret",
            "A.s3crét",
        ] {
            let failure = Key::parse(text, KEY).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage, "{text:?}");
            assert_eq!(failure.what, "LAYERBASE_KEY is not a key");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pem");
        let access = Access { ca: Some(path.display().to_string()), ..Access::default() };
        let named = |failure: Failure| {
            assert_eq!(failure.kind, Kind::Usage);
            assert!(failure.what.starts_with(&path.display().to_string()), "{failure:?}");
        };
        named(access.tls().unwrap_err());
        named(Key::read(&path).unwrap_err());
        fs::write(&path, "-----BEGIN NOTHING-----\n").unwrap();
        named(access.tls().unwrap_err());
        named(Key::read(&path).unwrap_err());
    }
}
