//! The operations of a dialect: one row each, for routing, roles, caching and the audit log.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::MethodFilter;

use crate::app::App;
use crate::domain::{Noun, Role};
use crate::ingest::Measure;

/// A handler with its extractors erased.
type Run =
    Arc<dyn Fn(Request, App) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// One call of a cloud's API.
#[derive(Clone)]
pub struct Operation {
    /// In the vendor's own spelling.
    pub name: &'static str,
    /// Its subject.
    pub noun: Noun,
    /// Whether it reads, writes or administers.
    pub effect: Effect,
    /// Its methods and paths.
    pub route: Route,
    /// Whether a success adds a line to the audit log.
    pub is_logged: bool,
    /// The kind of its body.
    pub body: BodyRule,
    /// Headers that the answer depends on, besides path and query; `None`: not cacheable.
    pub cached_by: Option<&'static [&'static str]>,
    run: Run,
}

/// The effect of an operation, which decides the required role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing.
    Read,
    /// It publishes, changes or deletes, or returns credentials for that.
    Write,
    /// It is for administrators.
    Admin,
}

impl Effect {
    /// Returns the weakest role that covers the effect.
    pub fn role(self) -> Role {
        match self {
            Self::Read => Role::Read,
            Self::Write => Role::Write,
            Self::Admin => Role::Admin,
        }
    }
}

/// The methods and paths of an operation.
#[derive(Clone)]
pub struct Route {
    /// The methods.
    pub(super) methods: MethodFilter,
    /// Every path.
    pub paths: Vec<String>,
    /// Whether other operations may have the same paths and methods; the dialect's `Actions` then
    /// select one.
    pub is_shared: bool,
}

impl Route {
    fn on(methods: MethodFilter, path: &str) -> Self {
        Self { methods, paths: vec![path.to_owned()], is_shared: false }
    }

    /// Answers GET on a path, and HEAD without the body.
    pub(super) fn get(path: &str) -> Self {
        Self::on(MethodFilter::GET, path)
    }

    /// Answers HEAD on a path.
    pub(super) fn head(path: &str) -> Self {
        Self::on(MethodFilter::HEAD, path)
    }

    /// Answers POST on a path.
    pub(super) fn post(path: &str) -> Self {
        Self::on(MethodFilter::POST, path)
    }

    /// Answers PUT on a path.
    pub(super) fn put(path: &str) -> Self {
        Self::on(MethodFilter::PUT, path)
    }

    /// Answers DELETE on a path.
    pub(super) fn delete(path: &str) -> Self {
        Self::on(MethodFilter::DELETE, path)
    }

    /// Answers on methods and paths that other actions of the dialect may have too.
    pub(super) fn action(methods: MethodFilter, paths: &[&str]) -> Self {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Self { methods, paths, is_shared: true }
    }

    /// Answers on the same path under each of the prefixes.
    pub(super) fn under(mut self, prefixes: &[&str]) -> Self {
        let paths = std::mem::take(&mut self.paths);
        let below =
            |prefix: &&str| paths.iter().map(|path| format!("{prefix}{path}")).collect::<Vec<_>>();
        self.paths = prefixes.iter().flat_map(below).collect();
        self
    }
}

/// The kind of an operation's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// A few fields, or nothing.
    Small,
    /// An upload inside JSON, a form or a multipart body.
    Upload,
    /// The body is the zip itself.
    Raw,
    /// The body is any file, plain or in chunks.
    Object,
}

impl BodyRule {
    /// Bytes of the fields in a body, alone or around an upload.
    const FIELDS_MAX: u64 = 1 << 20;

    /// Returns the most bytes of a body whose upload may have `upload_max`: base64 has four for
    /// three, and a form encodes some of those as three.
    pub(super) fn limit(self, upload_max: u64, app: &App) -> u64 {
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

    /// Returns the digests to compute of the body: signatures cover its SHA-256, and a few its MD5
    /// in `Content-MD5`.
    pub(super) fn measure(self, is_verified: bool, head: &Parts) -> Measure {
        match self {
            Self::Raw | Self::Object => Measure::All,
            Self::Small | Self::Upload if !is_verified => Measure::Nothing,
            _ if head.headers.contains_key("content-md5") => Measure::Md5AndSha256,
            Self::Small | Self::Upload => Measure::Sha256,
        }
    }
}

impl Operation {
    /// An operation that changes nothing.
    pub(super) fn read<H, T>(name: &'static str, noun: Noun, route: Route, handler: H) -> Self
    where
        H: Handler<T, App> + Sync,
        T: 'static,
    {
        Self::new(name, noun, Effect::Read, route, handler)
    }

    /// An operation that changes something, with a line in the audit log.
    pub(super) fn write<H, T>(name: &'static str, noun: Noun, route: Route, handler: H) -> Self
    where
        H: Handler<T, App> + Sync,
        T: 'static,
    {
        Self::new(name, noun, Effect::Write, route, handler)
    }

    /// An operation for administrators that changes nothing.
    pub(super) fn admin<H, T>(name: &'static str, noun: Noun, route: Route, handler: H) -> Self
    where
        H: Handler<T, App> + Sync,
        T: 'static,
    {
        Self::new(name, noun, Effect::Admin, route, handler)
    }

    fn new<H, T>(name: &'static str, noun: Noun, effect: Effect, route: Route, handler: H) -> Self
    where
        H: Handler<T, App> + Sync,
        T: 'static,
    {
        Self {
            name,
            noun,
            effect,
            route,
            is_logged: effect == Effect::Write,
            body: BodyRule::Small,
            cached_by: None,
            run: Arc::new(move |request, app| Box::pin(handler.clone().call(request, app))),
        }
    }

    /// Replaces the kind of body.
    pub(super) fn body(mut self, body: BodyRule) -> Self {
        self.body = body;
        self
    }

    /// Adds no line to the audit log: the operation prepares a change but makes none.
    pub(super) fn unlogged(mut self) -> Self {
        self.is_logged = false;
        self
    }

    /// Lets the response cache store the answer until the next write or the renewal of its links.
    ///
    /// The answer must depend only on tenant, path, query, host and the named headers, and on the
    /// body where actions share a path.
    pub(super) fn cached(mut self, headers: &'static [&'static str]) -> Self {
        self.cached_by = Some(headers);
        self
    }

    /// Runs the handler.
    pub(super) fn run(&self, request: Request, app: App) -> impl Future<Output = Response> + use<> {
        (self.run)(request, app)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_limits_do_not_overflow() {
        assert_eq!(BodyRule::Upload.limit_for(24), 32 + 3 + BodyRule::FIELDS_MAX);
        assert_eq!(BodyRule::Upload.limit_for(u64::MAX), u64::MAX);
        assert_eq!(BodyRule::Raw.limit_for(u64::MAX), u64::MAX);
    }
}
