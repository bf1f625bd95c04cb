//! The gate, which every request passes before and after its handler.
//!
//! It selects the operation, spools the body, authenticates the caller through the dialect, checks
//! the caller's role, uses the response cache, and renders refusals. Knows no cloud.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, EXPECT, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as _, SizeHint};
use percent_encoding::percent_decode_str;
use tracing::Instrument;

use super::answer::RETRY_SECONDS;
use super::auth::{AuthHead, AuthRequest};
use super::cache::{CacheEpoch, CacheKey, ResponseCache};
use super::call::Call;
use super::dialect::Dialect;
use super::drain::Drains;
use super::extract::Once;
use super::operation::{BodyRule, Effect, Operation};
use super::refusal::{Reason, Refused, Unserved};
use super::sites;
use crate::app::App;
use crate::domain::{AuditContext, Caller, CatalogError, Field, RequestError, RequestLimit, Stamp};
use crate::ingest::Spool;

/// A body up to this many bytes is spooled before its credentials are checked: checking them twice
/// would cost more.
const UNCHECKED_MAX: u64 = 16 << 10;

/// The gate of one path and method: with one operation, or the actions that share them.
pub(super) struct Gate {
    pub(super) dialect: &'static Dialect,
    pub(super) app: App,
    pub(super) cache: Arc<ResponseCache>,
    pub(super) drains: Drains,
    pub(super) operations: Vec<Operation>,
}

impl Gate {
    /// Answers a request.
    pub(super) async fn admit(self: Arc<Self>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let call = Call::new(&self.app, &head, self.dialect.client_id_header);
        match self.process(&call, head, body).await {
            Ok(response) => finish(self.dialect, &call, response),
            Err(refused) => {
                let _span = span(&call).entered();
                refuse(self.dialect, &call, refused)
            }
        }
    }

    /// Receiving a body and running the handler are boxed and have a span: their state would
    /// enlarge this future, and a span would cost, even for requests that need neither.
    async fn process(&self, call: &Call, head: Parts, body: HttpBody) -> Result<Response, Refused> {
        let choice = self.choose(&head);
        let named = choice.operation();
        if let Err(refused) = self.check_site(&head, named) {
            Box::pin(self.discard(&head, body)).await;
            return Err(refused);
        }
        // Where the body is the code, the query holds text that is stored.
        if named.is_some_and(|named| named.body == BodyRule::Raw) && !is_utf8(head.uri.query()) {
            return Err(CatalogError::invalid(Field::Query, "must be UTF-8").into());
        }
        let spool = if body.is_end_stream() {
            Spool::empty()
        } else {
            Box::pin(self.receive(call, &head, body, choice).instrument(span(call))).await?
        };
        // Taken after the body has arrived, so that a slow client holds no permit.
        let _permit = self.app.start_request()?;
        // Taken once for each request, so that a change by another process applies at once.
        let stamp = self.app.stamp().await?;
        let auth_head = AuthHead { app: &self.app, access: &stamp.access, parts: &head };
        let caller = if self.app.verifies_signatures() {
            (self.dialect.authenticate)(AuthRequest { head: auth_head, body: &spool })?
        } else {
            (self.dialect.anonymous)(&head)?
        };
        if let Some(key) = caller.key() {
            self.app.count_request(key)?;
        }
        // A signature covers the bytes as they were sent.
        let spool = if !spool.is_empty() && self.is_gzip(&head)? {
            let rule = self.body_rule(choice);
            let (limit, measure) =
                (rule.limit(self.dialect.upload_limit, &self.app), rule.measure(false, &head));
            Box::pin(self.app.unpack(spool, limit, measure)).await?
        } else {
            spool
        };
        let mut cache_key = None;
        if let Some(operation) = named {
            caller.must_be(operation.effect.role())?;
            let epoch = CacheEpoch::new(&stamp, call);
            cache_key = CacheKey::new(epoch, operation, &head, &spool, &caller);
        }
        if let Some(key) = &cache_key
            && let Some(response) = self.cache.get(key, |body| self.renewed(call, body))
        {
            return Ok(response);
        }
        let run = self.run(call, head, spool, (stamp, caller), named, cache_key);
        Box::pin(run.instrument(span(call))).await
    }

    /// Refuses a request to a foreign host, and a change by a page of another site.
    ///
    /// The operation's effect decides, since some clouds write by GET and others read by POST.
    /// While nothing names an operation, every method that is not safe may be a change.
    fn check_site(&self, head: &Parts, named: Option<&Operation>) -> Result<(), Refused> {
        sites::check_host(&self.app, head)?;
        if named.map_or(!head.method.is_safe(), |named| named.effect == Effect::Write) {
            sites::check_origin(&self.app, head)?;
        }
        Ok(())
    }

    /// Reads a refused body to its end, within limits, so that the client sees the answer. A client
    /// that waits for `100 Continue` has sent none.
    async fn discard(&self, head: &Parts, body: HttpBody) {
        if !head.headers.contains_key(EXPECT) {
            self.app.drop_body(self.drains.bound(body, 0)).await;
        }
    }

    /// Chooses the operation by a request's head.
    fn choose(&self, head: &Parts) -> Choice<'_> {
        let Some(actions) = &self.dialect.actions else {
            return self.operations.first().map_or(Choice::Unknown, Choice::Named);
        };
        match (actions.resolve)(head) {
            Some(name) => self.action(&name).map_or(Choice::Unknown, Choice::Named),
            // The body of a safe method has no meaning.
            None if actions.parse.is_some() && !head.method.is_safe() => Choice::ByBody,
            None => Choice::Unknown,
        }
    }

    fn action(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    fn renewed(&self, call: &Call, body: &Bytes) -> Bytes {
        match &self.dialect.actions {
            Some(actions) => (actions.renew)(call, body),
            None => body.clone(),
        }
    }

    /// Runs the handler and caches its answer.
    async fn run(
        &self,
        call: &Call,
        head: Parts,
        body: Spool,
        (stamp, caller): (Stamp, Caller),
        named: Option<&Operation>,
        cache_key: Option<CacheKey>,
    ) -> Result<Response, Refused> {
        let mut extensions = Extensions::new();
        let parse = self.dialect.actions.and_then(|actions| actions.parse);
        let operation = match parse {
            Some(parse) => {
                let parsed = parse(&self.app, &head, body).await?;
                extensions = parsed.extensions;
                self.action(&parsed.name)
            }
            None => {
                extensions.insert(Once::new(body));
                named
            }
        };
        let Some(operation) = operation else {
            return Err((self.dialect.unserved)(call, Unserved::Path));
        };
        let is_named = named.is_some_and(|named| named.name == operation.name);
        if !is_named {
            self.check_site(&head, Some(operation))?;
            caller.must_be(operation.effect.role())?;
        }
        let (dialect, name) = (self.dialect.name, operation.name);
        let context = AuditContext { dialect, operation: name, request_id: call.request_id };
        extensions.insert(caller.in_context(context));
        extensions.insert(call.clone());
        extensions.insert(stamp);
        let mut request = Request::from_parts(head, HttpBody::empty());
        request.extensions_mut().extend(extensions);
        let mut response = operation.run(request, self.app.clone()).await;
        if let Some(refused) = response.extensions_mut().remove::<Refused>() {
            return Err(refused);
        }
        if let Some(key) = cache_key.filter(|_| is_named) {
            response = self.cache.keep(key, response).await;
        }
        let (method, path, status) = (&call.method, call.path(), response.status().as_u16());
        tracing::debug!(%method, path, status, "answered");
        Ok(response)
    }

    /// Spools the body, unless the head alone is refused.
    async fn receive(
        &self,
        call: &Call,
        head: &Parts,
        body: HttpBody,
        choice: Choice<'_>,
    ) -> Result<Spool, Refused> {
        if let Err(refused) = self.check_head(head, body.size_hint(), choice.operation()).await {
            // The caller is not verified, and not counted against its key's rate.
            self.discard(head, body).await;
            return Err(refused);
        }
        self.is_gzip(head)?;
        let rule = self.body_rule(choice);
        let limit = rule.limit(self.dialect.upload_limit, &self.app);
        let measure = rule.measure(self.app.verifies_signatures(), head);
        let refuse = |error: RequestError| match (&error, choice) {
            // The limit is not that of the operation which the client means.
            (RequestError::Limit { what: RequestLimit::BodySize, .. }, Choice::Unknown) => {
                (self.dialect.unserved)(call, Unserved::Path)
            }
            _ => error.into(),
        };
        if head.headers.contains_key(EXPECT) {
            // Refused before the client sends the body.
            let declared = body.size_hint().lower();
            if declared > limit {
                return Err(refuse(RequestError::body_size(limit, declared)));
            }
            self.app.must_have_room(declared)?;
        }
        let body = self.drains.bound(body, limit);
        self.app.spool(body, limit, measure).await.map_err(refuse)
    }

    /// Requires credentials in the head, of a key whose role covers the operation, before a body of
    /// more than [`UNCHECKED_MAX`] bytes is received.
    ///
    /// The signature is not verified yet: a client with only a key's id learns here whether that
    /// key's role covers the operation.
    async fn check_head(
        &self,
        head: &Parts,
        body: SizeHint,
        named: Option<&Operation>,
    ) -> Result<(), Refused> {
        let is_small = body.upper().is_some_and(|most| most <= UNCHECKED_MAX);
        if is_small || !self.app.verifies_signatures() {
            return Ok(());
        }
        // The body may take an hour: the whole request then gets a stamp of its own.
        let stamp = self.app.stamp().await?;
        let auth_head = AuthHead { app: &self.app, access: &stamp.access, parts: head };
        let claimed = (self.dialect.claimed_key)(auth_head)?;
        if let (Some(key), Some(operation)) = (claimed, named) {
            key.role.must_cover(operation.effect.role())?;
        }
        Ok(())
    }

    /// Whether the body is packed by gzip; refuses other encodings. Object stores keep the bytes as
    /// they come.
    fn is_gzip(&self, head: &Parts) -> Result<bool, RequestError> {
        if self.dialect.fills_inbox {
            return Ok(false);
        }
        if !head.headers.contains_key(CONTENT_ENCODING) {
            return Ok(false);
        }
        let stated = head.headers.get_all(CONTENT_ENCODING).iter();
        let stated: Vec<_> = stated.map(|one| String::from_utf8_lossy(one.as_bytes())).collect();
        let stated = stated.join(", ");
        match stated.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(false),
            "gzip" | "x-gzip" => Ok(true),
            _ => Err(RequestError::Encoding { stated }),
        }
    }

    /// Returns the rule for the body: the widest one where the body names the action, and the
    /// narrowest one where nothing names an action that exists.
    fn body_rule(&self, choice: Choice<'_>) -> BodyRule {
        let limit = |rule: &BodyRule| rule.limit(self.dialect.upload_limit, &self.app);
        let rules = || self.operations.iter().map(|operation| operation.body);
        match choice {
            Choice::Named(operation) => operation.body,
            Choice::ByBody => rules().max_by_key(limit).unwrap_or(BodyRule::Small),
            Choice::Unknown => BodyRule::Small,
        }
    }
}

/// The operation of a request, as far as its head decides.
#[derive(Clone, Copy)]
enum Choice<'g> {
    /// The head names this operation.
    Named(&'g Operation),
    /// The body names the operation.
    ByBody,
    /// The head names an operation that does not exist, or nothing names one.
    Unknown,
}

impl<'g> Choice<'g> {
    /// Returns the operation that the head names.
    fn operation(self) -> Option<&'g Operation> {
        match self {
            Self::Named(operation) => Some(operation),
            Self::ByBody | Self::Unknown => None,
        }
    }
}

/// Renders a refusal in a dialect's shape.
pub(super) fn refuse(dialect: &Dialect, call: &Call, refused: Refused) -> Response {
    let worded = match refused.into_reason() {
        Reason::Worded(refusal) => refusal,
        Reason::Unworded(error) => (dialect.word)(call, error),
    };
    finish(dialect, call, worded.render(call))
}

/// Adds the headers of every answer of the dialect, and `Retry-After`.
fn finish(dialect: &Dialect, call: &Call, response: Response) -> Response {
    let mut response = (dialect.finish)(call, response);
    let waits = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::INSUFFICIENT_STORAGE,
    ];
    if waits.contains(&response.status()) {
        response.headers_mut().entry(RETRY_AFTER).or_insert(RETRY_SECONDS);
    }
    response
}

fn span(call: &Call) -> tracing::Span {
    tracing::info_span!("request", id = %call.request_id)
}

fn is_utf8(query: Option<&str>) -> bool {
    query.is_none_or(|query| percent_decode_str(query).decode_utf8().is_ok())
}
