//! The interface of a dialect: operations, authentication, errors, texts.

use std::borrow::Cow;
use std::pin::Pin;

use axum::http::Extensions;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use super::auth::{AuthHead, AuthRequest};
use super::call::Call;
use super::guide::Guide;
use super::operation::Operation;
use super::refusal::{Refusal, Refused, Unserved};
use crate::app::App;
use crate::domain::{Caller, CloudIdField, Key, RequestError};
use crate::ingest::Spool;

/// One API of one cloud.
pub struct Dialect {
    /// The folder's name, as in `--dialects`; an API that belongs to another one has its name.
    pub name: &'static str,
    /// Returns the operations, in the order of the vendor's index.
    pub operations: fn() -> Vec<Operation>,
    /// Whether an unserved request is one of this cloud's, and is refused in its shape.
    pub recognizes: fn(&Parts) -> bool,
    /// The largest zip that this cloud takes inside a request, in bytes.
    pub upload_limit: u64,
    /// Returns the key that a head claims, before the body arrives; `None` when only the body can
    /// name it. Only a token is proved.
    ///
    /// Refuses a head that no body could make valid: a wrong token, or a signature whose
    /// credentials are malformed, skewed, or of no enabled key.
    pub claimed_key: for<'r> fn(AuthHead<'r>) -> Result<Option<&'r Key>, Refused>,
    /// Returns the caller that signed a request, before the body is parsed.
    pub authenticate: for<'r> fn(AuthRequest<'r>) -> Result<Caller, Refused>,
    /// Returns the caller of a request while authentication is off.
    pub anonymous: fn(&Parts) -> Result<Caller, Refused>,
    /// Converts an error that no handler converted.
    pub(super) word: fn(&Call, RequestError) -> Box<dyn Refusal>,
    /// Refuses a request that no operation serves.
    pub unserved: fn(&Call, Unserved) -> Refused,
    /// Adds the headers of every answer of this cloud.
    pub finish: fn(&Call, Response) -> Response,
    /// Whether each path is also served with a `/` at its end: vendors' documents show both. Else
    /// such a request is unserved.
    pub serves_slash: bool,
    /// Selects among actions that share a path; `None`: each operation has its own path and method.
    pub actions: Option<Actions>,
    /// The header with the client's own id of a request, where answers repeat it.
    pub client_id_header: Option<&'static str>,
    /// Whether its clients put objects into the inbox.
    pub fills_inbox: bool,
    /// The ids that this cloud has for a tenant.
    pub cloud_ids: &'static [CloudIdField],
    /// The end of a sentence that begins with the cloud: which parts of a request its signature
    /// does not cover, and what an attacker on the network path can do with these. `None` if a
    /// signature covers all that its client can have it cover.
    pub weakness: Option<&'static str>,
    /// What `layerbase env` prints; `None` for an API that belongs to another one.
    pub guide: Option<&'static Guide>,
}

/// Selects among the actions that share a path.
#[derive(Clone, Copy)]
pub struct Actions {
    /// Names the action by the head alone; `None` when the body names it.
    pub resolve: for<'h> fn(&'h Parts) -> Option<Cow<'h, str>>,
    /// Parses the body of a request, which may name the action; `None`: no body does.
    pub parse: Option<Parse>,
    /// Replaces the request id in a cached answer.
    pub renew: fn(&Call, &Bytes) -> Bytes,
}

/// Parses the body of an action.
pub(super) type Parse =
    for<'a> fn(
        &'a App,
        &'a Parts,
        Spool,
    ) -> Pin<Box<dyn Future<Output = Result<Parsed, Refused>> + Send + 'a>>;

/// The parsed body of an action.
pub struct Parsed {
    /// The action's name, known or not.
    pub name: String,
    /// The values that its handler extracts.
    pub extensions: Extensions,
}
