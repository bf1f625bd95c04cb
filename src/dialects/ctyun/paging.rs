//! The list of a layer's versions: it has no pages, only `acl` (ctyun.md section 6).

use super::errors::ApiError;
use crate::catalog::{Catalog, VersionRange};
use crate::dialects::params::Params;
use crate::domain::{Acl, CatalogError, LayerName, LayerVersion, Order, Page, TenantId};

/// Reads `acl`: `0` or nothing is private, `1` is public.
pub(super) fn acl(params: &Params) -> Result<Acl, ApiError> {
    match params.get("acl") {
        None | Some("0") => Ok(Acl::Private),
        Some("1") => Ok(Acl::Public),
        Some(other) => Err(ApiError::invalid("acl", format!("must be 0 or 1, this is '{other}'"))),
    }
}

/// Reads the versions of a layer from the highest number down, in batches.
pub(super) fn versions(
    tenant: TenantId,
    name: LayerName,
    acl: Acl,
) -> impl FnMut(&Catalog, u64) -> Result<Page<LayerVersion>, CatalogError> + Send + 'static {
    let mut from = None;
    move |catalog, limit| {
        let range = VersionRange { order: Order::Descending, from, limit };
        let page = match catalog.list_layer_versions(&tenant, &name, range) {
            // A layer is only the set of its versions, which may be empty.
            Err(CatalogError::NotFound { .. }) => Page::empty(),
            page => page?,
        };
        from = page.items.last().map(|last| last.number.get() - 1);
        // The versions of a layer have one `acl`, so that a page holds it for all or for none.
        let is_shown = page.items.first().is_some_and(|first| first.layer.acl == acl);
        Ok(if is_shown { page } else { Page::empty() })
    }
}
