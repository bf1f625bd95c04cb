//! Who calls: whose token it is, and with authentication off whoever the headers name
//! (openyuanrong.md sections 5 and 9).

mod token;

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::errors::ApiError;
use super::wire::upload::header;
use crate::dialects::gate::Rejected;
use crate::dialects::params::Params;
use crate::dialects::signing::{self, Denied, NOBODY};
use crate::dialects::{AuthHead, AuthRequest};
use crate::domain::{Caller, Key, TenantId};
use token::Token;
pub(crate) use token::mint;

/// The headers that every answer depends on.
pub(super) const TENANT_HEADERS: &[&str] = &[TENANT, PRODUCT];

const TENANT: &str = "x-tenant-id";
const PRODUCT: &str = "x-product-id";

/// Where a token is looked for, in this order.
const HEADER: &str = "x-auth";
const PARAMETER: &str = "token";
const COOKIE: &str = "iam_token";

/// Yields the tenant of `X-Tenant-Id`, divided by `X-Product-Id` where there is one. `X-Auth` may
/// be there and is not looked at.
pub(super) fn anonymous(head: &Parts) -> Result<Caller, Box<Response>> {
    let tenant = readable(head, TENANT).and_then(|tenant| match tenant.is_empty() {
        true => divided(head, TenantId::default_tenant().as_str()),
        false => divided(head, &tenant),
    });
    tenant.map(Caller::new_anonymous).map_err(refused)
}

/// Yields the caller whose token the request carries: the tenant of the key that made it, divided
/// by `X-Product-Id` where there is one. `X-Tenant-Id` may be there and is not looked at.
pub(super) fn verify(request: AuthRequest<'_>) -> Result<Caller, Box<Response>> {
    let (tenant, key) = owner(request.head)?;
    request.head.app.note_use(key);
    Ok(Caller::new(tenant, key.role, key.id.clone()))
}

/// Refuses whom [`verify`] refuses: a token needs no body.
pub(super) fn check_head(request: AuthHead<'_>) -> Result<(), Box<Response>> {
    owner(request).map(drop)
}

/// Finds the key that made the token, and the tenant that the request is for.
fn owner(request: AuthHead<'_>) -> Result<(TenantId, &Key), Box<Response>> {
    let key = prove(request).map_err(|denied| refused(denied.into()))?;
    let tenant = divided(request.parts, key.tenant.as_str()).map_err(refused)?;
    Ok((tenant, key))
}

fn prove(request: AuthHead<'_>) -> Result<&Key, Denied> {
    let text = sent(request.parts).ok_or(Denied::Missing)?;
    let token = Token::parse(&text)?;
    let access = request.access;
    let ids = TenantId::parse(&*token.tenant).ok().and_then(|tenant| access.keys_of.get(&tenant));
    let keys = ids.into_iter().flatten().filter_map(|id| access.keys.get(id));
    let theirs: Vec<&Key> = keys.filter(|key| key.enabled).collect();
    if theirs.is_empty() {
        // A tenant that is not there takes as long as one that has a key.
        token.is_signed_with(NOBODY.as_bytes());
    }
    let makers: Vec<&Key> = theirs
        .into_iter()
        .filter(|key| token.is_signed_with(key.secret.reveal().as_bytes()))
        .collect();
    // Of keys that share a secret, the one that may do the least.
    let maker = makers.into_iter().min_by_key(|key| (key.role, &key.id));
    let maker = maker.ok_or(Denied::BadSignature)?;
    match token.is_expired(request.app.clock().now()) {
        true => Err(Denied::Malformed("it is expired")),
        false => Ok(maker),
    }
}

/// Finds the token: in the header, else in the query, else in a cookie; an empty one is none.
fn sent(head: &Parts) -> Option<Cow<'_, str>> {
    let full = |text: &str| !text.is_empty();
    if let Some(token) = signing::header(head, HEADER).filter(|token| full(token)) {
        return Some(token.into());
    }
    let query = Params::parse(head.uri.query().unwrap_or_default());
    if let Some(token) = query.get(PARAMETER) {
        return Some(token.to_owned().into());
    }
    let cookies = head.headers.get_all("cookie").iter();
    let cookies = cookies.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    let mut pairs =
        cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(name, value)| name.trim() == COOKIE && full(value.trim()));
    found.map(|(_, value)| value.trim().into())
}

/// Divides a tenant by the product that the request names.
fn divided(head: &Parts, tenant: &str) -> Result<TenantId, ApiError> {
    let product = suffix(&readable(head, PRODUCT)?);
    Ok(TenantId::parse(format!("{tenant}{product}"))?)
}

/// Reads a header that names a part of the tenant.
fn readable(head: &Parts, name: &str) -> Result<String, ApiError> {
    let value = head.headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    match std::str::from_utf8(value) {
        Ok(_) => Ok(header(&head.headers, name)),
        // What cannot be kept as it is would make one tenant of two.
        Err(_) => Err(ApiError::invalid(format!("{name} must be UTF-8"))),
    }
}

fn refused(refusal: ApiError) -> Box<Response> {
    Box::new(refusal.into_response())
}

/// What follows the tenant in identifiers and in the catalog.
fn suffix(product: &str) -> String {
    if product.is_empty() { String::new() } else { format!("@{product}") }
}

/// The caller as this cloud shows him: tenant and product apart.
pub(super) struct Account {
    pub(super) caller: Caller,
    /// The owner in the catalog; in identifiers too.
    pub(super) owner: TenantId,
    pub(super) tenant: String,
    pub(super) product: String,
}

impl<S: Sync> FromRequestParts<S> for Account {
    type Rejection = Rejected;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Rejected> {
        let caller = Caller::from_request_parts(head, state).await?;
        let owner = caller.tenant().clone();
        let product = header(&head.headers, PRODUCT);
        let tenant = owner.as_str().strip_suffix(&suffix(&product)).unwrap_or(owner.as_str());
        Ok(Self { tenant: tenant.to_owned(), product, owner, caller })
    }
}
