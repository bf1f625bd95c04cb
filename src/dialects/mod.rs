//! The APIs of the clouds, and their shared parts.
//!
//! Each dialect has one folder with the same six files (see ARCHITECTURE.md) and one row in
//! [`DIALECTS`]. Code that two of them need is in the modules beside this file. These have an
//! order, `SHARED` in `tests/it/house.rs`: each imports only earlier ones. No dialect imports
//! another.

mod answer;
mod auth;
mod cache;
mod call;
mod dialect;
mod drain;
mod extract;
mod forwarded;
mod gate;
pub mod guide;
mod json_fields;
mod json_writer;
pub mod links;
mod name_rule;
mod operation;
mod params;
mod refusal;
mod router;
mod signing;
mod sigv4;
mod sites;
mod stream;
mod tenants;
mod upload;
mod wording;

#[cfg(test)]
mod tests;

mod alibaba;
mod ctyun;
mod huawei;
mod native;
mod openyuanrong;
mod s3;
mod tencent;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::uri::Scheme;
use axum::http::{Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::KnownDialects;
pub use answer::RETRY_SECONDS;
pub use call::Call;
pub use dialect::Dialect;
pub use drain::Drains;
pub use forwarded::Forwarded;
pub(crate) use openyuanrong::mint as openyuanrong_token;
pub use operation::{BodyRule, Effect, Operation, Route};
use refusal::Refused;
pub use refusal::Unserved;
pub use router::routes;

/// All dialects, in the order in which they are asked to recognize an unserved request.
pub static DIALECTS: [&Dialect; 8] = [
    &s3::S3,
    &ctyun::CTYUN,
    &huawei::HUAWEI,
    &openyuanrong::OPENYUANRONG,
    &tencent::TENCENT,
    &alibaba::ALIBABA,
    &alibaba::oss::OSS,
    &native::NATIVE,
];

/// Returns the dialects, as the configuration and the command line know them.
pub fn known() -> KnownDialects {
    let mut names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
    names.sort_unstable();
    names.dedup();
    let mut cloud_ids: Vec<_> =
        DIALECTS.iter().flat_map(|dialect| dialect.cloud_ids).copied().collect();
    cloud_ids.sort_unstable_by_key(|field| field.name);
    KnownDialects { names, cloud_ids }
}

/// Returns the guide to a dialect's clients, by the dialect's name.
pub fn guide_of(name: &str) -> Option<&'static guide::Guide> {
    DIALECTS.iter().filter(|dialect| dialect.name == name).find_map(|dialect| dialect.guide)
}

/// Moves a request of an object store's client below the prefix of its dialect, before routing: the
/// client may put the bucket into the host, and any path may be a key. Its credentials identify the
/// dialect. Other requests do not change. An absolute target keeps its host.
pub fn reroute<B>(request: &mut Request<B>) {
    let has_query = request.uri().query().is_some();
    if has_query || request.headers().contains_key(AUTHORIZATION) {
        let sent = request.uri().authority().cloned();
        alibaba::oss::reroute(request);
        s3::reroute(request);
        if let Some(authority) = sent
            && request.uri().authority().is_none()
        {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(Scheme::HTTP);
            parts.authority = Some(authority);
            // These parts were valid each, and are so together.
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        }
    }
}

/// Whether header names are spelled in lower case for the client that sends these first bytes of a
/// connection; for all others they are in title case.
pub fn takes_lower_case(first: &[u8]) -> bool {
    s3::begins(first)
}

/// Refuses a request that no operation serves, or one to a foreign host, in the shape of the
/// dialect among `names` that recognizes it; as plain text when none does.
pub fn refuse_unserved(app: &App, head: &Parts, names: &[String], unserved: Unserved) -> Response {
    let is_on = |dialect: &&&Dialect| names.iter().any(|name| name == dialect.name);
    let owner = DIALECTS.iter().filter(is_on).find(|dialect| (dialect.recognizes)(head));
    let checked = sites::check_host(app, head);
    let Some(owner) = owner else {
        return match checked {
            Ok(()) => StatusCode::NOT_FOUND.into_response(),
            Err(foreign) => (StatusCode::FORBIDDEN, format!("{foreign}\n")).into_response(),
        };
    };
    let call = Call::new(app, head, owner.client_id_header);
    let refused = checked.map_or_else(Refused::from, |()| (owner.unserved)(&call, unserved));
    gate::refuse(owner, &call, refused)
}
