//! A row of a layer version, borrowed from SQLite, and the whole version made of it.
//!
//! A list that is written while its rows are read copies none of their texts.

use rusqlite::Row;

use super::{columns, number, text};
use crate::domain::{
    Acl, Artifact, CatalogError, Layer, LayerName, LayerVersion, Timestamp, VersionNumber,
};
use crate::store::{code, time_from_sql};

/// A layer version's row, with its lists as the JSON text that the catalog stores.
#[derive(Clone, Copy, Debug)]
pub struct LayerVersionRow<'r> {
    /// The layer's name.
    pub name: &'r str,
    /// The layer's uid.
    pub layer_uid: &'r str,
    /// The tenants that may read the layer.
    pub acl: Acl,
    /// The layer's tags: a JSON array of pairs of key and value.
    pub tags: &'r str,
    /// The version's number.
    pub number: VersionNumber,
    /// The version's uid.
    pub uid: &'r str,
    /// Empty when none was given.
    pub description: &'r str,
    /// Empty when none was given.
    pub license: &'r str,
    /// The runtimes in the order given: a JSON array of texts.
    pub runtimes: &'r str,
    /// The uploaded code.
    pub code: Artifact,
    /// When it was published.
    pub created: Timestamp,
}

impl<'r> LayerVersionRow<'r> {
    /// Reads a row that has the columns of a whole version.
    pub(super) fn read(row: &'r Row<'_>) -> Result<Self, CatalogError> {
        Ok(Self {
            name: text(row, columns::NAME)?,
            layer_uid: text(row, columns::LAYER_UID)?,
            acl: if row.get::<_, i64>(columns::ACL)? == 1 { Acl::Public } else { Acl::Private },
            tags: text(row, columns::TAGS)?,
            number: number(row, columns::NUMBER)?,
            uid: text(row, columns::UID)?,
            description: text(row, columns::DESCRIPTION)?,
            license: text(row, columns::LICENSE)?,
            runtimes: text(row, columns::RUNTIMES)?,
            created: time_from_sql(row.get(columns::CREATED)?),
            code: code::artifact(row, columns::COUNT)?,
        })
    }

    /// Returns the row of a version; `runtimes` and `tags` are its lists as JSON text.
    pub fn of(version: &'r LayerVersion, runtimes: &'r str, tags: &'r str) -> Self {
        Self {
            name: version.layer.name.as_str(),
            layer_uid: &version.layer.uid,
            acl: version.layer.acl,
            tags,
            number: version.number,
            uid: &version.uid,
            description: &version.description,
            license: &version.license,
            runtimes,
            code: version.code,
            created: version.created,
        }
    }

    /// Copies the row into a version.
    ///
    /// # Errors
    ///
    /// `Internal` if the stored JSON cannot be read.
    pub fn to_version(&self) -> Result<LayerVersion, CatalogError> {
        Ok(LayerVersion {
            layer: Layer {
                name: LayerName::parse(self.name)?,
                uid: self.layer_uid.to_owned(),
                acl: self.acl,
                tags: serde_json::from_str(self.tags).map_err(CatalogError::internal)?,
            },
            number: self.number,
            uid: self.uid.to_owned(),
            description: self.description.to_owned(),
            license: self.license.to_owned(),
            runtimes: serde_json::from_str(self.runtimes).map_err(CatalogError::internal)?,
            code: self.code,
            created: self.created,
        })
    }
}
