//! What a trusted proxy states of its own client: `X-Forwarded-Proto`, `-Host` and `-Prefix`.
//!
//! nginx, Traefik, Caddy and HAProxy send one value each, which they made themselves. A proxy that
//! appends (Apache) makes a list, whose first value may be the client's own text: links name the
//! first value, and protections ask all of them. Traefik sends one prefix for each rule that
//! removed one, the outermost first. Must not know which peers are trusted.

use axum::http::{HeaderMap, Request};

const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PREFIX: &str = "x-forwarded-prefix";

/// The headers of a trusted proxy, parsed; an extension of its requests, and of no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    scheme: Option<&'static str>,
    is_encrypted: Option<bool>,
    hosts: Vec<String>,
    prefix: String,
}

impl Forwarded {
    /// Parses a request's headers and inserts the result as its extension; for requests of trusted
    /// proxies.
    pub fn accept<B>(request: &mut Request<B>) {
        let forwarded = Self::parse(request.headers());
        request.extensions_mut().insert(forwarded);
    }

    /// Returns what a trusted proxy states of a request; `None` for requests of other peers.
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    fn parse(headers: &HeaderMap) -> Self {
        let schemes = values(headers, PROTO);
        let scheme = schemes.first().and_then(|first| {
            ["https", "http"].into_iter().find(|known| first.eq_ignore_ascii_case(known))
        });
        let is_https = |scheme: &String| scheme.eq_ignore_ascii_case("https");
        let is_encrypted = (!schemes.is_empty()).then(|| schemes.iter().all(is_https));
        let prefixes = values(headers, PREFIX);
        let prefix = if prefixes.iter().all(|prefix| is_prefix(prefix)) {
            prefixes.iter().map(|prefix| prefix.trim_end_matches('/')).collect()
        } else {
            String::new()
        };
        Self { scheme, is_encrypted, hosts: values(headers, HOST), prefix }
    }

    /// The scheme that the client used.
    pub(super) fn scheme(&self) -> Option<&'static str> {
        self.scheme
    }

    /// Whether each stated part of the request's way was https; `None` if none is stated.
    pub fn is_encrypted(&self) -> Option<bool> {
        self.is_encrypted
    }

    /// All stated hosts, the client's first.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The path that the proxies removed from the start of the client's, without a slash at its
    /// end.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the proxy states the address that the client used, or a part of it.
    pub(super) fn is_stated(&self) -> bool {
        self.scheme.is_some() || !self.hosts.is_empty() || !self.prefix.is_empty()
    }
}

/// Returns the values of a list header in order, of all its lines, without empty ones. Bytes that
/// are no UTF-8 are replaced.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let mut values = Vec::new();
    for line in lines {
        let stated = line.split(',').map(str::trim).filter(|value| !value.is_empty());
        values.extend(stated.map(str::to_owned));
    }
    values
}

/// Whether a text is the start of a path that is written as it is into links.
fn is_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:@%/".contains(&byte);
    text.starts_with('/') && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(lines: &[(&'static str, &str)]) -> Forwarded {
        let mut request = Request::new(());
        for (name, value) in lines {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        assert_eq!(Forwarded::of(&request), None);
        Forwarded::accept(&mut request);
        Forwarded::of(&request).unwrap().clone()
    }

    #[test]
    fn schemes_are_https_only_if_all_are() {
        for (lines, scheme, is_encrypted) in [
            (&[][..], None, None),
            (&[""], None, None),
            (&["https"], Some("https"), Some(true)),
            (&["HTTPS"], Some("https"), Some(true)),
            (&["http"], Some("http"), Some(false)),
            (&["https, http"], Some("https"), Some(false)),
            (&["https", "http"], Some("https"), Some(false)),
            (&["https,https"], Some("https"), Some(true)),
            (&["wss"], None, Some(false)),
            (&["https://"], None, Some(false)),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (PROTO, *line)).collect();
            let found = parsed(&lines);
            assert_eq!((found.scheme(), found.is_encrypted()), (scheme, is_encrypted), "{lines:?}");
        }
    }

    #[test]
    fn hosts_and_prefixes_are_read_from_all_lines() {
        let found =
            parsed(&[(HOST, " a.lan:8443 ,b"), (HOST, "c"), (PREFIX, "/x/"), (PREFIX, "/y")]);
        assert_eq!(
            (found.hosts(), found.prefix()),
            (&["a.lan:8443", "b", "c"].map(str::to_owned)[..], "/x/y")
        );
        assert!(found.is_stated() && !Forwarded::default().is_stated());
        for bad in ["x", "/a?b", "/a#b", "/a\"", "/a b", "http://evil/"] {
            assert_eq!(parsed(&[(PREFIX, "/x"), (PREFIX, bad)]).prefix(), "", "{bad}");
        }
        assert_eq!(parsed(&[(PREFIX, "/")]).prefix(), "");
    }
}
