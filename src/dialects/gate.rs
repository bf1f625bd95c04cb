//! What happens to every request before its handler sees it and after it answered: the head is
//! asked who sends, the body spooled, the caller verified, a page that is still true given again.
//!
//! Also the extractors that handlers share. Knows no cloud.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http_body::Body as _;
use percent_encoding::percent_decode_str;
use tracing::Instrument;

use super::cache::{CacheEpoch, CacheKey, ResponseCache};
use super::{AuthHead, AuthRequest, BodyRule, Call, Dialect, Operation, Refusal};
use crate::app::App;
use crate::domain::{AuditContext, Caller, CatalogError, Limit};
use crate::ingest::Spool;

/// Bytes of a body that may come before anybody looks who sends it: asking twice would take longer.
const UNASKED_MAX: u64 = 16 << 10;

struct Gate {
    dialect: &'static dyn Dialect,
    app: App,
    pages: Arc<ResponseCache>,
    body: BodyRule,
    upload_max: u64,
    cacheable: Option<&'static [&'static str]>,
    operation: &'static str,
}

/// Puts the gate in front of an operation's handlers.
pub(super) fn guard(
    dialect: &'static dyn Dialect,
    app: &App,
    pages: &Arc<ResponseCache>,
    operation: &Operation,
) -> MethodRouter<App> {
    let gate = Arc::new(Gate {
        dialect,
        app: app.clone(),
        pages: Arc::clone(pages),
        body: operation.body,
        upload_max: operation.upload_max.unwrap_or_else(|| dialect.upload_limit()),
        cacheable: operation.cacheable,
        operation: operation.name,
    });
    let admit = move |request: Request, next: Next| Arc::clone(&gate).admit(request, next);
    // Not on the fallback: a wrong method is refused by the server for all dialects.
    operation.handlers.clone().route_layer(middleware::from_fn(admit))
}

impl Gate {
    /// Boxes what most requests do without, a body and the handler of a page that is kept: the
    /// future is moved several times with all the room it may need, and a span costs as much.
    async fn admit(self: Arc<Self>, request: Request, next: Next) -> Response {
        let (head, body) = request.into_parts();
        let call = Call::new(&self.app, &head, self.dialect);
        let span = || tracing::info_span!("request", id = %call.request_id);
        let refused = |refusal| span().in_scope(|| self.refuse(&call, refusal));
        if !self.app.verifies_signatures() && is_from_another_site(&head) {
            let rule = "is another site's: its pages must change nothing here; ask for signatures \
                        with --auth on";
            return refused(CatalogError::invalid("Sec-Fetch-Site", rule));
        }
        // Where the body is the code, the query is what is kept of it.
        if self.body == BodyRule::Raw && !is_utf8(head.uri.query()) {
            return refused(CatalogError::invalid("query", "must be UTF-8"));
        }
        let spool = match body.is_end_stream() {
            true => Spool::empty(),
            false => match Box::pin(self.receive(&call, &head, body).instrument(span())).await {
                Ok(spool) => spool,
                Err(refusal) => return *refusal,
            },
        };
        // Taken when all has arrived, so that a slow client takes no place from others.
        let _request = match self.app.start_request() {
            Ok(place) => place,
            Err(refusal) => return refused(refusal),
        };
        // Read once for each request, so that a change by another process holds at once.
        let access = match self.app.catalog().access() {
            Ok(access) => access,
            Err(fault) => return refused(fault),
        };
        let auth_head = AuthHead { app: &self.app, access: &access, parts: &head };
        let signed = AuthRequest { head: auth_head, body: &spool };
        let caller = match self.app.verifies_signatures() {
            true => self.dialect.authenticate(signed),
            false => self.dialect.anonymous(&head),
        };
        let caller = match caller {
            Ok(caller) => caller,
            Err(refusal) => return self.dialect.complete(&call, *refusal),
        };
        if let Some(Err(refusal)) = caller.key().map(|key| self.app.count_request(key)) {
            return refused(refusal);
        }
        let page = self.cacheable.map(|headers| {
            let moment = CacheEpoch::new(&self.app, &access, &call);
            CacheKey::new(moment, &head, &caller, headers)
        });
        if let Some(page) = &page
            && let Some(response) = self.pages.get(page)
        {
            return self.dialect.complete(&call, response);
        }
        let (dialect, operation) = (self.dialect.name(), self.operation);
        let caller =
            caller.in_context(AuditContext { dialect, operation, request_id: call.request_id });
        let mut request = Request::from_parts(head, HttpBody::empty());
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(Arc::new(spool));
        request.extensions_mut().insert(call.clone());
        Box::pin(self.answer(&call, page, next.run(request)).instrument(span())).await
    }

    /// Has the handler answer, words what an extractor refused, and keeps the page.
    async fn answer(
        &self,
        call: &Call,
        page: Option<CacheKey>,
        handler: impl Future<Output = Response>,
    ) -> Response {
        let mut response = handler.await;
        if let Some(rejected) = response.extensions_mut().remove::<Rejected>() {
            let refusal = Arc::into_inner(rejected.0);
            let shared = || CatalogError::internal("a refusal was copied");
            return self.refuse(call, refusal.unwrap_or_else(shared));
        }
        if let Some(page) = page {
            response = self.pages.keep(page, response).await;
        }
        let response = self.dialect.complete(call, response);
        let (method, path, status) = (&call.method, call.path(), response.status().as_u16());
        tracing::debug!(%method, path, status, "answered");
        response
    }

    /// Reads the body, unless the head says already that it is refused.
    async fn receive(
        &self,
        call: &Call,
        head: &Parts,
        body: HttpBody,
    ) -> Result<Spool, Box<Response>> {
        let refused = |refusal| Box::new(self.refuse(call, refusal));
        if let Err(refusal) = self.ask_first(call, head, &body) {
            // Who waits to hear so before he sends has nothing to be thrown away.
            if !head.headers.contains_key(EXPECT) {
                self.app.throw_away(body).await;
            }
            return Err(refusal);
        }
        let limit = self.body.limit(self.upload_max, &self.app);
        let measure = self.body.measure(self.app.verifies_signatures(), head);
        if waits_to_send(head, &body, limit) {
            let (what, actual) = (Limit::BodySize, body.size_hint().lower());
            return Err(refused(CatalogError::LimitExceeded { what, limit, actual }));
        }
        self.app.spool(body, limit, measure).await.map_err(refused)
    }

    /// Has whoever is about to send more than a little say first who he is.
    fn ask_first(&self, call: &Call, head: &Parts, body: &HttpBody) -> Result<(), Box<Response>> {
        let is_little = body.size_hint().upper().is_some_and(|most| most <= UNASKED_MAX);
        if is_little || !self.app.verifies_signatures() {
            return Ok(());
        }
        let access = self.app.catalog().access();
        let access = access.map_err(|fault| Box::new(self.refuse(call, fault)))?;
        let auth_head = AuthHead { app: &self.app, access: &access, parts: head };
        let checked = self.dialect.check_head(auth_head);
        checked.map_err(|refusal| Box::new(self.dialect.complete(call, *refusal)))
    }

    fn refuse(&self, call: &Call, refusal: CatalogError) -> Response {
        let response = self.dialect.refuse(call, Refusal::Catalog(refusal));
        self.dialect.complete(call, response)
    }
}

/// Whether a browser was told by a page of another site to change something: everybody who lets it
/// load that page would be taken for somebody who is let in.
fn is_from_another_site(head: &Parts) -> bool {
    !head.method.is_safe()
        && head.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// Whether a client announced too much and waits to hear so before it sends it.
fn waits_to_send(head: &Parts, body: &HttpBody, limit: u64) -> bool {
    head.headers.contains_key(EXPECT) && body.size_hint().lower() > limit
}

fn is_utf8(query: Option<&str>) -> bool {
    query.is_none_or(|query| percent_decode_str(query).decode_utf8().is_ok())
}

/// A request that an extractor refused; the gate has the dialect word it.
#[derive(Clone)]
pub struct Rejected(Arc<CatalogError>);

impl Rejected {
    /// What comes out of the gate is there, unless the code is wrong.
    pub(super) fn past_the_gate() -> Self {
        Self::new(CatalogError::internal("the gate was passed by"))
    }

    /// Wraps what the catalog refused.
    pub(super) fn new(refusal: CatalogError) -> Self {
        Self(Arc::new(refusal))
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejected;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Rejected> {
        taken(head.extensions.get().cloned())
    }
}

/// The request's body, once.
pub(super) struct Body(pub(super) Spool);

impl<S: Sync> FromRequestParts<S> for Body {
    type Rejection = Rejected;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Rejected> {
        taken(head.extensions.remove::<Arc<Spool>>().and_then(Arc::into_inner).map(Self))
    }
}

fn taken<T>(value: Option<T>) -> Result<T, Rejected> {
    value.ok_or_else(Rejected::past_the_gate)
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Rejected;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Rejected> {
        taken(head.extensions.get().cloned())
    }
}

/// The path's parameters in order, each percent-decoded once after the path was split.
pub(super) struct Segments<const N: usize>(pub(super) [String; N]);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Segments<N> {
    type Rejection = Rejected;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Rejected> {
        let refuse = |reason: &str| Rejected::new(CatalogError::invalid("path", reason));
        let raw = RawPathParams::from_request_parts(head, state)
            .await
            .map_err(|_| refuse("must be UTF-8"))?;
        let decoded: Result<Vec<String>, _> = raw
            .iter()
            .map(|(_, value)| percent_decode_str(value).decode_utf8().map(Into::into))
            .collect();
        let decoded = decoded.map_err(|_| refuse("must be UTF-8"))?;
        decoded.try_into().map(Self).map_err(|_| refuse("has a wrong number of parts"))
    }
}
