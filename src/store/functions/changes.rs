//! All SQL that writes functions, their heads and their versions. Checks no rule of the catalog.

use rusqlite::{OptionalExtension, params_from_iter};

use super::key_values;
use crate::domain::{
    CatalogError, FunctionConfig, FunctionKey, LayerRef, Noun, Timestamp, VersionName,
    VersionNumber,
};
use crate::store::{Change, from_sql, to_sql};

/// The new values of a head.
pub struct HeadUpdate<'a> {
    /// The whole configuration.
    pub config: &'a FunctionConfig,
    /// The SHA-256 of a content that has its row; `None` for a head without code.
    pub code: Option<&'a [u8; 32]>,
    /// The revision of the head.
    pub revision: u64,
    /// When the code last changed.
    pub code_changed: Timestamp,
    /// When the head last changed.
    pub updated: Option<Timestamp>,
}

/// The values of a new version that are not copied from the head.
pub struct VersionInsert<'a> {
    /// The caller's name for it; `None` for the number in decimal.
    pub name: Option<&'a VersionName>,
    /// Free text.
    pub description: &'a str,
    /// Now.
    pub published: Timestamp,
}

impl Change<'_> {
    /// Inserts a function's row, or sets that of a deleted function live again; returns false if
    /// the function exists.
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
        Ok(inserted > 0)
    }

    /// Inserts the head of a function that has none.
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
        // A bound layer version that was deleted since stays bound, with the code it had.
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
                    row.try_into()
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

    /// Inserts a snapshot of the head with the function's next number, which is returned.
    ///
    /// The head gets the same sequence number. Without a name for the version, a number whose
    /// decimal is the name of another version is skipped.
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

    /// Returns the next number; with `is_name`, the next whose decimal is not taken as a name.
    fn next_number(&self, function: i64, is_name: bool) -> Result<i64, CatalogError> {
        let last: i64 = self
            .connection
            .prepare_cached("SELECT last_number FROM functions WHERE id = ?")?
            .query_one([function], |row| row.get(0))?;
        let mut number = last + 1;
        let mut taken = self
            .connection
            .prepare_cached("SELECT 1 FROM function_versions WHERE function = ? AND name = ?")?;
        while is_name && taken.exists((function, number.to_string()))? {
            number += 1;
        }
        Ok(number)
    }

    /// Deletes a published version; returns whether it existed.
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

    /// Deletes a function with all its versions; returns whether it existed. Its counter remains.
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
        Ok(true)
    }

    fn function_id(&self, key: &FunctionKey) -> Result<i64, CatalogError> {
        let sql = "SELECT id FROM functions WHERE tenant = ? AND grp = ? AND name = ? AND live = 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let id = statement.query_one(params_from_iter(key_values(key)), |row| row.get(0));
        id.optional()?.ok_or_else(|| CatalogError::not_found(Noun::Function, &key.name))
    }
}
