//! The list of layers by name: as a page of whole versions, or row by row.
//!
//! A row that is passed on while it is read is not copied and has only the columns that lists show.
//! Knows no dialect and no page token.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::{acl, add_conditions, cut, layers_with_versions, number, select_from, text, whole};
use crate::domain::{
    Acl, CatalogError, LayerFilter, LayerName, LayerVersion, LayerVersionRow, Page, TenantId,
};
use crate::store::columns::columns;
use crate::store::{View, from_sql, time_from_sql, to_sql};

columns! {
    /// The columns of a row that is passed on; [`layer_version_row`] reads them.
    mod columns {
        NAME: "l.name", ACL: "l.acl", NUMBER: "v.number", DESCRIPTION: "v.description",
        LICENSE: "v.license", RUNTIMES: "v.runtimes", CREATED: "v.created", SHA256: "c.sha256",
        CRC64: "c.crc64", SIZE: "c.size",
    }
}

impl View<'_> {
    /// Returns the newest version of each layer, in the order of the layers' names, starting at
    /// `from` (inclusive).
    ///
    /// The page's `total` is not counted and stays 0.
    pub fn select_layers_by_name(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        from: &str,
        limit: u64,
    ) -> Result<Page<LayerVersion>, CatalogError> {
        let (sql, values) = select_by_name(&whole(), tenant, filter, from, limit);
        Ok(cut(self.many_versions(&sql, values)?, limit, 0))
    }

    /// Passes at most `limit` rows of [`View::select_layers_by_name`] to `visit`, in their order,
    /// and returns the name of the layer after them.
    pub fn visit_layers_by_name(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        from: &str,
        limit: u64,
        mut visit: impl FnMut(&LayerVersionRow<'_>),
    ) -> Result<Option<LayerName>, CatalogError> {
        let (sql, values) = select_by_name(columns::LIST, tenant, filter, from, limit);
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        for _ in 0..limit {
            let Some(row) = rows.next()? else { return Ok(None) };
            visit(&layer_version_row(row)?);
        }
        rows.next()?.map(|row| LayerName::parse(text(row, columns::NAME)?)).transpose()
    }
}

fn layer_version_row<'r>(row: &'r Row<'_>) -> Result<LayerVersionRow<'r>, CatalogError> {
    let sha256 = row.get_ref(columns::SHA256)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(LayerVersionRow {
        name: text(row, columns::NAME)?,
        acl: acl(row, columns::ACL)?,
        number: number(row, columns::NUMBER)?,
        description: text(row, columns::DESCRIPTION)?,
        license: text(row, columns::LICENSE)?,
        runtimes: text(row, columns::RUNTIMES)?,
        created: time_from_sql(row.get(columns::CREATED)?),
        sha256: sha256.try_into().map_err(CatalogError::internal)?,
        crc64: row.get::<_, i64>(columns::CRC64)?.cast_unsigned(),
        size: from_sql(row.get(columns::SIZE)?),
    })
}

/// Returns the SELECT of layers in the order of their names, and the values to bind to it.
fn select_by_name(
    columns: &str,
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
        columns,
        &layers_with_versions(hint, "v.number = l.newest"),
        "l.tenant = ? AND l.newest IS NOT NULL AND l.name >= ?",
    );
    let mut values = vec![Value::Text(tenant.to_string()), Value::Text(from.to_owned())];
    add_conditions(filter, &mut sql, &mut values);
    sql.push_str(" ORDER BY l.name LIMIT ?");
    values.push(Value::Integer(to_sql(limit.saturating_add(1))));
    (sql, values)
}
