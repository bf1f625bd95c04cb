//! All SQL that reads functions, their heads and their versions; `changes` has the SQL that writes.

mod changes;

use super::columns::columns;
use super::engine::{Row, Value, values};
use super::pages::cut;
use super::{View, code};
use crate::domain::{
    CatalogError, Function, FunctionConfig, FunctionKey, FunctionName, FunctionOrder,
    FunctionVersion, Group, LayerName, LayerRef, Page, TenantId, VersionName, VersionNumber,
    Window,
};

columns! {
    /// The columns of a state, before those of its content; [`function_version`] reads both.
    mod columns {
        TENANT: "f.tenant", GROUP: "f.grp", FUNCTION_NAME: "f.name", UID: "f.uid",
        CREATED: "f.created", VERSIONS: "f.versions", NUMBER: "v.number",
        NAME: "v.name", VERSION_DESCRIPTION: "v.version_description",
        DESCRIPTION: "v.description", RUNTIME: "v.runtime", HANDLER: "v.handler",
        MEMORY: "v.memory", TIMEOUT: "v.timeout", ENVIRONMENT: "v.environment", EXTRA: "v.extra",
        LAYERS: "CASE WHEN v.layers > 0 THEN
                     (SELECT string_agg(b.layer_number || ':' || bl.name, '\n' ORDER BY b.position)
                      FROM function_layers b JOIN layers bl ON bl.id = b.layer
                      WHERE b.function = v.function AND b.number = v.number) END",
        REVISION: "v.revision", CODE_CHANGED: "v.code_changed",
        UPDATED: "v.updated", PUBLISHED: "v.published", SEQUENCE: "v.sequence",
    }
}

impl View<'_> {
    /// Returns the head of a function.
    pub fn select_head(&self, key: &FunctionKey) -> Result<Option<FunctionVersion>, CatalogError> {
        self.select_function_version_where(key, "v.number = 0", &[])
    }

    /// Returns a published version by its number.
    pub fn select_function_version(
        &self,
        key: &FunctionKey,
        number: VersionNumber,
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        self.select_function_version_where(key, "v.number = ?", values![number.get()])
    }

    /// Returns a published version by its name.
    pub fn select_named_version(
        &self,
        key: &FunctionKey,
        name: &VersionName,
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        let condition = "v.name = ? AND v.number > 0";
        self.select_function_version_where(key, condition, values![name.as_str()])
    }

    /// Returns the published version with the highest number.
    pub fn select_newest_function_version(
        &self,
        key: &FunctionKey,
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        self.select_function_version_where(key, "v.number > 0 ORDER BY v.number DESC LIMIT 1", &[])
    }

    fn select_function_version_where(
        &self,
        key: &FunctionKey,
        condition: &str,
        more: &[Value<'_>],
    ) -> Result<Option<FunctionVersion>, CatalogError> {
        let sql = select(&format!("{OF_KEY} AND {condition}"));
        self.one(&sql, &with_key(key, more), function_version)
    }

    /// Returns whether the head or a version of a function has this name.
    pub fn is_version_name_taken(
        &self,
        key: &FunctionKey,
        name: &VersionName,
    ) -> Result<bool, CatalogError> {
        let sql = format!("SELECT 1 FROM {BY_FUNCTION} WHERE {OF_KEY} AND v.name = ?");
        Ok(self.one(&sql, &with_key(key, values![name.as_str()]), |_| Ok(()))?.is_some())
    }

    /// Returns the highest number that was ever given to a version of a function, 0 for none.
    pub fn select_last_number(&self, key: &FunctionKey) -> Result<u64, CatalogError> {
        let sql = format!("SELECT f.last_number FROM functions f WHERE {OF_KEY}");
        Ok(self.one(&sql, &key_values(key), |row| row.count(0))?.unwrap_or_default())
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
        let sql = format!("SELECT f.versions FROM functions f WHERE {OF_KEY}");
        let published = self.one(&sql, &key_values(key), |row| row.count(0))?;
        let Some(total) = published.map(|published| published + 1) else { return Ok(None) };
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
                self.select_window(key, &condition, &[], Window { limit: rows, ..window })?
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
        self.select_window(key, &condition, values![number], window)
    }

    fn select_window(
        &self,
        key: &FunctionKey,
        condition: &str,
        more: &[Value<'_>],
        window: Window,
    ) -> Result<Vec<FunctionVersion>, CatalogError> {
        let sql = select(&format!("{condition} LIMIT ? OFFSET ?"));
        let mut values = with_key(key, more);
        values.extend(values![window.limit, window.offset]);
        self.all(&sql, &values, function_version)
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
        let mut values = values![tenant].to_vec();
        if let Some(group) = group {
            condition.push_str(" AND f.grp = ?");
            values.push(group.as_str().into());
        }
        match (group, after) {
            (_, None) => {}
            // Within one group the position is a name, unless `after` is in another group.
            (Some(group), Some((other, _))) if group.as_str() < other => return Ok(Page::empty()),
            (Some(group), Some((other, _))) if group.as_str() > other => {}
            (Some(_), Some((_, name))) => {
                condition.push_str(" AND f.name > ?");
                values.push(name.into());
            }
            (None, Some((group, name))) => {
                condition.push_str(" AND (f.grp, f.name) > (?, ?)");
                values.extend(values![group, name]);
            }
        }
        condition.push_str(" ORDER BY f.grp, f.name LIMIT ?");
        values.push(limit.saturating_add(1).into());
        Ok(cut(self.all(&select(&condition), &values, function_version)?, limit, 0))
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
        let (sql, total) = self.states_of_tenant(tenant, version)?;
        let mut values = tenant_values(tenant, version);
        values.extend(values![window.limit.saturating_add(1), window.offset]);
        let states = self.all(&format!("{sql} LIMIT ? OFFSET ?"), &values, function_version)?;
        Ok(cut(states, window.limit, total))
    }

    /// Returns the SELECT of a tenant's states, to which [`tenant_values`] are bound, and the
    /// number of its rows.
    ///
    /// Up to [`SORTED_MAX`] states are sorted. More are read in the order of the index over the
    /// changes of all tenants, which would cost a small tenant beside a large one too much.
    fn states_of_tenant(
        &self,
        tenant: &TenantId,
        version: Option<&str>,
    ) -> Result<(String, u64), CatalogError> {
        let mut condition = "f.tenant = ? AND f.live = 1".to_owned();
        if version.is_some() {
            condition.push_str(" AND v.name = ?");
        }
        let count = format!("SELECT count(*) FROM {BY_FUNCTION} WHERE {condition}");
        let total = self.one(&count, &tenant_values(tenant, version), |row| row.count(0))?;
        let total = total.unwrap_or_default();
        let from = if total > SORTED_MAX { BY_CHANGE } else { BY_FUNCTION };
        // A change writes states of one function only: their names break every tie.
        condition.push_str(" ORDER BY v.sequence DESC, v.name ASC");
        Ok((select_from(from, &condition), total))
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
        let (sql, _) = self.states_of_tenant(tenant, version)?;
        let (mut items, mut total) = (Vec::new(), 0_u64);
        let end = window.offset.saturating_add(window.limit);
        self.each(&sql, &tenant_values(tenant, version), |row| {
            let state = function_version(row)?;
            if keep(&state)? {
                if (window.offset..end).contains(&total) {
                    items.push(state);
                }
                total += 1;
            }
            Ok(())
        })?;
        Ok(Page { items, more: total > end, next: None, total })
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

fn key_values(key: &FunctionKey) -> [Value<'_>; 3] {
    *values![&key.tenant, key.group.as_str(), key.name.as_str()]
}

/// Returns the values of a statement that binds a function's key first.
fn with_key<'v>(key: &'v FunctionKey, more: &[Value<'v>]) -> Vec<Value<'v>> {
    [&key_values(key)[..], more].concat()
}

/// Returns the values of the SELECT of a tenant's states.
fn tenant_values<'v>(tenant: &'v TenantId, version: Option<&'v str>) -> Vec<Value<'v>> {
    std::iter::once(tenant.into()).chain(version.map(Value::from)).collect()
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

fn function_version(row: &Row<'_>) -> Result<FunctionVersion, CatalogError> {
    let has_code = row.optional(columns::COUNT + code::columns::SHA256, Row::bytes::<32>)?;
    Ok(FunctionVersion {
        function: Function {
            key: FunctionKey {
                tenant: TenantId::parse(row.text(columns::TENANT)?)?,
                group: Group::parse(row.text(columns::GROUP)?)?,
                name: FunctionName::parse(row.text(columns::FUNCTION_NAME)?)?,
            },
            uid: row.string(columns::UID)?,
            created: row.time(columns::CREATED)?,
            versions: row.count(columns::VERSIONS)?,
        },
        number: VersionNumber::new(row.count(columns::NUMBER)?),
        name: VersionName::parse(row.text(columns::NAME)?)?,
        version_description: row.string(columns::VERSION_DESCRIPTION)?,
        config: FunctionConfig {
            description: row.string(columns::DESCRIPTION)?,
            runtime: row.string(columns::RUNTIME)?,
            handler: row.string(columns::HANDLER)?,
            memory: row.count(columns::MEMORY)?,
            timeout: row.int(columns::TIMEOUT)?,
            environment: row.json(columns::ENVIRONMENT)?,
            extra: row.json(columns::EXTRA)?,
            layers: row.optional(columns::LAYERS, bound_layers)?.unwrap_or_default(),
        },
        code: has_code.map(|_| code::artifact(row, columns::COUNT)).transpose()?,
        revision: row.count(columns::REVISION)?,
        code_changed: row.time(columns::CODE_CHANGED)?,
        updated: row.optional(columns::UPDATED, Row::time)?,
        published: row.time(columns::PUBLISHED)?,
        sequence: row.count(columns::SEQUENCE)?,
    })
}

/// Reads bound layers: lines of a number, `:` and a name, which has no control characters.
fn bound_layers(row: &Row<'_>, at: usize) -> Result<Vec<LayerRef>, CatalogError> {
    let layers = row.text(at)?.lines().map(|line| {
        let (number, name) = line.split_once(':').unwrap_or_default();
        let number = VersionNumber::parse(number)
            .ok_or_else(|| CatalogError::internal("a bound layer without a number"))?;
        Ok(LayerRef { layer: LayerName::parse(name)?, number })
    });
    layers.collect()
}
