//! All SQL about functions, their heads and their versions.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};

use super::layers::{cut, text};
use super::{Change, View, code, from_sql, time_from_sql, to_sql};
use crate::domain::{
    CatalogError, Function, FunctionConfig, FunctionKey, FunctionName, FunctionVersion, Group,
    LayerName, LayerRef, Noun, Page, TenantId, Timestamp, VersionName, VersionNumber, Window,
};

/// The columns that [`function_version`] reads after those of the content.
const COLUMNS: &str = "f.grp, f.name, f.uid, f.created, f.versions, v.number, v.name, \
    v.version_description, v.description, v.runtime, v.handler, v.memory, v.timeout, \
    v.environment, v.extra, v.layers, v.revision, v.code_changed, v.updated, v.published, \
    v.sequence, v.function, f.tenant";

/// How the states of one function, or of many, are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionOrder {
    /// The head, then published versions by falling number.
    HeadFirst,
    /// The state that was written last first; ties by the bytes of the version's name.
    LastWrittenFirst,
}

/// The new values of a head.
pub struct HeadUpdate<'a> {
    /// The whole configuration.
    pub config: &'a FunctionConfig,
    /// The SHA-256 of a content that has its row; `None` for none.
    pub code: Option<&'a [u8; 32]>,
    /// The head's stamp.
    pub revision: u64,
    /// When the code last changed.
    pub code_changed: Timestamp,
    /// When the head last changed.
    pub updated: Option<Timestamp>,
}

/// The values of a new version that are not its head's.
pub struct VersionInsert<'a> {
    /// The caller's name; the number in decimal otherwise.
    pub name: Option<&'a VersionName>,
    /// Free text.
    pub description: &'a str,
    /// Now.
    pub published: Timestamp,
}

impl View<'_> {
    /// Returns the head of a function.
    pub fn select_head(&self, key: &FunctionKey) -> Result<Option<FunctionVersion>, CatalogError> {
        self.select_function_version_where(key, "v.number = 0", Vec::new())
    }

    /// Returns a published version, or the head for number 0, by its number.
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

    /// Returns states of one function; `None` when it does not exist.
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
        let mut statement = self.connection.prepare_cached(sql)?;
        let total: Option<i64> =
            statement.query_one(params_from_iter(key_values(key)), |row| row.get(0)).optional()?;
        let Some(total) = total.map(|published| from_sql(published) + 1) else { return Ok(None) };
        let order = match order {
            FunctionOrder::HeadFirst => "v.number = 0 DESC, v.number DESC",
            FunctionOrder::LastWrittenFirst => "v.sequence DESC, v.name ASC",
        };
        let sql = select(&format!("{OF_KEY} ORDER BY {order} LIMIT ? OFFSET ?"));
        let mut values = key_values(key);
        values.push(Value::Integer(to_sql(window.limit.saturating_add(1))));
        values.push(Value::Integer(to_sql(window.offset)));
        Ok(Some(cut(self.many_states(&sql, values)?, window.limit, total)))
    }

    /// Returns heads by group and name, after the given one.
    ///
    /// `group` narrows the list to one group. The page's `total` counts all groups and is only
    /// meant for lists that are not narrowed.
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
        if let Some((group, name)) = after {
            condition.push_str(" AND (f.grp, f.name) > (?, ?)");
            values.push(Value::Text(group.to_owned()));
            values.push(Value::Text(name.to_owned()));
        }
        condition.push_str(" ORDER BY f.grp, f.name LIMIT ?");
        values.push(Value::Integer(to_sql(limit.saturating_add(1))));
        Ok(cut(self.many_states(&select(&condition), values)?, limit, 0))
    }

    /// Returns every state of every function of a tenant, the one written last first.
    ///
    /// `name_part` keeps the functions whose name contains it, `version` the states of that name.
    pub fn select_all_states(
        &self,
        tenant: &TenantId,
        name_part: Option<&str>,
        version: Option<&str>,
        window: Window,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        let mut condition = "f.tenant = ? AND f.live = 1".to_owned();
        let mut values = vec![Value::Text(tenant.to_string())];
        if let Some(part) = name_part {
            condition.push_str(" AND instr(f.name, ?) > 0");
            values.push(Value::Text(part.to_owned()));
        }
        if let Some(version) = version {
            condition.push_str(" AND v.name = ?");
            values.push(Value::Text(version.to_owned()));
        }
        let sql = format!(
            "SELECT count(*) FROM functions f JOIN function_versions v ON v.function = f.id \
             WHERE {condition}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let total: i64 = statement.query_one(params_from_iter(values.iter()), |row| row.get(0))?;
        condition.push_str(" ORDER BY v.sequence DESC, f.name ASC, v.name ASC LIMIT ? OFFSET ?");
        values.push(Value::Integer(to_sql(window.limit.saturating_add(1))));
        values.push(Value::Integer(to_sql(window.offset)));
        Ok(cut(self.many_states(&select(&condition), values)?, window.limit, from_sql(total)))
    }

    fn many_states(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<FunctionVersion>, CatalogError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut states = Vec::new();
        while let Some(row) = rows.next()? {
            let mut state = function_version(row)?;
            let layers: i64 = row.get(code::COLUMN_COUNT + 15)?;
            if layers > 0 {
                let function: i64 = row.get(code::COLUMN_COUNT + 21)?;
                state.config.layers = self.select_bound_layers(function, state.number)?;
            }
            states.push(state);
        }
        Ok(states)
    }

    fn select_bound_layers(
        &self,
        function: i64,
        number: Option<VersionNumber>,
    ) -> Result<Vec<LayerRef>, CatalogError> {
        let sql = "SELECT l.name, b.layer_number FROM function_layers b \
                   JOIN layers l ON l.id = b.layer \
                   WHERE b.function = ? AND b.number = ? ORDER BY b.position";
        let mut statement = self.connection.prepare_cached(sql)?;
        let number = to_sql(number.map_or(0, VersionNumber::get));
        let mut rows = statement.query((function, number))?;
        let mut layers = Vec::new();
        while let Some(row) = rows.next()? {
            layers.push(LayerRef {
                layer: LayerName::parse(row.get::<_, String>(0)?)?,
                number: VersionNumber::new(from_sql(row.get(1)?))
                    .ok_or_else(|| CatalogError::internal("a bound layer without a number"))?,
            });
        }
        Ok(layers)
    }
}

impl Change<'_> {
    /// Makes or revives a function's row; false when it exists already.
    pub fn insert_function(
        &self,
        key: &FunctionKey,
        uid: &str,
        created: Timestamp,
        sequence: u64,
    ) -> Result<bool, CatalogError> {
        let inserted = self
            .connection
            .prepare_cached(
                "INSERT INTO functions (tenant, grp, name, uid, created, sequence)
                 VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (tenant, grp, name) DO UPDATE
                 SET live = 1, uid = excluded.uid, created = excluded.created,
                     sequence = excluded.sequence WHERE live = 0",
            )?
            .execute((
                key.tenant.as_str(),
                key.group.as_str(),
                key.name.as_str(),
                uid,
                created.as_microsecond(),
                to_sql(sequence),
            ))?;
        if inserted > 0 {
            self.add_to_function_count(&key.tenant, 1)?;
        }
        Ok(inserted > 0)
    }

    /// Makes the head of a function that has none.
    pub fn insert_head(
        &self,
        key: &FunctionKey,
        name: &VersionName,
        head: &HeadUpdate<'_>,
        sequence: u64,
    ) -> Result<(), CatalogError> {
        let function = self.function_id(key)?;
        self.connection
            .prepare_cached(
                "INSERT INTO function_versions (function, number, name, version_description,
                    description, runtime, handler, memory, timeout, environment, extra, layers,
                    code, revision, code_changed, updated, published, sequence)
                 VALUES (?, 0, ?, '', '', '', '', 0, 0, '{}', '{}', 0, NULL, 0, 0, NULL, ?, ?)",
            )?
            .execute((
                function,
                name.as_str(),
                head.code_changed.as_microsecond(),
                to_sql(sequence),
            ))?;
        self.update_head(key, head, sequence)
    }

    /// Replaces the head's configuration, code and layers.
    pub fn update_head(
        &self,
        key: &FunctionKey,
        head: &HeadUpdate<'_>,
        sequence: u64,
    ) -> Result<(), CatalogError> {
        let function = self.function_id(key)?;
        let config = head.config;
        let environment =
            serde_json::to_string(&config.environment).map_err(CatalogError::internal)?;
        let extra = serde_json::to_string(&config.extra).map_err(CatalogError::internal)?;
        self.connection
            .prepare_cached(
                "UPDATE function_versions SET description = ?, runtime = ?, handler = ?, memory = ?,
                    timeout = ?, environment = ?, extra = ?, layers = ?, code = ?, revision = ?,
                    code_changed = ?, updated = ?, sequence = ?
                 WHERE function = ? AND number = 0",
            )?
            .execute((
                &config.description,
                &config.runtime,
                &config.handler,
                to_sql(config.memory),
                config.timeout,
                environment,
                extra,
                to_sql(config.layers.len() as u64),
                head.code,
                to_sql(head.revision),
                head.code_changed.as_microsecond(),
                head.updated.map(Timestamp::as_microsecond),
                to_sql(sequence),
                function,
            ))?;
        self.bind_layers(key, function, &config.layers)
    }

    fn bind_layers(
        &self,
        key: &FunctionKey,
        function: i64,
        layers: &[LayerRef],
    ) -> Result<(), CatalogError> {
        // A layer version that was deleted in the meantime stays bound with the code it had.
        let sql = "SELECT l.id, v.code FROM layers l JOIN layer_versions v ON v.layer = l.id \
                   WHERE l.tenant = ?1 AND l.name = ?2 AND v.number = ?3 \
                   UNION ALL SELECT l.id, b.code FROM layers l JOIN function_layers b \
                   ON b.layer = l.id WHERE l.tenant = ?1 AND l.name = ?2 AND b.layer_number = ?3 \
                   AND b.function = ?4 AND b.number = 0 LIMIT 1";
        let mut bound = Vec::new();
        for layer in layers {
            let number = to_sql(layer.number.get());
            let row: Option<(i64, [u8; 32])> = self
                .connection
                .prepare_cached(sql)?
                .query_one((key.tenant.as_str(), layer.layer.as_str(), number, function), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let (id, code) = row.ok_or_else(|| {
                CatalogError::no_version(Noun::LayerVersion, layer.number, &layer.layer)
            })?;
            bound.push((id, number, code));
        }
        self.connection
            .prepare_cached("DELETE FROM function_layers WHERE function = ? AND number = 0")?
            .execute([function])?;
        for (position, (id, number, code)) in bound.into_iter().enumerate() {
            self.connection
                .prepare_cached("INSERT INTO function_layers VALUES (?, 0, ?, ?, ?, ?)")?
                .execute((function, to_sql(position as u64), id, number, code))?;
        }
        Ok(())
    }

    /// Gives the function's next number to a snapshot of its head.
    ///
    /// The head counts as written too. A number whose decimal is taken as a name is passed over.
    pub fn insert_function_version(
        &self,
        key: &FunctionKey,
        version: &VersionInsert<'_>,
        sequence: u64,
    ) -> Result<VersionNumber, CatalogError> {
        let function = self.function_id(key)?;
        let number = self.next_number(function, version.name.is_none())?;
        let name = version.name.map_or_else(|| number.to_string(), VersionName::to_string);
        self.connection
            .prepare_cached(
                "UPDATE functions SET last_number = ?1, versions = versions + 1, sequence = ?2
                 WHERE id = ?3",
            )?
            .execute((number, to_sql(sequence), function))?;
        self.connection
            .prepare_cached(
                "UPDATE function_versions SET sequence = ? WHERE function = ? AND number = 0",
            )?
            .execute((to_sql(sequence), function))?;
        self.connection
            .prepare_cached(
                "INSERT INTO function_versions
                 SELECT function, ?, ?, ?, description, runtime, handler, memory, timeout,
                    environment, extra, layers, code, revision, code_changed, updated, ?, sequence
                 FROM function_versions WHERE function = ? AND number = 0",
            )?
            .execute((
                number,
                name,
                version.description,
                version.published.as_microsecond(),
                function,
            ))?;
        self.connection
            .prepare_cached(
                "INSERT INTO function_layers
                 SELECT function, ?, position, layer, layer_number, code
                 FROM function_layers WHERE function = ? AND number = 0",
            )?
            .execute((number, function))?;
        VersionNumber::new(from_sql(number)).ok_or_else(|| CatalogError::internal("bad number"))
    }

    fn next_number(&self, function: i64, names_it: bool) -> Result<i64, CatalogError> {
        let last: i64 = self
            .connection
            .prepare_cached("SELECT last_number FROM functions WHERE id = ?")?
            .query_one([function], |row| row.get(0))?;
        let mut number = last + 1;
        let mut taken = self
            .connection
            .prepare_cached("SELECT 1 FROM function_versions WHERE function = ? AND name = ?")?;
        while names_it && taken.exists((function, number.to_string()))? {
            number += 1;
        }
        Ok(number)
    }

    /// Deletes a published version; false when it was not there.
    pub fn delete_function_version(
        &self,
        key: &FunctionKey,
        number: VersionNumber,
        sequence: u64,
    ) -> Result<bool, CatalogError> {
        let function = self.function_id(key)?;
        let deleted = self
            .connection
            .prepare_cached("DELETE FROM function_versions WHERE function = ? AND number = ?")?
            .execute((function, to_sql(number.get())))?;
        self.connection
            .prepare_cached(
                "UPDATE functions SET versions = versions - ?, sequence = ? WHERE id = ?",
            )?
            .execute((deleted as i64, to_sql(sequence), function))?;
        Ok(deleted > 0)
    }

    /// Deletes a function with all its versions; its counter remains. False when it was not there.
    pub fn delete_function(&self, key: &FunctionKey, sequence: u64) -> Result<bool, CatalogError> {
        let sql = "UPDATE functions SET live = 0, versions = 0, sequence = ?4 \
                   WHERE tenant = ?1 AND grp = ?2 AND name = ?3 AND live = 1 RETURNING id";
        let values = (key.tenant.as_str(), key.group.as_str(), key.name.as_str(), to_sql(sequence));
        let function: Option<i64> =
            self.connection.prepare_cached(sql)?.query_one(values, |row| row.get(0)).optional()?;
        let Some(function) = function else { return Ok(false) };
        self.connection
            .prepare_cached("DELETE FROM function_versions WHERE function = ?")?
            .execute([function])?;
        self.add_to_function_count(&key.tenant, -1)?;
        Ok(true)
    }

    fn function_id(&self, key: &FunctionKey) -> Result<i64, CatalogError> {
        let sql = "SELECT id FROM functions WHERE tenant = ? AND grp = ? AND name = ? AND live = 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let id = statement.query_one(params_from_iter(key_values(key)), |row| row.get(0));
        id.optional()?.ok_or_else(|| CatalogError::not_found(Noun::Function, &key.name))
    }

    fn add_to_function_count(&self, tenant: &TenantId, change: i64) -> Result<(), CatalogError> {
        self.connection
            .prepare_cached("UPDATE tenants SET functions = functions + ? WHERE id = ?")?
            .execute((change, tenant.as_str()))?;
        Ok(())
    }
}

/// The condition that [`key_values`] fills.
const OF_KEY: &str = "f.tenant = ? AND f.grp = ? AND f.name = ? AND f.live = 1";

fn key_values(key: &FunctionKey) -> Vec<Value> {
    vec![
        Value::Text(key.tenant.to_string()),
        Value::Text(key.group.to_string()),
        Value::Text(key.name.to_string()),
    ]
}

/// Writes a SELECT of whole states; `condition` and what follows it come last.
fn select(condition: &str) -> String {
    let code = code::COLUMNS;
    format!(
        "SELECT {code}, {COLUMNS} FROM functions f JOIN function_versions v ON v.function = f.id \
         LEFT JOIN code c ON c.sha256 = v.code WHERE {condition}"
    )
}

/// Reads a state without its layers.
fn function_version(row: &Row<'_>) -> Result<FunctionVersion, CatalogError> {
    let at = |index: usize| code::COLUMN_COUNT + index;
    let has_code = row.get_ref(0)?.as_blob_or_null().map_err(rusqlite::Error::from)?.is_some();
    Ok(FunctionVersion {
        function: Function {
            key: FunctionKey {
                tenant: TenantId::parse(row.get::<_, String>(at(22))?)?,
                group: Group::parse(row.get::<_, String>(at(0))?)?,
                name: FunctionName::parse(row.get::<_, String>(at(1))?)?,
            },
            uid: row.get(at(2))?,
            created: time_from_sql(row.get(at(3))?),
            versions: from_sql(row.get(at(4))?),
        },
        number: VersionNumber::new(from_sql(row.get(at(5))?)),
        name: VersionName::parse(row.get::<_, String>(at(6))?)?,
        version_description: row.get(at(7))?,
        config: FunctionConfig {
            description: row.get(at(8))?,
            runtime: row.get(at(9))?,
            handler: row.get(at(10))?,
            memory: from_sql(row.get(at(11))?),
            timeout: row.get(at(12))?,
            environment: serde_json::from_str(text(row, at(13))?)
                .map_err(CatalogError::internal)?,
            extra: serde_json::from_str(text(row, at(14))?).map_err(CatalogError::internal)?,
            layers: Vec::new(),
        },
        code: if has_code { Some(code::artifact(row, 0)?) } else { None },
        revision: from_sql(row.get(at(16))?),
        code_changed: time_from_sql(row.get(at(17))?),
        updated: row.get::<_, Option<i64>>(at(18))?.map(time_from_sql),
        published: time_from_sql(row.get(at(19))?),
        sequence: from_sql(row.get(at(20))?),
    })
}
