//! All SQL that reads layers and their versions.
//!
//! `by_name` has the list by name, `changes` the SQL that writes.

mod by_name;
mod changes;

pub use changes::LayerVersionInsert;

use super::columns::columns;
use super::engine::{Row, Value, values};
use super::pages::{after_prefix, cut};
use super::{View, code};
use crate::domain::{
    Acl, CatalogError, Layer, LayerFilter, LayerName, LayerVersion, Order, Page, TenantId,
    VersionNumber, Window,
};

columns! {
    /// The columns of a whole version, before those of its content; [`layer_version`] reads both.
    mod columns {
        NAME: "l.name", LAYER_UID: "l.uid", ACL: "l.acl", TAGS: "l.tags", NUMBER: "v.number",
        UID: "v.uid", DESCRIPTION: "v.description", LICENSE: "v.license", RUNTIMES: "v.runtimes",
        CREATED: "v.created",
    }
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
        self.one(&sql, values![tenant, name.as_str(), number.get()], layer_version)
    }

    /// Returns the newest version of a layer.
    pub fn select_newest_layer_version(
        &self,
        tenant: &TenantId,
        name: &LayerName,
    ) -> Result<Option<LayerVersion>, CatalogError> {
        let sql = select("", "v.number = l.newest", "l.tenant = ?1 AND l.name = ?2");
        self.one(&sql, values![tenant, name.as_str()], layer_version)
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
        self.one(&sql, values![uid, tenant], layer_version)
    }

    /// Returns the name of the layer that has this uid and at least one version.
    pub fn select_layer_name_by_uid(
        &self,
        tenant: &TenantId,
        uid: &str,
    ) -> Result<Option<LayerName>, CatalogError> {
        let sql = "SELECT name FROM layers WHERE uid = ? AND tenant = ? AND newest IS NOT NULL";
        self.one(sql, values![uid, tenant], |row| LayerName::parse(row.text(0)?))
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
        let conditions = Conditions::of(filter);
        // The second half of the list is read from its end, so that the last page costs as much as
        // the first.
        let rows = window.limit.min(total.saturating_sub(window.offset));
        let backwards = window.offset > total / 2;
        let (offset, order) = if backwards {
            (total - window.offset.min(total) - rows, "l.newest_at ASC, l.name DESC")
        } else {
            (window.offset, "l.newest_at DESC, l.name ASC")
        };
        let sql = select(
            "INDEXED BY layers_by_age",
            "v.number = l.newest",
            &format!(
                "l.tenant = ? AND l.newest IS NOT NULL{} ORDER BY {order} LIMIT ? OFFSET ?",
                conditions.sql
            ),
        );
        let mut values = conditions.values_after(&[tenant.into()]);
        values.extend(values![rows, offset]);
        let mut items = self.all(&sql, &values, layer_version)?;
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
        let conditions = Conditions::of(filter);
        let condition = format!("l.tenant = ?{}", conditions.sql);
        let sql = select("", "v.number = l.newest", &condition);
        let mut items =
            self.all(&sql, &conditions.values_after(&[tenant.into()]), layer_version)?;
        let total = items.len() as u64;
        let is_shown = window.offset == 0 && window.limit > 0;
        items.retain(|_| is_shown);
        Ok(Page { items, more: false, next: None, total })
    }

    /// Returns the number of layers with at least one version that the filter matches.
    fn count_layers(&self, tenant: &TenantId, filter: &LayerFilter) -> Result<u64, CatalogError> {
        let count = |row: &Row<'_>| row.count(0);
        let found = if filter.is_empty() {
            self.one("SELECT layers FROM tenants WHERE id = ?", values![tenant], count)?
        } else {
            let conditions = Conditions::of(filter);
            let sql = format!(
                "SELECT count(*) FROM layers l JOIN layer_versions v \
                 ON v.layer = l.id AND v.number = l.newest WHERE l.tenant = ?{}",
                conditions.sql
            );
            self.one(&sql, &conditions.values_after(&[tenant.into()]), count)?
        };
        Ok(found.unwrap_or_default())
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
        let total = self.one(sql, values![tenant, name.as_str()], |row| row.count(0))?;
        let Some(total) = total.filter(|total| *total > 0) else { return Ok(None) };
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
        let values = values![tenant, name.as_str(), from, limit.saturating_add(1)];
        Ok(Some(cut(self.all(&sql, values, layer_version)?, limit, total)))
    }

    /// Returns one function that is bound to an existing version of a layer, to `number` if that is
    /// given, and the version's number; the newest such version if there are several.
    pub fn select_user_of_layer(
        &self,
        tenant: &TenantId,
        name: &LayerName,
        number: Option<VersionNumber>,
    ) -> Result<Option<(VersionNumber, String)>, CatalogError> {
        let sql = "SELECT v.number, f.name FROM layers l \
                   CROSS JOIN layer_versions v ON v.layer = l.id AND v.number >= ?3 \
                                                  AND v.number <= ?4 \
                   CROSS JOIN function_layers b ON b.layer = l.id AND b.layer_number = v.number \
                   CROSS JOIN functions f ON f.id = b.function \
                   WHERE l.tenant = ?1 AND l.name = ?2 ORDER BY v.number DESC LIMIT 1";
        let number = number.map(VersionNumber::get);
        let (first, last) = (number.unwrap_or(0), number.unwrap_or(u64::MAX));
        let values = values![tenant, name.as_str(), first, last];
        self.one(sql, values, |row| Ok((self::number(row, 0)?, row.string(1)?)))
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

/// A filter's conditions on `l` and `v`, for a WHERE clause, and the texts to bind to them.
struct Conditions {
    sql: String,
    texts: Vec<String>,
}

impl Conditions {
    fn of(filter: &LayerFilter) -> Self {
        let mut conditions = Self { sql: String::new(), texts: Vec::new() };
        if let Some(prefix) = &filter.prefix {
            conditions.add(" AND l.name >= ?", prefix);
            if let Some(end) = after_prefix(prefix) {
                conditions.add(" AND l.name < ?", &end);
            }
        }
        if let Some(part) = &filter.contains {
            conditions.add(" AND instr(lower(l.name), lower(?)) > 0", part);
        }
        if let Some(name) = &filter.name {
            conditions.add(" AND l.name = ?", name.as_str());
        }
        if let Some(acl) = filter.acl {
            // A literal, because SQLite does not choose a partial index by a bound value.
            conditions.sql.push_str(match acl {
                Acl::Private => " AND l.acl = 0",
                Acl::Public => " AND l.acl = 1",
            });
        }
        if let Some(runtime) = &filter.runtime {
            let sql = " AND EXISTS (SELECT 1 FROM json_each(v.runtimes) WHERE value = ?)";
            conditions.add(sql, runtime);
        }
        conditions
    }

    fn add(&mut self, sql: &str, text: &str) {
        self.sql.push_str(sql);
        self.texts.push(text.to_owned());
    }

    /// Returns the values to bind: these first, then those of the conditions.
    fn values_after<'v>(&'v self, first: &[Value<'v>]) -> Vec<Value<'v>> {
        first.iter().copied().chain(self.texts.iter().map(Value::from)).collect()
    }
}

fn layer_version(row: &Row<'_>) -> Result<LayerVersion, CatalogError> {
    Ok(LayerVersion {
        layer: Layer {
            name: LayerName::parse(row.text(columns::NAME)?)?,
            uid: row.string(columns::LAYER_UID)?,
            acl: acl(row, columns::ACL)?,
            tags: row.json(columns::TAGS)?,
        },
        number: number(row, columns::NUMBER)?,
        uid: row.string(columns::UID)?,
        description: row.string(columns::DESCRIPTION)?,
        license: row.string(columns::LICENSE)?,
        runtimes: row.json(columns::RUNTIMES)?,
        code: code::artifact(row, columns::COUNT)?,
        created: row.time(columns::CREATED)?,
    })
}

fn acl(row: &Row<'_>, column: usize) -> Result<Acl, CatalogError> {
    Ok(if row.flag(column)? { Acl::Public } else { Acl::Private })
}

fn number(row: &Row<'_>, column: usize) -> Result<VersionNumber, CatalogError> {
    VersionNumber::new(row.count(column)?)
        .ok_or_else(|| CatalogError::internal("a version without a number"))
}
