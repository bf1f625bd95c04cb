//! Reads a layer version's row without copies, and makes the whole version of it.

use super::{columns, number};
use crate::domain::{Acl, CatalogError, Layer, LayerName, LayerVersion, LayerVersionRow};
use crate::store::code;
use crate::store::engine::Row;

/// Reads a row that has the columns of a whole version.
pub(super) fn read<'r>(row: &Row<'r>) -> Result<LayerVersionRow<'r>, CatalogError> {
    Ok(LayerVersionRow {
        name: row.text(columns::NAME)?,
        layer_uid: row.text(columns::LAYER_UID)?,
        acl: if row.flag(columns::ACL)? { Acl::Public } else { Acl::Private },
        tags: row.text(columns::TAGS)?,
        number: number(row, columns::NUMBER)?,
        uid: row.text(columns::UID)?,
        description: row.text(columns::DESCRIPTION)?,
        license: row.text(columns::LICENSE)?,
        runtimes: row.text(columns::RUNTIMES)?,
        created: row.time(columns::CREATED)?,
        code: code::artifact(row, columns::COUNT)?,
    })
}

/// Copies the row into a version.
///
/// # Errors
///
/// `Internal` if the stored JSON cannot be read.
pub fn version_of(row: &LayerVersionRow<'_>) -> Result<LayerVersion, CatalogError> {
    Ok(LayerVersion {
        layer: Layer {
            name: LayerName::parse(row.name)?,
            uid: row.layer_uid.to_owned(),
            acl: row.acl,
            tags: serde_json::from_str(row.tags).map_err(CatalogError::internal)?,
        },
        number: row.number,
        uid: row.uid.to_owned(),
        description: row.description.to_owned(),
        license: row.license.to_owned(),
        runtimes: serde_json::from_str(row.runtimes).map_err(CatalogError::internal)?,
        code: row.code,
        created: row.created,
    })
}
