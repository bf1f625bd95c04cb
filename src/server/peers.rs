//! What the address of a connection's peer decides: whether its headers about its own client are
//! believed, and whether `--require-tls` refuses its requests.
//!
//! Must not know what is served or refused.

use std::net::IpAddr;

use axum::http::Request;

use crate::config::{Config, Network};
use crate::dialects::Forwarded;

/// The settings about peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    proxies: Vec<Network>,
}

impl Peers {
    pub(super) fn of(config: &Config) -> Self {
        Self { proxies: config.trusted_proxies.clone() }
    }

    /// Whether the address is one of a trusted proxy.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    /// Classifies the peer of a connection, once for all its requests.
    pub(super) fn classify(&self, address: IpAddr, has_tls: bool) -> Peer {
        Peer {
            is_proxy: self.is_proxy(address),
            is_plain: !has_tls && !address.to_canonical().is_loopback(),
        }
    }
}

/// The peer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    is_proxy: bool,
    /// Whether it is another machine and speaks plain http. A proxy on this machine does not count
    /// as one, whatever its own clients are.
    is_plain: bool,
}

impl Peer {
    /// Parses the headers of a trusted proxy; others are ignored. Returns whether a client of
    /// another machine sent the request over plain http: a trusted proxy's statement about its own
    /// client decides before the connection.
    pub(super) fn receive<B>(self, request: &mut Request<B>) -> bool {
        if !self.is_proxy {
            return self.is_plain;
        }
        Forwarded::accept(request);
        let is_encrypted = Forwarded::of(request).and_then(Forwarded::is_encrypted);
        is_encrypted.map_or(self.is_plain, |is_encrypted| !is_encrypted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(proxies: &[&str]) -> Peers {
        Peers { proxies: proxies.iter().map(|text| Network::parse(text).unwrap()).collect() }
    }

    #[test]
    fn plain_http_from_another_machine_is_recognized() {
        for (address, is_outside) in [
            ("127.0.0.1", false),
            ("127.8.9.10", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("10.0.0.1", true),
            ("192.168.1.2", true),
            ("0.0.0.0", true),
            ("::ffff:10.0.0.1", true),
            ("fe80::1", true),
            ("2001:db8::1", true),
        ] {
            let is_plain = |has_tls| {
                let peer = peers(&["10.9.0.0/16"]).classify(address.parse().unwrap(), has_tls);
                let mut request = Request::builder().header("X-Forwarded-Proto", "https");
                request = request.header("X-Forwarded-Host", "localhost");
                let mut request = request.body(()).unwrap();
                let is_plain = peer.receive(&mut request);
                assert_eq!(Forwarded::of(&request), None, "{address}");
                is_plain
            };
            assert_eq!((is_plain(false), is_plain(true)), (is_outside, false), "{address}");
        }
    }

    #[test]
    fn a_trusted_proxy_decides_by_what_it_states() {
        for (address, has_tls, proto, is_outside) in [
            ("10.9.0.1", false, "https", false),
            ("10.9.0.1", false, "http", true),
            ("10.9.0.1", false, "https, http", true),
            ("10.9.0.1", false, "", true),
            ("10.9.0.1", true, "http", true),
            ("10.9.0.1", true, "", false),
            ("127.0.0.1", false, "https", false),
            ("127.0.0.1", false, "http", true),
            ("127.0.0.1", false, "", false),
        ] {
            let trusted = peers(&["10.9.0.0/16", "127.0.0.1"]);
            let peer = trusted.classify(address.parse().unwrap(), has_tls);
            let request = Request::builder().header("X-Forwarded-Proto", proto);
            let mut request = request.body(()).unwrap();
            assert_eq!(peer.receive(&mut request), is_outside, "{address} {has_tls} {proto}");
            assert!(Forwarded::of(&request).is_some(), "{address}");
        }
    }
}
