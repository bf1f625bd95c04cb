//! The server's own names and origins, which a browser's requests must state while authentication
//! is off.
//!
//! A page of another site could otherwise change the catalog, and a page whose name resolves to
//! this machine (DNS rebinding) could read it too. Knows texts alone, no HTTP framework.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config::Config;

/// Longest name of a host, in bytes (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 253;

/// The own names and origins of one server, beside IP addresses and `localhost`.
#[derive(Debug)]
pub struct Sites {
    /// In lower case. In a pattern a `*` stands for a part of one label, `*.` at the start for one
    /// or more labels, and `*` alone for every name.
    names: Vec<String>,
    /// The scheme of this server's connections.
    scheme: &'static str,
    /// The public URL without its path.
    public_origin: Option<String>,
}

impl Sites {
    /// Takes the names and origins from the settings; `machine` is the machine's host name, which
    /// may be empty.
    pub(super) fn new(config: &Config, machine: &str) -> Self {
        let public = config.public_url.as_deref().and_then(bare_host);
        let named = [machine, public.unwrap_or_default()].into_iter().filter(|name| {
            // An address needs no name.
            !name.is_empty() && !is_address(name)
        });
        let names = named.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let public_origin = config.public_url.as_deref().and_then(|url| {
            let (scheme, rest) = url.split_once("://")?;
            let authority = rest.split('/').next().unwrap_or_default();
            Some(format!("{scheme}://{}", without_default_port(authority, scheme)))
        });
        Self {
            names: names.chain(config.allow_host.iter().cloned()).collect(),
            scheme: config.scheme(),
            public_origin,
        }
    }

    /// Whether a `Host` names this server: an IP address, `localhost` or a name below it, one of
    /// the own names, or one of these with one label in front, which is a bucket or the service of
    /// a Tencent client (tencent.md section 9.3). Alibaba's uploader names its cloud's object store
    /// (alibaba.md section 3.3).
    pub fn is_own_host(&self, host: &str) -> bool {
        let Some(name) = bare_host(host) else { return false };
        if is_address(name) || is_localhost(name) {
            return true;
        }
        if name.len() > NAME_MAX {
            return false;
        }
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::from(name.to_ascii_lowercase())
        } else {
            Cow::from(name)
        };
        let is_own = |name: &str| self.names.iter().any(|own| matches(own, name));
        is_own(&name)
            || is_object_store(&name)
            || name.split_once('.').is_some_and(|(front, name)| {
                // No domain ends in a number, so nobody can register such a name.
                !front.is_empty() && (name.parse::<Ipv4Addr>().is_ok() || is_own(name))
            })
    }

    /// Whether an `Origin` is the public URL's.
    pub fn is_public_origin(&self, origin: &str) -> bool {
        let own = self.public_origin.as_deref();
        own.is_some_and(|own| {
            let scheme = own.split("://").next().unwrap_or_default();
            without_default_port(origin, scheme).eq_ignore_ascii_case(own)
        })
    }

    /// Whether an `Origin` has the scheme and the host and port by which the client called this
    /// server. `forwarded` is the scheme that a trusted proxy states; without it, it is that of
    /// this server's connections.
    ///
    /// Behind any other proxy that speaks https only `--public-url` can name the page's origin.
    pub fn is_same_origin(&self, origin: &str, forwarded: Option<&str>, host: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let (own_scheme, own) = (forwarded.unwrap_or(self.scheme), without_scheme(host));
        scheme.eq_ignore_ascii_case(own_scheme)
            && without_default_port(authority, own_scheme)
                .eq_ignore_ascii_case(without_default_port(own, own_scheme))
    }
}

/// Returns the name or address of a `Host` or of a URL, without scheme, port, path and the dot at
/// its end; `None` if it is malformed. An IPv6 address stays in its brackets.
pub fn bare_host(host: &str) -> Option<&str> {
    split_host(host).map(|(name, _)| name)
}

/// Returns the name as [`bare_host`] does, and the port; `None` for a port that is absent or no
/// port.
pub fn split_host(host: &str) -> Option<(&str, Option<u16>)> {
    // `tccli` writes a scheme (tencent.md section 0).
    let host = without_scheme(host);
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at(end);
    let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    is_port.then(|| (name.strip_suffix('.').unwrap_or(name), port.parse().ok()))
}

/// Returns what follows the scheme, up to the path; the whole text without a scheme.
fn without_scheme(host: &str) -> &str {
    for scheme in ["http://", "https://"] {
        if let Some((start, rest)) = host.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            return rest.split('/').next().unwrap_or_default();
        }
    }
    host
}

fn without_default_port<'a>(authority: &'a str, scheme: &str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

fn is_address(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'[') => {
            let inner = name.trim_start_matches('[').trim_end_matches(']');
            // A zone concerns the client alone (RFC 6874).
            inner.split('%').next().is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
        }
        Some(first) => first.is_ascii_digit() && name.parse::<Ipv4Addr>().is_ok(),
        None => false,
    }
}

fn is_localhost(name: &str) -> bool {
    const LOCALHOST: &str = "localhost";
    let start = name.len().checked_sub(LOCALHOST.len());
    start.is_some_and(|start| {
        name.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(LOCALHOST))
            && (start == 0 || name[..start].ends_with('.'))
    })
}

/// Whether a name in lower case is `BUCKET.oss-….aliyuncs.com`. Only Alibaba can make such names.
fn is_object_store(name: &str) -> bool {
    let below = name.strip_suffix(".aliyuncs.com").and_then(|below| below.split_once('.'));
    below.is_some_and(|(bucket, store)| {
        let region = store.strip_prefix("oss-").unwrap_or_default();
        !bucket.is_empty() && !region.is_empty() && !region.contains('.')
    })
}

/// Whether a name fits an own name or pattern; both are in lower case.
fn matches(own: &str, name: &str) -> bool {
    if own == "*" || own == name {
        return true;
    }
    if !own.contains('*') {
        return false;
    }
    match own.strip_prefix("*.") {
        Some(end) => name.match_indices('.').any(|(at, _)| at > 0 && fits(end, &name[at + 1..])),
        None => fits(own, name),
    }
}

/// Whether each label of a name fits the pattern's.
fn fits(pattern: &str, name: &str) -> bool {
    let fits = |pattern: &str, label: &str| match pattern.split_once('*') {
        None => pattern == label,
        Some((start, end)) => {
            let rest = label.strip_prefix(start);
            !label.is_empty() && rest.is_some_and(|rest| rest.ends_with(end))
        }
    };
    let (mut patterns, mut labels) = (pattern.split('.'), name.split('.'));
    loop {
        match (patterns.next(), labels.next()) {
            (Some(pattern), Some(label)) if fits(pattern, label) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
