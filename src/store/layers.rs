//! All SQL about layers and their versions; `by_name` has the list by name.

mod by_name;
mod row;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, ToSql, params_from_iter};

pub use row::LayerVersionRow;

use super::columns::columns;
use super::{Change, View, code, from_sql, to_sql};
use crate::domain::{
    Acl, CatalogError, LayerFilter, LayerName, LayerVersion, Order, Page, TenantId, Timestamp,
    VersionNumber, Window,
};

columns! {
    /// The columns of a whole version, before those of its content; [`LayerVersionRow`] reads both.
    mod columns {
        NAME: "l.name", LAYER_UID: "l.uid", ACL: "l.acl", TAGS: "l.tags", NUMBER: "v.number",
        UID: "v.uid", DESCRIPTION: "v.description", LICENSE: "v.license", RUNTIMES: "v.runtimes",
        CREATED: "v.created",
    }
}

/// The values of a new version's row.
pub struct LayerVersionInsert<'a> {
    /// Lower-case hyphenated UUID.
    pub uid: &'a str,
    /// Free text.
    pub description: &'a str,
    /// Free text.
    pub license: &'a str,
    /// In the order given.
    pub runtimes: &'a [String],
    /// The SHA-256 of a content that has its row.
    pub code: &'a [u8; 32],
    /// Now.
    pub created: Timestamp,
}

impl View<'_> {
    /// Returns one version of a layer.
    pub fn select_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        number: VersionNumber,
    ) -> Result<Option<LayerVersion>, CatalogError> {
        let sql = select("", "v.number = ?3", "l.tenant = ?1 AND l.name = ?2");
        self.one_version(&sql, &[&tenant.as_str(), &name.as_str(), &to_sql(number.get())])
    }

    /// Returns the newest version of a layer.
    pub fn select_newest_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
    ) -> Result<Option<LayerVersion>, CatalogError> {
        let sql = select("", "v.number = l.newest", "l.tenant = ?1 AND l.name = ?2");
        self.one_version(&sql, &[&tenant.as_str(), &name.as_str()])
    }

    /// Returns the version that has this uid.
    pub fn select_layer_version_by_uid(
        &self,
        tenant: &TenantId,
        uid: &str,
    ) -> Result<Option<LayerVersion>, CatalogError> {
        // CROSS JOIN goes from the version to its layer; the other order reads every layer of the
        // tenant.
        let from = "layer_versions v CROSS JOIN layers l ON l.id = v.layer";
        let sql = select_from(&whole(), from, "v.uid = ?1 AND l.tenant = ?2");
        self.one_version(&sql, &[&uid, &tenant.as_str()])
    }

    /// Returns the name of the layer that has this uid and at least one version.
    pub fn select_layer_name_by_uid(
        &self,
        tenant: &TenantId,
        uid: &str,
    ) -> Result<Option<LayerName>, CatalogError> {
        let sql = "SELECT name FROM layers WHERE uid = ? AND tenant = ? AND newest IS NOT NULL";
        let mut statement = self.prepare(sql)?;
        let name: Option<String> =
            statement.query_one((uid, tenant.as_str()), |row| row.get(0)).optional()?;
        name.map(LayerName::parse).transpose()
    }

    /// Returns the newest version of each layer, the layer with the latest publication first.
    pub fn select_layers_by_age(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        window: Window,
    ) -> Result<Page<LayerVersion>, CatalogError> {
        if filter.name.is_some() {
            return self.select_layer_by_name(tenant, filter, window);
        }
        let total = self.count_layers(tenant, filter)?;
        let mut sql = select(
            "INDEXED BY layers_by_age",
            "v.number = l.newest",
            "l.tenant = ? AND l.newest IS NOT NULL",
        );
        let mut values = vec![Value::Text(tenant.to_string())];
        add_conditions(filter, &mut sql, &mut values);
        // The second half of the list is read from its end, so that the last page costs as much as
        // the first.
        let rows = window.limit.min(total.saturating_sub(window.offset));
        let backwards = window.offset > total / 2;
        let offset =
            if backwards { total - window.offset.min(total) - rows } else { window.offset };
        sql.push_str(if backwards {
            " ORDER BY l.newest_at ASC, l.name DESC LIMIT ? OFFSET ?"
        } else {
            " ORDER BY l.newest_at DESC, l.name ASC LIMIT ? OFFSET ?"
        });
        values.push(Value::Integer(to_sql(rows)));
        values.push(Value::Integer(to_sql(offset)));
        let mut items = self.many_versions(&sql, values)?;
        if backwards {
            items.reverse();
        }
        let more = window.offset.saturating_add(rows) < total;
        Ok(Page { items, more, next: None, total })
    }

    /// Returns the one layer that has the filter's name, if the rest of the filter matches it.
    fn select_layer_by_name(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        window: Window,
    ) -> Result<Page<LayerVersion>, CatalogError> {
        let mut sql = select("", "v.number = l.newest", "l.tenant = ?");
        let mut values = vec![Value::Text(tenant.to_string())];
        add_conditions(filter, &mut sql, &mut values);
        let mut items = self.many_versions(&sql, values)?;
        let total = items.len() as u64;
        let is_shown = window.offset == 0 && window.limit > 0;
        items.retain(|_| is_shown);
        Ok(Page { items, more: false, next: None, total })
    }

    /// Returns the number of layers with at least one version that the filter matches.
    fn count_layers(&self, tenant: &TenantId, filter: &LayerFilter) -> Result<u64, CatalogError> {
        let mut values = vec![Value::Text(tenant.to_string())];
        let sql = if filter.is_empty() {
            "SELECT layers FROM tenants WHERE id = ?".to_owned()
        } else {
            let mut sql = "SELECT count(*) FROM layers l JOIN layer_versions v \
                           ON v.layer = l.id AND v.number = l.newest WHERE l.tenant = ?"
                .to_owned();
            add_conditions(filter, &mut sql, &mut values);
            sql
        };
        let mut statement = self.prepare(&sql)?;
        let count: Option<i64> =
            statement.query_one(params_from_iter(values), |row| row.get(0)).optional()?;
        Ok(from_sql(count.unwrap_or_default()))
    }

    /// Returns versions of one layer by number, in that order and starting at `from` (inclusive).
    ///
    /// `None` when the layer has no version. The page's `total` counts all its versions.
    pub fn select_layer_versions(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        order: Order,
        from: Option<u64>,
        limit: u64,
    ) -> Result<Option<Page<LayerVersion>>, CatalogError> {
        let sql = "SELECT versions FROM layers WHERE tenant = ? AND name = ?";
        let mut statement = self.prepare(sql)?;
        let total: Option<i64> =
            statement.query_one((tenant.as_str(), name.as_str()), |row| row.get(0)).optional()?;
        let Some(total) = total.map(from_sql).filter(|total| *total > 0) else { return Ok(None) };
        let sql = match order {
            Order::Ascending => select(
                "",
                "v.number >= ?3",
                "l.tenant = ?1 AND l.name = ?2 ORDER BY v.number ASC LIMIT ?4",
            ),
            Order::Descending => select(
                "",
                "v.number <= ?3",
                "l.tenant = ?1 AND l.name = ?2 ORDER BY v.number DESC LIMIT ?4",
            ),
        };
        let from = from.unwrap_or(if order == Order::Ascending { 0 } else { u64::MAX });
        let values = vec![
            Value::Text(tenant.to_string()),
            Value::Text(name.to_string()),
            Value::Integer(to_sql(from)),
            Value::Integer(to_sql(limit.saturating_add(1))),
        ];
        Ok(Some(cut(self.many_versions(&sql, values)?, limit, total)))
    }

    /// Returns the name of one function that a layer version is bound to, if any.
    pub fn select_user_of_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        number: VersionNumber,
    ) -> Result<Option<String>, CatalogError> {
        let sql = "SELECT f.name FROM function_layers b JOIN functions f ON f.id = b.function \
                   WHERE b.layer = (SELECT id FROM layers WHERE tenant = ? AND name = ?) \
                   AND b.layer_number = ? LIMIT 1";
        let mut statement = self.prepare(sql)?;
        let values = (tenant.as_str(), name.as_str(), to_sql(number.get()));
        Ok(statement.query_one(values, |row| row.get(0)).optional()?)
    }

    fn one_version(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
    ) -> Result<Option<LayerVersion>, CatalogError> {
        let mut statement = self.prepare(sql)?;
        statement
            .query_one(
                values,
                |row| Ok(LayerVersionRow::read(row).and_then(|row| row.to_version())),
            )
            .optional()?
            .transpose()
    }

    fn many_versions(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<LayerVersion>, CatalogError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut versions = Vec::new();
        while let Some(row) = rows.next()? {
            versions.push(LayerVersionRow::read(row)?.to_version()?);
        }
        Ok(versions)
    }
}

impl Change<'_> {
    /// Inserts the layer's row unless it exists; replaces its tags if `tags` are given.
    pub fn upsert_layer(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        uid: &str,
        tags: Option<&[(String, String)]>,
        sequence: u64,
    ) -> Result<(), CatalogError> {
        self.connection
            .prepare_cached(
                "INSERT INTO layers (tenant, name, uid, sequence) VALUES (?, ?, ?, ?)
                 ON CONFLICT (tenant, name) DO UPDATE SET sequence = excluded.sequence",
            )?
            .execute((tenant.as_str(), name.as_str(), uid, to_sql(sequence)))?;
        if let Some(tags) = tags {
            let tags = serde_json::to_string(tags).map_err(CatalogError::internal)?;
            self.connection
                .prepare_cached("UPDATE layers SET tags = ? WHERE tenant = ? AND name = ?")?
                .execute((tags, tenant.as_str(), name.as_str()))?;
        }
        Ok(())
    }

    /// Inserts a version with the layer's next number, which is returned. The layer must have its
    /// row.
    pub fn insert_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        version: &LayerVersionInsert<'_>,
        sequence: u64,
    ) -> Result<VersionNumber, CatalogError> {
        let created = version.created.as_microsecond();
        let (layer, number, count): (i64, i64, i64) = self
            .connection
            .prepare_cached(
                "UPDATE layers SET last_number = last_number + 1, newest = last_number + 1,
                        versions = versions + 1, newest_at = ?
                 WHERE tenant = ? AND name = ? RETURNING id, last_number, versions",
            )?
            .query_one((created, tenant.as_str(), name.as_str()), |row| row.try_into())?;
        if count == 1 {
            self.add_to_layer_count(tenant, 1)?;
        }
        let runtimes = serde_json::to_string(version.runtimes).map_err(CatalogError::internal)?;
        self.connection
            .prepare_cached(
                "INSERT INTO layer_versions
                 (layer, number, uid, description, license, runtimes, code, created, sequence)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute((
                layer,
                number,
                version.uid,
                version.description,
                version.license,
                runtimes,
                version.code,
                created,
                to_sql(sequence),
            ))?;
        VersionNumber::new(from_sql(number)).ok_or_else(|| CatalogError::internal("bad number"))
    }

    /// Deletes one version; returns whether it existed.
    pub fn delete_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        number: VersionNumber,
        sequence: u64,
    ) -> Result<bool, CatalogError> {
        let sql = "DELETE FROM layer_versions WHERE number = ? \
                   AND layer = (SELECT id FROM layers WHERE tenant = ? AND name = ?)";
        let deleted = self.connection.prepare_cached(sql)?.execute((
            to_sql(number.get()),
            tenant.as_str(),
            name.as_str(),
        ))?;
        if deleted == 0 {
            return Ok(false);
        }
        let left: i64 = self
            .connection
            .prepare_cached(
                "UPDATE layers SET versions = versions - 1, sequence = ?1,
                    (newest, newest_at) = (SELECT number, created FROM layer_versions
                                           WHERE layer = layers.id ORDER BY number DESC LIMIT 1)
                 WHERE tenant = ?2 AND name = ?3 RETURNING versions",
            )?
            .query_one((to_sql(sequence), tenant.as_str(), name.as_str()), |row| row.get(0))?;
        if left == 0 {
            self.add_to_layer_count(tenant, -1)?;
        }
        Ok(true)
    }

    fn add_to_layer_count(&self, tenant: &TenantId, change: i64) -> Result<(), CatalogError> {
        self.connection
            .prepare_cached("UPDATE tenants SET layers = layers + ? WHERE id = ?")?
            .execute((change, tenant.as_str()))?;
        Ok(())
    }
}

/// Returns the column list of whole versions.
fn whole() -> String {
    format!("{}, {}", columns::LIST, code::columns::LIST)
}

/// Returns a SELECT of whole versions.
///
/// `hint` names the index on layers. `join` is the condition, beside the id, that joins the version
/// to its layer. `condition` is the WHERE condition with any ORDER BY and LIMIT.
fn select(hint: &str, join: &str, condition: &str) -> String {
    select_from(&whole(), &layers_with_versions(hint, join), condition)
}

/// Returns the join of layers with their versions that [`select`] reads.
fn layers_with_versions(hint: &str, join: &str) -> String {
    format!("layers l {hint} CROSS JOIN layer_versions v ON v.layer = l.id AND {join}")
}

/// Returns a SELECT from a join of `l` and `v`, which is read in the join's order.
fn select_from(columns: &str, from: &str, condition: &str) -> String {
    format!("SELECT {columns} FROM {from} CROSS JOIN code c ON c.sha256 = v.code WHERE {condition}")
}

/// Adds a filter's conditions on `l` and `v` to a WHERE clause and its values.
fn add_conditions(filter: &LayerFilter, sql: &mut String, values: &mut Vec<Value>) {
    if let Some(prefix) = &filter.prefix {
        sql.push_str(" AND l.name >= ?");
        values.push(Value::Text(prefix.clone()));
        if let Some(end) = after_prefix(prefix) {
            sql.push_str(" AND l.name < ?");
            values.push(Value::Text(end));
        }
    }
    if let Some(part) = &filter.contains {
        sql.push_str(" AND instr(lower(l.name), lower(?)) > 0");
        values.push(Value::Text(part.clone()));
    }
    if let Some(name) = &filter.name {
        sql.push_str(" AND l.name = ?");
        values.push(Value::Text(name.to_string()));
    }
    if let Some(acl) = filter.acl {
        // A literal, because SQLite does not choose a partial index by a bound value.
        sql.push_str(match acl {
            Acl::Private => " AND l.acl = 0",
            Acl::Public => " AND l.acl = 1",
        });
    }
    if let Some(runtime) = &filter.runtime {
        sql.push_str(" AND EXISTS (SELECT 1 FROM json_each(v.runtimes) WHERE value = ?)");
        values.push(Value::Text(runtime.clone()));
    }
}

fn number(row: &Row<'_>, column: usize) -> Result<VersionNumber, CatalogError> {
    VersionNumber::new(from_sql(row.get(column)?))
        .ok_or_else(|| CatalogError::internal("a version without a number"))
}

/// Borrows the text at a position, for parsing.
pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, CatalogError> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// Makes a page of rows that were read with a LIMIT of one more than `limit`.
pub(super) fn cut<T>(mut items: Vec<T>, limit: u64, total: u64) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = items.drain(limit.min(items.len())..).next();
    Page { items, more: next.is_some(), next, total }
}

/// Returns the smallest text that is greater than every text with this prefix; `None` if there is
/// none.
pub(super) fn after_prefix(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        let next = (u32::from(last) + 1..=0x10_ffff).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_returns_the_row_beyond_its_limit_as_next() {
        let page = cut(vec![1, 2, 3], 2, 9);
        assert_eq!(page, Page { items: vec![1, 2], more: true, next: Some(3), total: 9 });
        let last = cut(vec![1, 2], 2, 9);
        assert_eq!(last, Page { items: vec![1, 2], more: false, next: None, total: 9 });
    }
}
