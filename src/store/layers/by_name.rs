//! The list of layers by name, row by row. Knows no dialect and no page token.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::row::LayerVersionRow;
use super::{add_conditions, columns, layers_with_versions, select_from, text, whole};
use crate::domain::{Acl, CatalogError, LayerFilter, LayerName, TenantId};
use crate::store::{View, to_sql};

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
        let (sql, values) = select_by_name(tenant, filter, from, limit);
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        for _ in 0..limit {
            let Some(row) = rows.next()? else { return Ok(None) };
            visit(&LayerVersionRow::read(row)?)?;
        }
        rows.next()?.map(|row| LayerName::parse(text(row, columns::NAME)?)).transpose()
    }
}

/// Returns the SELECT of layers in the order of their names, and the values to bind to it.
fn select_by_name(
    tenant: &TenantId,
    filter: &LayerFilter,
    from: &str,
    limit: u64,
) -> (String, Vec<Value>) {
    // SQLite enters the index at the first lower bound of the statement. That bound must be the
    // greater of `from` and the prefix; SQLite would otherwise read every name before the prefix.
    let from = filter.prefix.as_deref().map_or(from, |prefix| from.max(prefix));
    let hint = match filter.acl {
        Some(Acl::Public) => "INDEXED BY public_layers_by_name",
        Some(Acl::Private) | None => "INDEXED BY layers_by_name",
    };
    let mut sql = select_from(
        &whole(),
        &layers_with_versions(hint, "v.number = l.newest"),
        "l.tenant = ? AND l.newest IS NOT NULL AND l.name >= ?",
    );
    let mut values = vec![Value::Text(tenant.to_string()), Value::Text(from.to_owned())];
    add_conditions(filter, &mut sql, &mut values);
    sql.push_str(" ORDER BY l.name LIMIT ?");
    values.push(Value::Integer(to_sql(limit.saturating_add(1))));
    (sql, values)
}
