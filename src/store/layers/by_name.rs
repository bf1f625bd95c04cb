//! The list of layers by name, row by row. Knows no dialect and no page token.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::{Conditions, columns, layers_with_versions, row, select_from, whole};
use crate::domain::{Acl, CatalogError, LayerFilter, LayerName, LayerVersionRow, TenantId};
use crate::store::View;
use crate::store::engine::values;

/// The SELECT without a filter, which most requests ask for.
static UNFILTERED: LazyLock<String> = LazyLock::new(|| select("layers_by_name", ""));

impl View<'_> {
    /// Passes the newest version of each layer to `visit`, in the order of the layers' names from
    /// `from` (inclusive) on, at most `limit` of them, and returns the name of the layer after them.
    pub fn list_layers_by_name(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        from: &str,
        limit: u64,
        mut visit: impl FnMut(&LayerVersionRow<'_>) -> Result<(), CatalogError>,
    ) -> Result<Option<LayerName>, CatalogError> {
        // SQLite enters the index at the first lower bound of the statement. That bound must be the
        // greater of `from` and the prefix; SQLite would otherwise read every name before the
        // prefix.
        let from = filter.prefix.as_deref().map_or(from, |prefix| from.max(prefix));
        let conditions = Conditions::of(filter);
        let sql = if filter.is_empty() {
            Cow::Borrowed(UNFILTERED.as_str())
        } else {
            let index = match filter.acl {
                Some(Acl::Public) => "public_layers_by_name",
                Some(Acl::Private) | None => "layers_by_name",
            };
            Cow::Owned(select(index, &conditions.sql))
        };
        let mut values = conditions.values_after(values![tenant, from]);
        values.push(limit.saturating_add(1).into());
        let (mut left, mut next) = (limit, None);
        self.each(&sql, &values, |found| {
            if left == 0 {
                next = Some(LayerName::parse(found.text(columns::NAME)?)?);
                return Ok(());
            }
            left -= 1;
            visit(&row::read(found)?)
        })?;
        Ok(next)
    }
}

/// Returns the SELECT of layers in the order of their names, through an index on layers.
fn select(index: &str, conditions: &str) -> String {
    let from = layers_with_versions(&format!("INDEXED BY {index}"), "v.number = l.newest");
    let order = "ORDER BY l.name LIMIT ?";
    let condition = "l.tenant = ? AND l.newest IS NOT NULL AND l.name >= ?";
    select_from(&whole(), &from, &format!("{condition}{conditions} {order}"))
}
