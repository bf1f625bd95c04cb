//! Refuses requests that a browser sends for a page of another site, while authentication is off.
//!
//! Where signatures are required, such a request has none. Knows the headers of browsers, and no
//! cloud.

use axum::http::HeaderValue;
use axum::http::header::{HOST, ORIGIN, USER_AGENT};
use axum::http::request::Parts;
use axum::http::uri::Authority;

use super::forwarded::Forwarded;
use crate::app::{self, App};
use crate::domain::{CatalogError, Field};

/// The header by which browsers say whether a page of another site sends a request. They send it
/// to https and to `localhost` and loopback addresses alone.
const FETCH_SITE: &str = "sec-fetch-site";

/// The start of every browser's `User-Agent`.
const BROWSER: &[u8] = b"Mozilla/";

/// Most characters of a client's text that a refusal repeats.
const SHOWN_MAX: usize = 100;

/// Refuses a request to another host's name: a page whose name resolves to this machine (DNS
/// rebinding) could read the answer.
///
/// Every name that the request gives must be the server's own, those that a trusted proxy forwards
/// included: a page may have added the first of them. HTTP/1.0 may give none.
pub(super) fn check_host(app: &App, head: &Parts) -> Result<(), CatalogError> {
    if app.verifies_signatures() {
        return Ok(());
    }
    let is_own = |host: &HeaderValue| host.to_str().is_ok_and(|host| app.sites().is_own_host(host));
    if let Some(foreign) = head.headers.get_all(HOST).iter().find(|host| !is_own(host)) {
        return Err(foreign_host(&String::from_utf8_lossy(foreign.as_bytes())));
    }
    // An absolute target replaces the header (RFC 9112 section 3.2.2).
    let target = head.uri.authority().map(Authority::as_str);
    let mut others = target.into_iter().chain(forwarded_hosts(head).iter().map(String::as_str));
    let foreign = others.find(|host| !app.sites().is_own_host(host));
    foreign.map_or(Ok(()), |host| Err(foreign_host(host)))
}

/// Refuses a request of a page of another site; for requests that may change something.
///
/// `Origin` decides where it is stated. `Sec-Fetch-Site` decides without it, as for the GET of an
/// image, and beside the server's own origin. A browser states neither in a GET over plain http to
/// another machine: it is refused by its name. Other clients state none of these.
pub(super) fn check_origin(app: &App, head: &Parts) -> Result<(), CatalogError> {
    if app.verifies_signatures() {
        return Ok(());
    }
    let sent = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = forwarded_hosts(head).first().map_or(sent, String::as_str);
    let scheme = head.extensions.get().and_then(Forwarded::scheme);
    let mut is_public = false;
    for origin in head.headers.get_all(ORIGIN) {
        let text = origin.to_str().unwrap_or_default();
        if app.sites().is_public_origin(text) {
            is_public = true;
        } else if !app.sites().is_same_origin(text, scheme, host) {
            let shown = shown(&String::from_utf8_lossy(origin.as_bytes()));
            let rule = format!(
                "'{shown}' is another site, whose pages must change nothing here: if it is this \
                 server's own address, name it with --public-url; or ask for signatures with \
                 --auth on"
            );
            return Err(CatalogError::invalid(Field::Origin, rule));
        }
    }
    // A page of the public URL may call the server by another of its names.
    if is_public {
        return Ok(());
    }
    let site = head.headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    if matches!(site, Some(b"cross-site" | b"same-site")) {
        let rule = "is another site's: its pages must change nothing here; ask for signatures with \
                    --auth on";
        return Err(CatalogError::invalid(Field::FetchSite, rule));
    }
    let is_silent = site.is_none() && !head.headers.contains_key(ORIGIN) && head.method.is_safe();
    let agent = head.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    if is_silent && agent.is_some_and(|agent| agent.starts_with(BROWSER)) {
        let rule = "is missing: this change by GET comes from a browser, and its page may be of \
                    another site; send it by POST, or ask for signatures with --auth on";
        return Err(CatalogError::invalid(Field::Origin, rule));
    }
    Ok(())
}

/// Returns the hosts that a trusted proxy states, the client's first.
fn forwarded_hosts(head: &Parts) -> &[String] {
    head.extensions.get().map(Forwarded::hosts).unwrap_or_default()
}

fn foreign_host(host: &str) -> CatalogError {
    let shown = shown(app::bare_host(host).unwrap_or(host));
    let rule = format!(
        "'{shown}' is not a name of this server: if it is, start the server with --allow-host \
         {shown}, or with --public-url; or ask for signatures with --auth on"
    );
    CatalogError::invalid(Field::Host, rule)
}

fn shown(text: &str) -> String {
    text.escape_debug().take(SHOWN_MAX).collect()
}
