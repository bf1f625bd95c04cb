//! Access to a server: its address, the trusted certificates, the key to send.
//!
//! Knows files, certificates and the form of a key. Must not know requests (`client`).

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

/// The environment variable that carries a key.
pub(super) const KEY: &str = "LAYERBASE_KEY";

/// Most bytes read of a key file, far above any key.
const KEY_MAX: u64 = 4096;

/// The server's address and what a connection to it needs.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// The server's URL as given.
    pub(super) server: String,
    /// A file of certificates to trust beside the system's.
    pub(super) ca: Option<String>,
    /// The key to send with each request.
    pub(super) key: Option<Key>,
}

impl Access {
    /// Returns the TLS settings with the trusted root certificates.
    pub(super) fn tls(&self) -> Result<TlsConfig, Failure> {
        // Certificates that cannot be loaded are left out: only servers under them are affected.
        let mut roots = rustls_native_certs::load_native_certs().certs;
        if let Some(path) = &self.ca {
            roots.extend(certificates(path)?);
        }
        if roots.is_empty() {
            let what = "this system has no trusted certificates";
            return Err(Failure::failed(what).hint("name the server's certificate with --ca FILE"));
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

/// A key's id and secret as they are sent; never printed.
#[derive(Clone)]
pub(super) struct Key(HeaderValue);

impl Key {
    /// Parses `<key id>.<secret>`; errors name `origin`.
    pub(super) fn parse(text: &str, origin: &str) -> Result<Self, Failure> {
        let text = text.trim();
        let formed = text.split_once('.').is_some_and(|(id, secret)| {
            KeyId::parse(id).is_ok()
                && !secret.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let header = HeaderValue::try_from(format!("Bearer {text}")).ok().filter(|_| formed);
        let Some(mut header) = header else {
            // The error does not repeat the text: even a mistyped secret must not be printed.
            return Err(Failure::usage(format!("{origin} is not a key")).hint(
                "write it as <key id>.<secret>: the token that `layerbase key add` printed, which \
                 is the field token with --json",
            ));
        };
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// Reads a key file, which holds the key and nothing else.
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
    fn a_key_is_an_id_and_a_secret_and_is_never_printed() {
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
    fn errors_name_the_unusable_file() {
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
