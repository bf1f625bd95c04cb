//! The clouds' APIs: what a dialect must supply, and the table of all seven.
//!
//! Each dialect has one folder with the same six files (see ARCHITECTURE.md); what two of
//! them need stands beside this file. No dialect imports another. An eighth is one folder, one
//! `mod` line and one row in [`DIALECTS`].

mod answer;
mod cache;
mod gate;
mod json_writer;
pub mod links;
mod params;
mod signing;
mod stream;
mod tenants;
mod upload;

mod alibaba;
mod ctyun;
mod huawei;
mod native;
mod openyuanrong;
mod s3;
mod tencent;

use std::sync::Arc;

use axum::Router;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, Uri};
use axum::response::Response;
use axum::routing::MethodRouter;
use md5::Md5;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::app::App;
use crate::domain::{Access, Caller, CatalogError, Timestamp};
use crate::ingest::{Measure, Spool};
pub(crate) use openyuanrong::mint as openyuanrong_token;
use params::Params;

/// All dialects, in the order in which an unknown path is offered to them; `native` takes the rest.
pub const DIALECTS: [&dyn Dialect; 7] = [
    &s3::S3,
    &ctyun::Ctyun,
    &huawei::Huawei,
    &openyuanrong::OpenYuanrong,
    &tencent::Tencent,
    &alibaba::Alibaba,
    &native::Native,
];

/// One cloud's API: its operations, its credentials, its way to say no.
pub trait Dialect: Send + Sync {
    /// The folder's name, as in `--dialects`.
    fn name(&self) -> &'static str;

    /// The operations, in the order of the vendor's index.
    fn operations(&self) -> Vec<Operation>;

    /// Whether a request that no operation takes belongs to this cloud all the same, so that it is
    /// refused in its shape.
    fn recognizes(&self, head: &Parts) -> bool;

    /// The largest zip that this cloud takes inside a request, in bytes.
    fn upload_limit(&self) -> u64;

    /// Refuses by the head alone, before the body comes, whoever could not be let in with any body:
    /// with a token that is nobody's, with a signature whose credentials cannot be read, name no key
    /// that is let in, or are of another time.
    fn check_head(&self, request: AuthHead<'_>) -> Result<(), Box<Response>>;

    /// Who sent the request, from its head and its body's digest, before anything of the body is
    /// parsed; the error is the refusal in this dialect's shape.
    fn authenticate(&self, request: AuthRequest<'_>) -> Result<Caller, Box<Response>>;

    /// Whom a request counts as while authentication is off.
    fn anonymous(&self, _head: &Parts) -> Result<Caller, Box<Response>> {
        Ok(signing::anonymous())
    }

    /// Words a refusal.
    fn refuse(&self, call: &Call, refusal: Refusal) -> Response;

    /// Adds what every answer of this cloud carries: headers, request ids inside a body.
    fn complete(&self, call: &Call, response: Response) -> Response;

    /// The header in which this cloud's clients number their requests, where answers repeat it.
    fn client_id_header(&self) -> Option<&'static str> {
        None
    }

    /// The handlers of a cloud that tells its operations apart by more than path and method; its
    /// operations then have no handlers of their own. None of the others has any.
    fn dispatchers(&self) -> Vec<Operation> {
        Vec::new()
    }
}

/// Builds the routes of one dialect. Sets no fallback: the server has one for all.
///
/// Every path also answers with one `/` at its end: vendors' documents show both.
pub fn routes(dialect: &'static dyn Dialect, app: &App) -> Router<App> {
    let pages = Arc::new(cache::ResponseCache::default());
    let mut operations = dialect.dispatchers();
    if operations.is_empty() {
        operations = dialect.operations();
    }
    operations.into_iter().fold(Router::new(), |router, operation| {
        let gated = gate::guard(dialect, app, &pages, &operation);
        operation.paths.iter().fold(router, |router, path| match path.as_str() {
            path if path == "/" || path.ends_with('}') && path.contains("{*") => {
                router.route(path, gated.clone())
            }
            path => router.route(path, gated.clone()).route(&format!("{path}/"), gated.clone()),
        })
    })
}

/// Turns a request to where it is meant, before it is routed, by its credentials' first word: to a
/// cloud's object store, whose bucket is in the host or whose clients know no address but a host's,
/// any path may be a key. All others are left as they are.
pub fn reroute<B>(request: &mut Request<B>) {
    let is_plain = request.uri().query().is_none();
    if !is_plain || request.headers().contains_key(AUTHORIZATION) {
        alibaba::reroute(request);
        s3::reroute(request);
    }
}

/// One call of a cloud's API.
pub struct Operation {
    /// In the vendor's own spelling.
    pub name: &'static str,
    /// Every path that it answers on.
    pub paths: Vec<String>,
    handlers: MethodRouter<App>,
    body: BodyRule,
    /// Bytes of an upload, where that is not the cloud's own limit.
    upload_max: Option<u64>,
    /// Headers that the answer depends on besides path and query; `None`: not cacheable.
    cacheable: Option<&'static [&'static str]>,
}

/// What an operation's body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// A few fields, or nothing.
    Small,
    /// An upload inside JSON, a form or a multipart body.
    Upload,
    /// The body is the zip itself.
    Raw,
    /// The body is a file of any kind, as it is or in chunks.
    Object,
}

impl BodyRule {
    /// Bytes of a body that carries only fields, and of what surrounds an upload.
    const FIELDS_MAX: u64 = 1 << 20;

    /// The most bytes that are read where an upload may have `upload_max`; base64 takes four for
    /// three, and a form writes some of them as three.
    fn limit(self, upload_max: u64, app: &App) -> u64 {
        let limit = self.limit_for(app.upload_limits(upload_max).size);
        app.config().max_body.map_or(limit, |most| most.min(limit))
    }

    fn limit_for(self, upload: u64) -> u64 {
        match self {
            Self::Small => Self::FIELDS_MAX,
            Self::Upload => {
                let base64 = upload.div_ceil(3).saturating_mul(4);
                base64.saturating_add(upload / 8).saturating_add(Self::FIELDS_MAX)
            }
            Self::Raw => upload,
            // Chunks may be small, and each has a signature.
            Self::Object => upload.saturating_add(upload / 16).saturating_add(Self::FIELDS_MAX),
        }
    }

    /// What is computed while the body passes: signatures cover its SHA-256, and a few its MD5
    /// in the header that HTTP has for it.
    fn measure(self, is_verified: bool, head: &Parts) -> Measure {
        match self {
            Self::Raw | Self::Object => Measure::All,
            Self::Small | Self::Upload if !is_verified => Measure::Nothing,
            _ if head.headers.contains_key("content-md5") => Measure::Md5AndSha256,
            Self::Small | Self::Upload => Measure::Sha256,
        }
    }
}

impl Operation {
    /// An operation on one path, with a small body or none.
    pub fn new(name: &'static str, path: &str, handlers: MethodRouter<App>) -> Self {
        let paths = vec![path.to_owned()];
        let body = BodyRule::Small;
        Self { name, paths, handlers, body, upload_max: None, cacheable: None }
    }

    /// Answers on the same path under other prefixes too.
    pub fn under(mut self, prefixes: &[&str]) -> Self {
        let bare = self.paths;
        let add =
            |prefix: &&str| bare.iter().map(|path| format!("{prefix}{path}")).collect::<Vec<_>>();
        self.paths = prefixes.iter().flat_map(add).collect();
        self
    }

    /// Takes uploads.
    pub fn body(mut self, body: BodyRule) -> Self {
        self.body = body;
        self
    }

    /// Takes uploads of another size than the cloud's other operations, in bytes.
    pub fn upload_max(mut self, bytes: u64) -> Self {
        self.upload_max = Some(bytes);
        self
    }

    /// Lets its answer be given again until the next write, or until its links are to be renewed.
    ///
    /// Only for answers that depend on tenant, path, query, host and the named headers alone.
    pub fn cacheable(mut self, headers: &'static [&'static str]) -> Self {
        self.cacheable = Some(headers);
        self
    }
}

/// What is there of a request before its body comes, and what its credentials are held against.
#[derive(Clone, Copy)]
pub struct AuthHead<'r> {
    /// The settings and the clock.
    pub app: &'r App,
    /// The keys as of this request.
    pub access: &'r Access,
    /// The request's head as it was sent.
    pub parts: &'r Parts,
}

/// What a signature is verified with.
#[derive(Clone, Copy)]
pub struct AuthRequest<'r> {
    /// The request without its body.
    pub head: AuthHead<'r>,
    /// The request's body, whose SHA-256 was measured, and its MD5 where a header speaks of it.
    pub body: &'r Spool,
}

impl AuthRequest<'_> {
    /// The body's SHA-256, also where there is no body.
    pub fn body_sha256(&self) -> [u8; 32] {
        self.body.sha256().unwrap_or_else(|| Sha256::digest(b"").into())
    }

    /// The body's MD5, for a request with the header `Content-MD5`.
    pub fn body_md5(&self) -> [u8; 16] {
        self.body.md5().unwrap_or_else(|| Md5::digest(b"").into())
    }
}

/// What is known of a request when its answer is worded.
#[derive(Clone, Debug)]
pub struct Call {
    /// Given out by the server, fresh for each request.
    pub request_id: Uuid,
    /// When the request came.
    pub received: Timestamp,
    /// The request's method.
    pub method: Method,
    /// The path and query as they were sent.
    pub uri: Uri,
    /// The client's own id for the request, where its cloud has a header for that.
    pub client_id: Option<HeaderValue>,
}

impl Call {
    /// Gives a request its id and notes what its answer may need.
    pub fn new(app: &App, head: &Parts, dialect: &dyn Dialect) -> Self {
        Self {
            request_id: app.ids().next(),
            received: app.clock().now(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            client_id: dialect.client_id_header().and_then(|name| head.headers.get(name)).cloned(),
        }
    }

    /// The path as it was sent.
    pub fn path(&self) -> &str {
        self.uri.path()
    }
}

/// What a dialect has to say no to, besides what its own handlers refuse.
#[derive(Debug)]
pub enum Refusal {
    /// No operation has this path.
    UnknownPath,
    /// The path's operations have other methods.
    UnknownMethod,
    /// The body or a path segment was refused.
    Catalog(CatalogError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_of_an_upload_is_too_large_to_count_with() {
        assert_eq!(BodyRule::Upload.limit_for(24), 32 + 3 + BodyRule::FIELDS_MAX);
        assert_eq!(BodyRule::Upload.limit_for(u64::MAX), u64::MAX);
        assert_eq!(BodyRule::Raw.limit_for(u64::MAX), u64::MAX);
    }
}
