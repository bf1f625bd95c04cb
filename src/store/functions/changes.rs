//! All SQL that writes functions, their heads and their versions. Checks no rule of the catalog.

use super::{key_values, with_key};
use crate::domain::{
    CatalogError, Function, FunctionKey, FunctionVersion, LayerRef, VersionNumber,
};
use crate::store::Change;
use crate::store::engine::{Value, values};

/// The id of a function that exists; [`key_values`] are bound to its first three placeholders.
const ID: &str =
    "(SELECT id FROM functions WHERE tenant = ?1 AND grp = ?2 AND name = ?3 AND live = 1)";

impl Change<'_> {
    /// Inserts a function's row, or sets that of a deleted function live again; returns false if
    /// the function exists.
    pub fn insert_function(
        &self,
        function: &Function,
        sequence: u64,
    ) -> Result<bool, CatalogError> {
        let sql = "INSERT INTO functions (tenant, grp, name, uid, created, sequence)
                   VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (tenant, grp, name) DO UPDATE
                   SET live = 1, uid = excluded.uid, created = excluded.created,
                       sequence = excluded.sequence WHERE functions.live = 0";
        let values = with_key(&function.key, values![&function.uid, function.created, sequence]);
        Ok(self.count(sql, &values)? > 0)
    }

    /// Inserts the head of a function that has its row but no head.
    ///
    /// Returns the first of its layers that has no such version, if there is one.
    pub fn insert_head<'h>(
        &self,
        head: &'h FunctionVersion,
    ) -> Result<Option<&'h LayerRef>, CatalogError> {
        let sql = format!(
            "INSERT INTO function_versions (name, published, description, runtime, handler, memory,
                 timeout, environment, extra, layers, code, revision, code_changed, updated,
                 sequence, function, number, version_description)
             VALUES (?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, {ID}, 0,
                 '')"
        );
        self.write_head(&sql, head, values![head.name.as_str(), head.published])
    }

    /// Replaces the head's configuration, code and layers.
    ///
    /// Returns the first of its layers that has no such version, if there is one. A layer version
    /// that is bound already and was deleted since stays bound, with the code it had.
    pub fn update_head<'h>(
        &self,
        head: &'h FunctionVersion,
    ) -> Result<Option<&'h LayerRef>, CatalogError> {
        let sql = format!(
            "UPDATE function_versions SET description = ?4, runtime = ?5, handler = ?6, memory = ?7,
                 timeout = ?8, environment = ?9, extra = ?10, layers = ?11, code = ?12,
                 revision = ?13, code_changed = ?14, updated = ?15, sequence = ?16
             WHERE function = {ID} AND number = 0"
        );
        self.write_head(&sql, head, &[])
    }

    /// Runs a statement with the values of a head after its key and `first`, and binds the layers.
    fn write_head<'h>(
        &self,
        sql: &str,
        head: &'h FunctionVersion,
        first: &[Value<'_>],
    ) -> Result<Option<&'h LayerRef>, CatalogError> {
        let (key, config) = (&head.function.key, &head.config);
        let environment =
            serde_json::to_string(&config.environment).map_err(CatalogError::internal)?;
        let extra = serde_json::to_string(&config.extra).map_err(CatalogError::internal)?;
        let values = values![
            &config.description,
            &config.runtime,
            &config.handler,
            config.memory,
            config.timeout,
            &environment,
            &extra,
            config.layers.len() as u64,
            head.code.as_ref().map(|code| &code.digests.sha256),
            head.revision,
            head.code_changed,
            head.updated,
            head.sequence,
        ];
        self.run(sql, &with_key(key, &[first, values].concat()))?;
        self.bind_layers(key, &config.layers)
    }

    /// Replaces the layers that are bound to a head; returns the first that has no such version.
    fn bind_layers<'h>(
        &self,
        key: &FunctionKey,
        layers: &'h [LayerRef],
    ) -> Result<Option<&'h LayerRef>, CatalogError> {
        // The old rows make way, because the new ones may take their code from them.
        let aside = format!(
            "UPDATE function_layers SET position = -1 - position
             WHERE function = {ID} AND number = 0"
        );
        if self.count(&aside, &key_values(key))? == 0 && layers.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<_> =
            layers.iter().map(|layer| (layer.layer.as_str(), layer.number.get())).collect();
        let wanted = serde_json::to_string(&wanted).map_err(CatalogError::internal)?;
        let bind = format!(
            "INSERT INTO function_layers (function, number, position, layer, layer_number, code)
             SELECT {ID}, 0, w.key, l.id, w.value ->> 1, coalesce(
                 (SELECT v.code FROM layer_versions v
                  WHERE v.layer = l.id AND v.number = w.value ->> 1),
                 (SELECT b.code FROM function_layers b
                  WHERE b.function = {ID} AND b.number = 0 AND b.layer = l.id
                  AND b.layer_number = w.value ->> 1 LIMIT 1)) AS found
             FROM json_each(?4) w CROSS JOIN layers l ON l.tenant = ?1 AND l.name = w.value ->> 0
             WHERE found IS NOT NULL RETURNING position"
        );
        let bound = self.all(&bind, &with_key(key, values![&wanted]), |row| row.count(0))?;
        let missing = (0..).zip(layers).find(|(position, _)| !bound.contains(position));
        let clear = format!(
            "DELETE FROM function_layers WHERE function = {ID} AND number = 0 AND position < 0"
        );
        self.run(&clear, &key_values(key))?;
        Ok(missing.map(|(_, layer)| layer))
    }

    /// Inserts a version, which is a snapshot of the head. The head gets its sequence number.
    pub fn insert_function_version(&self, version: &FunctionVersion) -> Result<(), CatalogError> {
        let key = &version.function.key;
        let (number, sequence) = (version.number.map_or(0, VersionNumber::get), version.sequence);
        let sql = format!(
            "UPDATE functions SET last_number = ?4, versions = versions + 1, sequence = ?5
             WHERE id = {ID}"
        );
        self.run(&sql, &with_key(key, values![number, sequence]))?;
        let sql = format!(
            "UPDATE function_versions SET sequence = ?4 WHERE function = {ID} AND number = 0"
        );
        self.run(&sql, &with_key(key, values![sequence]))?;
        let sql = format!(
            "INSERT INTO function_versions
             SELECT function, ?4, ?5, ?6, description, runtime, handler, memory, timeout,
                 environment, extra, layers, code, revision, code_changed, updated, ?7, sequence
             FROM function_versions WHERE function = {ID} AND number = 0"
        );
        let (name, description) = (version.name.as_str(), &version.version_description);
        let values = values![number, name, description, version.published];
        self.run(&sql, &with_key(key, values))?;
        let sql = format!(
            "INSERT INTO function_layers
             SELECT function, ?4, position, layer, layer_number, code
             FROM function_layers WHERE function = {ID} AND number = 0"
        );
        self.run(&sql, &with_key(key, values![number]))
    }

    /// Deletes a published version; returns whether it existed.
    pub fn delete_function_version(
        &self,
        key: &FunctionKey,
        number: VersionNumber,
        sequence: u64,
    ) -> Result<bool, CatalogError> {
        let sql = format!("DELETE FROM function_versions WHERE function = {ID} AND number = ?4");
        let deleted = self.count(&sql, &with_key(key, values![number.get()]))?;
        let sql =
            format!("UPDATE functions SET versions = versions - ?4, sequence = ?5 WHERE id = {ID}");
        self.run(&sql, &with_key(key, values![deleted, sequence]))?;
        Ok(deleted > 0)
    }

    /// Deletes a function with all its versions; returns whether it existed. Its counter remains.
    pub fn delete_function(&self, key: &FunctionKey, sequence: u64) -> Result<bool, CatalogError> {
        let sql = "UPDATE functions SET live = 0, versions = 0, sequence = ?4 \
                   WHERE tenant = ?1 AND grp = ?2 AND name = ?3 AND live = 1 RETURNING id";
        let values = with_key(key, values![sequence]);
        let Some(function) = self.one(sql, &values, |row| row.int(0))? else { return Ok(false) };
        self.run("DELETE FROM function_versions WHERE function = ?", values![function])?;
        Ok(true)
    }
}
