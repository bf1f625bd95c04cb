//! All SQL that reads functions, their heads and their versions; `changes` has the SQL that writes.

mod changes;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};

pub use changes::{HeadUpdate, VersionInsert};

use super::columns::columns;
use super::layers::{cut, text};
use super::{View, code, from_sql, time_from_sql, to_sql};
use crate::domain::{
    CatalogError, Function, FunctionConfig, FunctionKey, FunctionName, FunctionOrder,
    FunctionVersion, Group, LayerName, LayerRef, Page, TenantId, VersionName, VersionNumber,
    Window,
};

columns! {
    /// The columns of a state, before those of its content; [`function_version`] reads both.
    mod columns {
        TENANT: "f.tenant", GROUP: "f.grp", FUNCTION_NAME: "f.name", UID: "f.uid",
        CREATED: "f.created", VERSIONS: "f.versions", FUNCTION: "v.function", NUMBER: "v.number",
        NAME: "v.name", VERSION_DESCRIPTION: "v.version_description",
        DESCRIPTION: "v.description", RUNTIME: "v.runtime", HANDLER: "v.handler",
        MEMORY: "v.memory", TIMEOUT: "v.timeout", ENVIRONMENT: "v.environment", EXTRA: "v.extra",
        LAYERS: "v.layers", REVISION: "v.revision", CODE_CHANGED: "v.code_changed",
        UPDATED: "v.updated", PUBLISHED: "v.published", SEQUENCE: "v.sequence",
    }
}

impl View<'_> {
    /// Returns the head of a function.
    pub fn select_head(&self, key: &FunctionKey) -> Result<Option<FunctionVersion>, CatalogError> {
        self.select_function_version_where(key, "v.number = 0", Vec::new())
    }

    /// Returns a published version by its number.
    pub fn select_function_version(
        &self,
        key: &FunctionKey,
        number: VersionNumber,
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        let number = Value::Integer(to_sql(number.get()));
        self.select_function_version_where(key, "v.number = ?", vec![number])
    }

    /// Returns a published version by its name.
    pub fn select_named_version(
        &self,
        key: &FunctionKey,
        name: &VersionName,
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        let name = Value::Text(name.to_string());
        self.select_function_version_where(key, "v.name = ? AND v.number > 0", vec![name])
    }

    /// Returns the published version with the highest number.
    pub fn select_newest_function_version(
        &self,
        key: &FunctionKey,
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        self.select_function_version_where(
            key,
            "v.number > 0 ORDER BY v.number DESC LIMIT 1",
            Vec::new(),
        )
    }

    fn select_function_version_where(
        &self,
        key: &FunctionKey,
        condition: &str,
        more: Vec<Value>,
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        let sql = select(&format!("{OF_KEY} AND {condition}"));
        let mut values = key_values(key);
        values.extend(more);
        Ok(self.many_states(&sql, values)?.pop())
    }

    /// Returns states of one function; `None` if the function does not exist.
    ///
    /// The page's `total` counts the head as well.
    pub fn select_function_versions(
        &self,
        key: &FunctionKey,
        order: FunctionOrder,
        window: Window,
    ) -> Result<Option<Page<FunctionVersion>>, CatalogError> {
        let sql =
            "SELECT versions FROM functions WHERE tenant = ? AND grp = ? AND name = ? AND live = 1";
        let mut statement = self.prepare(sql)?;
        let total: Option<i64> =
            statement.query_one(params_from_iter(key_values(key)), |row| row.get(0)).optional()?;
        let Some(total) = total.map(|published| from_sql(published) + 1) else { return Ok(None) };
        let rows = window.limit.saturating_add(1);
        let states = match order {
            FunctionOrder::HeadFirst => {
                let head = match window.offset {
                    0 => self.select_head(key)?,
                    _ => None,
                };
                let below = Window {
                    offset: window.offset.saturating_sub(1),
                    limit: rows.saturating_sub(head.iter().count() as u64),
                };
                let versions = self.select_versions_below(key, u64::MAX, below)?;
                head.into_iter().chain(versions).collect()
            }
            FunctionOrder::HeadFirstAfter(number) => {
                let below = Window { limit: rows, ..window };
                let number = number.map_or(u64::MAX, VersionNumber::get);
                self.select_versions_below(key, number, below)?
            }
            FunctionOrder::LastWrittenFirst => {
                let condition = format!("{OF_KEY} ORDER BY v.sequence DESC, v.name ASC");
                self.select_window(key, condition, Vec::new(), Window { limit: rows, ..window })?
            }
        };
        Ok(Some(cut(states, window.limit, total)))
    }

    /// Returns the published versions whose number is below `number`, the highest first.
    fn select_versions_below(
        &self,
        key: &FunctionKey,
        number: u64,
        window: Window,
    ) -> Result<Vec<FunctionVersion>, CatalogError> {
        let condition =
            format!("{OF_KEY} AND v.number > 0 AND v.number < ? ORDER BY v.number DESC");
        self.select_window(key, condition, vec![Value::Integer(to_sql(number))], window)
    }

    fn select_window(
        &self,
        key: &FunctionKey,
        condition: String,
        more: Vec<Value>,
        window: Window,
    ) -> Result<Vec<FunctionVersion>, CatalogError> {
        let sql = select(&format!("{condition} LIMIT ? OFFSET ?"));
        let mut values = key_values(key);
        values.extend(more);
        values.push(Value::Integer(to_sql(window.limit)));
        values.push(Value::Integer(to_sql(window.offset)));
        self.many_states(&sql, values)
    }

    /// Returns heads in the order of group and name, after the given group and name.
    ///
    /// `group` restricts the list to one group. The page's `total` is not counted and stays 0.
    pub fn select_heads(
        &self,
        tenant: &TenantId,
        group: Option<&Group>,
        after: Option<(&str, &str)>,
        limit: u64,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        let mut condition = "f.tenant = ? AND f.live = 1 AND v.number = 0".to_owned();
        let mut values = vec![Value::Text(tenant.to_string())];
        if let Some(group) = group {
            condition.push_str(" AND f.grp = ?");
            values.push(Value::Text(group.to_string()));
        }
        match (group, after) {
            (_, None) => {}
            // Within one group the position is a name, unless `after` is in another group.
            (Some(group), Some((other, _))) if group.as_str() < other => return Ok(Page::empty()),
            (Some(group), Some((other, _))) if group.as_str() > other => {}
            (Some(_), Some((_, name))) => {
                condition.push_str(" AND f.name > ?");
                values.push(Value::Text(name.to_owned()));
            }
            (None, Some((group, name))) => {
                condition.push_str(" AND (f.grp, f.name) > (?, ?)");
                values.push(Value::Text(group.to_owned()));
                values.push(Value::Text(name.to_owned()));
            }
        }
        condition.push_str(" ORDER BY f.grp, f.name LIMIT ?");
        values.push(Value::Integer(to_sql(limit.saturating_add(1))));
        Ok(cut(self.many_states(&select(&condition), values)?, limit, 0))
    }

    /// Returns the states of all functions of a tenant, the one written last first.
    ///
    /// `version` restricts the list to states of that name.
    pub fn select_all_states(
        &self,
        tenant: &TenantId,
        version: Option<&str>,
        window: Window,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        let (sql, mut values, total) = self.states_of_tenant(tenant, version)?;
        values.push(Value::Integer(to_sql(window.limit.saturating_add(1))));
        values.push(Value::Integer(to_sql(window.offset)));
        let states = self.many_states(&format!("{sql} LIMIT ? OFFSET ?"), values)?;
        Ok(cut(states, window.limit, total))
    }

    /// Returns the SELECT of a tenant's states, its values and the number of its rows.
    ///
    /// Up to [`SORTED_MAX`] states are sorted. More are read in the order of the index over the
    /// changes of all tenants, which would cost a small tenant beside a large one too much.
    fn states_of_tenant(
        &self,
        tenant: &TenantId,
        version: Option<&str>,
    ) -> Result<(String, Vec<Value>, u64), CatalogError> {
        let mut condition = "f.tenant = ? AND f.live = 1".to_owned();
        let mut values = vec![Value::Text(tenant.to_string())];
        if let Some(version) = version {
            condition.push_str(" AND v.name = ?");
            values.push(Value::Text(version.to_owned()));
        }
        let count = format!("SELECT count(*) FROM {BY_FUNCTION} WHERE {condition}");
        let mut statement = self.prepare(&count)?;
        let total: i64 = statement.query_one(params_from_iter(values.iter()), |row| row.get(0))?;
        let total = from_sql(total);
        let from = if total > SORTED_MAX { BY_CHANGE } else { BY_FUNCTION };
        // A change writes states of one function only: their names break every tie.
        condition.push_str(" ORDER BY v.sequence DESC, v.name ASC");
        Ok((select_from(from, &condition), values, total))
    }

    /// Like [`View::select_all_states`], for the states that `keep` accepts.
    ///
    /// Reads all states, but has no more than the page in memory.
    pub fn select_states_where(
        &self,
        tenant: &TenantId,
        version: Option<&str>,
        keep: impl Fn(&FunctionVersion) -> Result<bool, CatalogError>,
        window: Window,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        let (sql, values, _) = self.states_of_tenant(tenant, version)?;
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut items, mut total) = (Vec::new(), 0_u64);
        let end = window.offset.saturating_add(window.limit);
        while let Some(row) = rows.next()? {
            let state = function_version(row)?;
            if !keep(&state)? {
                continue;
            }
            if (window.offset..end).contains(&total) {
                items.push(self.with_layers(row, state)?);
            }
            total += 1;
        }
        Ok(Page { items, more: total > end, next: None, total })
    }

    fn many_states(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<FunctionVersion>, CatalogError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut states = Vec::new();
        while let Some(row) = rows.next()? {
            states.push(self.with_layers(row, function_version(row)?)?);
        }
        Ok(states)
    }

    fn with_layers(
        &self,
        row: &Row<'_>,
        mut state: FunctionVersion,
    ) -> Result<FunctionVersion, CatalogError> {
        let layers: i64 = row.get(columns::LAYERS)?;
        if layers > 0 {
            let function: i64 = row.get(columns::FUNCTION)?;
            state.config.layers = self.select_bound_layers(function, state.number)?;
        }
        Ok(state)
    }

    fn select_bound_layers(
        &self,
        function: i64,
        number: Option<VersionNumber>,
    ) -> Result<Vec<LayerRef>, CatalogError> {
        let sql = "SELECT l.name, b.layer_number FROM function_layers b \
                   JOIN layers l ON l.id = b.layer \
                   WHERE b.function = ? AND b.number = ? ORDER BY b.position";
        let mut statement = self.prepare(sql)?;
        let number = to_sql(number.map_or(0, VersionNumber::get));
        let mut rows = statement.query((function, number))?;
        let mut layers = Vec::new();
        while let Some(row) = rows.next()? {
            let (layer, number): (String, i64) = row.try_into()?;
            layers.push(LayerRef {
                layer: LayerName::parse(layer)?,
                number: VersionNumber::new(from_sql(number))
                    .ok_or_else(|| CatalogError::internal("a bound layer without a number"))?,
            });
        }
        Ok(layers)
    }
}

/// Most states of a tenant that are sorted instead of read in their order.
pub(super) const SORTED_MAX: u64 = 1000;

/// The join of all states that starts at the functions.
const BY_FUNCTION: &str = "functions f JOIN function_versions v ON v.function = f.id";

/// The join of all states in the order of the changes that wrote them.
const BY_CHANGE: &str = "function_versions v INDEXED BY function_versions_by_sequence \
                         CROSS JOIN functions f ON f.id = v.function";

/// The condition to which [`key_values`] are bound.
const OF_KEY: &str = "f.tenant = ? AND f.grp = ? AND f.name = ? AND f.live = 1";

fn key_values(key: &FunctionKey) -> Vec<Value> {
    vec![
        Value::Text(key.tenant.to_string()),
        Value::Text(key.group.to_string()),
        Value::Text(key.name.to_string()),
    ]
}

/// Returns a SELECT of whole states; `condition` may end in ORDER BY and LIMIT.
fn select(condition: &str) -> String {
    select_from(BY_FUNCTION, condition)
}

/// Like [`select`], from this join of `f` and `v`.
fn select_from(from: &str, condition: &str) -> String {
    let (state, code) = (columns::LIST, code::columns::LIST);
    format!(
        "SELECT {state}, {code} FROM {from} LEFT JOIN code c ON c.sha256 = v.code \
         WHERE {condition}"
    )
}

/// Reads a state without its layers.
fn function_version(row: &Row<'_>) -> Result<FunctionVersion, CatalogError> {
    Ok(FunctionVersion {
        function: Function {
            key: FunctionKey {
                tenant: TenantId::parse(row.get::<_, String>(columns::TENANT)?)?,
                group: Group::parse(row.get::<_, String>(columns::GROUP)?)?,
                name: FunctionName::parse(row.get::<_, String>(columns::FUNCTION_NAME)?)?,
            },
            uid: row.get(columns::UID)?,
            created: time_from_sql(row.get(columns::CREATED)?),
            versions: from_sql(row.get(columns::VERSIONS)?),
        },
        number: VersionNumber::new(from_sql(row.get(columns::NUMBER)?)),
        name: VersionName::parse(row.get::<_, String>(columns::NAME)?)?,
        version_description: row.get(columns::VERSION_DESCRIPTION)?,
        config: FunctionConfig {
            description: row.get(columns::DESCRIPTION)?,
            runtime: row.get(columns::RUNTIME)?,
            handler: row.get(columns::HANDLER)?,
            memory: from_sql(row.get(columns::MEMORY)?),
            timeout: row.get(columns::TIMEOUT)?,
            environment: serde_json::from_str(text(row, columns::ENVIRONMENT)?)
                .map_err(CatalogError::internal)?,
            extra: serde_json::from_str(text(row, columns::EXTRA)?)
                .map_err(CatalogError::internal)?,
            layers: Vec::new(),
        },
        code: code::optional_artifact(row, columns::COUNT)?,
        revision: from_sql(row.get(columns::REVISION)?),
        code_changed: time_from_sql(row.get(columns::CODE_CHANGED)?),
        updated: row.get::<_, Option<i64>>(columns::UPDATED)?.map(time_from_sql),
        published: time_from_sql(row.get(columns::PUBLISHED)?),
        sequence: from_sql(row.get(columns::SEQUENCE)?),
    })
}
