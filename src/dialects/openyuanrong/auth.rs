//! Who calls: with authentication off, whoever the headers name (openyuanrong.md sections 5 and 9).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::errors::ApiError;
use super::wire::upload::header;
use crate::dialects::Signed;
use crate::dialects::gate::Rejected;
use crate::domain::{Caller, TenantId};

/// The headers that every answer depends on.
pub(super) const TENANT_HEADERS: &[&str] = &[TENANT, PRODUCT];

const TENANT: &str = "x-tenant-id";
const PRODUCT: &str = "x-product-id";

/// Yields the tenant of `X-Tenant-Id`, divided by `X-Product-Id` where there is one. `X-Auth` may
/// be there and is not looked at.
pub(super) fn anonymous(head: &Parts) -> Result<Caller, Box<Response>> {
    let refused = |refusal: ApiError| Box::new(refusal.into_response());
    for name in TENANT_HEADERS {
        let value = head.headers.get(*name).map(|value| value.as_bytes()).unwrap_or_default();
        if std::str::from_utf8(value).is_err() {
            // What cannot be kept as it is would make one tenant of two.
            return Err(refused(ApiError::invalid(format!("{name} must be UTF-8"))));
        }
    }
    let mut tenant = header(&head.headers, TENANT);
    if tenant.is_empty() {
        TenantId::default_tenant().as_str().clone_into(&mut tenant);
    }
    tenant.push_str(&suffix(&header(&head.headers, PRODUCT)));
    TenantId::parse(tenant).map(Caller::new_anonymous).map_err(|refusal| refused(refusal.into()))
}

/// What follows the tenant in identifiers and in the catalog.
fn suffix(product: &str) -> String {
    if product.is_empty() { String::new() } else { format!("@{product}") }
}

/// Refuses everyone.
pub(super) fn verify(_request: Signed<'_>) -> Result<Caller, Box<Response>> {
    Err(Box::new(ApiError::invalid("").into_response()))
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
