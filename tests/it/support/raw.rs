//! HTTP by hand, over any stream, for requests that no client library would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use super::Answer;

/// Returns a request for a path, with keep-alive.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// Returns the head of a native upload; the caller sends the body.
pub fn upload_head(layer: &str, length: usize) -> Vec<u8> {
    let path = format!("/api/v1/layers/{layer}/versions");
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
        .into_bytes()
}

/// Connects and sends these bytes.
pub fn sent(base: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(authority(base)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Returns host and port of a base URL.
pub fn authority(base: &str) -> &str {
    base.split_once("://").unwrap().1
}

/// Reads one answer and leaves the stream at the start of the next one.
pub fn answer(stream: &mut impl Read) -> Answer {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut byte).unwrap();
        assert_eq!(read, 1, "the answer broke off: {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut answer = Answer { status, headers: headers.collect(), body: Vec::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    answer.body = vec![0; length];
    stream.read_exact(&mut answer.body).unwrap();
    answer
}

/// Reads until the server closes the connection or resets it.
pub fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Unread bytes on the server's side turn its close into a reset.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// Opens a TLS connection that trusts these certificates; fails when the server has another one.
pub fn shake(
    base: &str,
    trusted: &[&CertificateDer<'static>],
    newest: bool,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add((*certificate).clone()).unwrap();
    }
    let versions = if newest { [&TLS13] } else { [&TLS12] };
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(authority(base))?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok(StreamOwned::new(session, stream))
}
