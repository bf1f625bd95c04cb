//! The caller of a request: the tenant of its token, and with authentication off the tenant that
//! its headers name (openyuanrong.md sections 5 and 9).

mod token;

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::errors::ApiError;
use super::wire::upload::header;
use crate::dialects::auth::{AuthHead, AuthRequest, Denied, UNKNOWN_SECRET};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::dialects::signing;
use crate::domain::{Caller, Key, TenantId};
use token::Token;
pub(crate) use token::mint;

/// The headers of the tenant, on which every answer depends.
pub(super) const TENANT_HEADERS: &[&str] = &[TENANT, PRODUCT];

const TENANT: &str = "x-tenant-id";
const PRODUCT: &str = "x-product-id";

/// Returns the caller of the tenant in `X-Tenant-Id`, and of its subtenant in `X-Product-Id` where
/// there is one. `X-Auth` is not read.
pub(super) fn anonymous(head: &Parts) -> Result<Caller, Refused> {
    let (named, default) = (readable(head, TENANT)?, TenantId::default_tenant());
    let tenant = if named.is_empty() { default.as_str() } else { &named };
    Ok(Caller::new_anonymous(subtenant(head, tenant)?))
}

/// Returns the caller of the token's tenant, and of its subtenant in `X-Product-Id` where there is
/// one. `X-Tenant-Id` is not read.
pub(super) fn authenticate(request: AuthRequest<'_>) -> Result<Caller, Refused> {
    let (tenant, key) = owner(request.head)?;
    request.head.app.note_use(request.head.access, key);
    Ok(Caller::new(tenant, key.role, key.id.clone()))
}

/// Returns the key that made the token, proved: a token needs no body.
pub(super) fn claimed_key(request: AuthHead<'_>) -> Result<Option<&Key>, Refused> {
    owner(request).map(|(_, key)| Some(key))
}

/// Returns the tenant of a request, and the key that made its token.
fn owner(request: AuthHead<'_>) -> Result<(TenantId, &Key), Refused> {
    let key = prove(request).map_err(ApiError::from)?;
    Ok((subtenant(request.parts, key.tenant.as_str())?, key))
}

fn prove(request: AuthHead<'_>) -> Result<&Key, Denied> {
    let text = sent(request.parts).ok_or(Denied::Missing)?;
    let token = Token::parse(&text)?;
    let access = request.access;
    let ids = TenantId::parse(&*token.tenant).ok().and_then(|tenant| access.keys_of.get(&tenant));
    let keys = ids.into_iter().flatten().filter_map(|id| access.keys.get(id));
    let enabled: Vec<&Key> = keys.filter(|key| key.enabled).collect();
    if enabled.is_empty() {
        // A tenant that does not exist takes as long as one that has a key.
        token.is_signed_with(UNKNOWN_SECRET.as_bytes());
    }
    let is_maker = |key: &&Key| token.is_signed_with(key.secret.reveal().as_bytes());
    // Of keys that share a secret, the one with the weakest role.
    let makers = enabled.into_iter().filter(is_maker);
    let maker = makers.min_by_key(|key| (key.role, &key.id));
    let maker = maker.ok_or(Denied::BadSignature)?;
    if token.is_expired(request.app.clock().now()) {
        return Err(Denied::Malformed("it is expired"));
    }
    Ok(maker)
}

/// Finds the token: in the header, else in the query, else in a cookie. An empty one is absent.
fn sent(head: &Parts) -> Option<Cow<'_, str>> {
    if let Some(token) = signing::header(head, "x-auth").filter(|token| !token.is_empty()) {
        return Some(token.into());
    }
    let query = Params::parse(head.uri.query().unwrap_or_default());
    if let Some(token) = query.get("token") {
        return Some(token.to_owned().into());
    }
    let lines = head.headers.get_all("cookie").iter();
    let lines = lines.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut tokens =
        pairs.filter(|(name, _)| name.trim() == "iam_token").map(|(_, text)| text.trim());
    tokens.find(|token| !token.is_empty()).map(Cow::from)
}

/// Returns the subtenant of the product that a request names; without one, the tenant itself.
fn subtenant(head: &Parts, tenant: &str) -> Result<TenantId, Refused> {
    let product = suffix(&readable(head, PRODUCT)?);
    Ok(TenantId::parse(format!("{tenant}{product}"))?)
}

fn readable(head: &Parts, name: &str) -> Result<String, ApiError> {
    let value = head.headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    // Bytes that are not UTF-8 would be replaced, so that two tenants became one.
    let text = std::str::from_utf8(value);
    text.map(str::to_owned).map_err(|_| ApiError::invalid(format!("{name} must be UTF-8")))
}

/// Returns the text behind the tenant in identifiers and in the catalog.
fn suffix(product: &str) -> String {
    if product.is_empty() { String::new() } else { format!("@{product}") }
}

/// The caller as this cloud shows it, with tenant and product apart.
pub(super) struct Account {
    pub(super) caller: Caller,
    /// The owner in the catalog and in identifiers.
    pub(super) owner: TenantId,
    pub(super) tenant: String,
    pub(super) product: String,
}

impl<S: Sync> FromRequestParts<S> for Account {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refused> {
        let caller = Caller::from_request_parts(head, state).await?;
        let owner = caller.tenant().clone();
        let product = header(&head.headers, PRODUCT);
        let tenant = owner.as_str().strip_suffix(&suffix(&product)).unwrap_or(owner.as_str());
        Ok(Self { tenant: tenant.to_owned(), product, owner, caller })
    }
}
