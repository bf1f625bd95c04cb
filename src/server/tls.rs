//! The certificate: reads two PEM files into a TLS acceptor, and again on demand.
//!
//! Knows rustls and nothing of connections or requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, crypto};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or does not hold the expected PEM section.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Each file is valid, but they cannot be used together.
    #[error("{} and {} cannot be used together", files.cert.display(), files.key.display())]
    Pair {
        /// Both files.
        files: TlsFiles,
        /// The reason.
        source: rustls::Error,
    },
}

/// The certificate in use.
pub(super) struct Tls {
    files: TlsFiles,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the files and checks that the key belongs to the certificate.
    pub(super) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let acceptor = acceptor(&files)?;
        Ok(Self { files, acceptor })
    }

    /// Reads the files again; on failure the certificate in use stays. Existing connections are
    /// not affected.
    pub(super) fn reload(&mut self) -> Result<(), TlsError> {
        self.acceptor = acceptor(&self.files)?;
        Ok(())
    }

    /// Returns the acceptor for new connections.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refuse(&files.cert, "certificate", &error))?;
    if chain.is_empty() {
        return Err(refuse(&files.cert, "certificate", &pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| refuse(&files.key, "private key", &error))?;
    let unfit = |source| TlsError::Pair { files: files.clone(), source };
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn refuse(path: &Path, kind: &str, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("has no PEM {kind}"),
        // The parser's own text may quote the input, which may be a private key.
        _ => format!("is not a PEM {kind}"),
    };
    TlsError::File { path: path.to_owned(), reason }
}
