//! Layers and layer versions: publish, get, list, delete.
//!
//! Must not know HTTP, a dialect or SQL.

use super::limits::has_nul;
use super::{Catalog, limits};
use crate::domain::{
    Acl, Actor, CatalogError, Layer, LayerFilter, LayerName, LayerVersion, LayerVersionRow,
    LayersOf, NewLayerVersion, Noun, Order, Page, Role, Subject, TenantId, VersionNumber, Window,
};
use crate::ingest::Staged;
use crate::store::{Adds, LayerVersionInsert, View};

/// Whether a layer version that a function is bound to may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteRule {
    /// It may be deleted; the functions keep its code.
    EvenIfUsed,
    /// It is refused with `InUse`.
    OnlyIfUnused,
}

/// A range of the versions of one layer.
#[derive(Clone, Copy, Debug)]
pub struct VersionRange {
    /// Order of the numbers.
    pub order: Order,
    /// First number in that order, inclusive; `None` begins with the first version in that order.
    pub from: Option<u64>,
    /// Most rows.
    pub limit: u64,
}

impl Catalog {
    /// Publishes an upload as the next version of a layer, and creates the layer on first use;
    /// `InvalidValue` for a field that is too long.
    pub fn publish_layer_version(
        &self,
        by: impl Into<Actor>,
        name: &LayerName,
        new: NewLayerVersion,
        upload: Staged,
    ) -> Result<LayerVersion, CatalogError> {
        let by = by.into();
        by.must_be(Role::Write)?;
        limits::check_layer_version(&new)?;
        let (code, pending) = self.keep(upload)?;
        let now = self.clock.now();
        let (layer_uid, uid) = (self.ids.next().to_string(), self.ids.next().to_string());
        let (tenant, name) = (by.own_tenant()?.clone(), name.clone());
        self.change(&by, Adds::File(pending), move |change, sequence| {
            change.ensure_tenant(&tenant, now)?;
            change.insert_code(&code, now)?;
            let insert = LayerVersionInsert {
                layer_uid: &layer_uid,
                tags: new.tags.as_deref(),
                uid: &uid,
                description: &new.description,
                license: &new.license,
                runtimes: &new.runtimes,
                code: &code,
                created: now,
            };
            let version = change.insert_layer_version(&tenant, &name, &insert, sequence)?;
            let subject = Subject::layer(&tenant, &name, Some(version.number));
            Ok((version, subject))
        })
    }

    /// Returns one version; `NotFound` says whether the layer or the version is missing. A private
    /// layer of another tenant than the reader's is missing, for this and the following reads.
    pub fn get_layer_version<'t>(
        &self,
        of: impl Into<LayersOf<'t>>,
        name: &LayerName,
        number: VersionNumber,
    ) -> Result<LayerVersion, CatalogError> {
        let of = of.into();
        self.store.read(|view| {
            check_readable(view, of, name)?;
            match view.select_layer_version(of.owner, name, number)? {
                Some(version) => Ok(version),
                None if view.select_newest_layer_version(of.owner, name)?.is_none() => {
                    Err(CatalogError::not_found(Noun::Layer, name))
                }
                None => Err(CatalogError::no_version(Noun::LayerVersion, number, name)),
            }
        })
    }

    /// Returns the version with the highest number; `NotFound` when the layer has none.
    pub fn get_newest_layer_version<'t>(
        &self,
        of: impl Into<LayersOf<'t>>,
        name: &LayerName,
    ) -> Result<LayerVersion, CatalogError> {
        let of = of.into();
        let newest = self.store.read(|view| view.select_newest_layer_version(of.owner, name))?;
        let newest = newest.filter(|version| may_read(of, &version.layer));
        newest.ok_or_else(|| CatalogError::not_found(Noun::Layer, name))
    }

    /// Returns the version of the owner's layers that has this uid.
    pub fn get_layer_version_by_uid<'t>(
        &self,
        of: impl Into<LayersOf<'t>>,
        uid: &str,
    ) -> Result<LayerVersion, CatalogError> {
        let of = of.into();
        let version = if has_nul(uid) {
            None
        } else {
            self.store.read(|view| view.select_layer_version_by_uid(of.owner, uid))?
        };
        let version = version.filter(|version| may_read(of, &version.layer));
        version.ok_or_else(|| CatalogError::not_found(Noun::LayerVersion, uid))
    }

    /// Returns the name of the layer that has this uid and at least one version.
    pub fn get_layer_name(&self, tenant: &TenantId, uid: &str) -> Result<LayerName, CatalogError> {
        let name = if has_nul(uid) {
            None
        } else {
            self.store.read(|view| view.select_layer_name_by_uid(tenant, uid))?
        };
        name.ok_or_else(|| CatalogError::not_found(Noun::Layer, uid))
    }

    /// Lists layers, each with its newest version, in the byte order of their names.
    ///
    /// `from` is the smallest name that may appear; it need not exist. The page has no `total`.
    /// `InvalidValue` for a text with a NUL.
    pub fn list_layers(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        from: &str,
        limit: u64,
    ) -> Result<Page<LayerVersion>, CatalogError> {
        limits::check_layer_filter(filter, from)?;
        self.store.read(|view| view.select_layers_by_name(tenant, filter, from, limit))
    }

    /// Like [`Catalog::list_layers`], for lists that show only some columns: passes the rows to
    /// `visit` while they are read, and returns the name of the next layer.
    pub fn visit_layers(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        from: &str,
        limit: u64,
        visit: impl FnMut(&LayerVersionRow<'_>),
    ) -> Result<Option<LayerName>, CatalogError> {
        limits::check_layer_filter(filter, from)?;
        self.store.read(|view| view.visit_layers_by_name(tenant, filter, from, limit, visit))
    }

    /// Lists layers, each with its newest version, most recently published first; ties by name.
    pub fn list_layers_by_age(
        &self,
        tenant: &TenantId,
        filter: &LayerFilter,
        window: Window,
    ) -> Result<Page<LayerVersion>, CatalogError> {
        limits::check_layer_filter(filter, "")?;
        self.store.read(|view| view.select_layers_by_age(tenant, filter, window))
    }

    /// Lists the versions of one layer; `NotFound` when it has none.
    pub fn list_layer_versions<'t>(
        &self,
        of: impl Into<LayersOf<'t>>,
        name: &LayerName,
        range: VersionRange,
    ) -> Result<Page<LayerVersion>, CatalogError> {
        let (of, VersionRange { order, from, limit }) = (of.into(), range);
        let page = self.store.read(|view| {
            check_readable(view, of, name)?;
            view.select_layer_versions(of.owner, name, order, from, limit)
        })?;
        page.ok_or_else(|| CatalogError::not_found(Noun::Layer, name))
    }

    /// Deletes one version; its number is never used again.
    pub fn delete_layer_version(
        &self,
        by: impl Into<Actor>,
        name: &LayerName,
        number: VersionNumber,
        rule: DeleteRule,
    ) -> Result<(), CatalogError> {
        let by = by.into();
        by.must_be(Role::Write)?;
        let (tenant, name) = (by.own_tenant()?.clone(), name.clone());
        self.get_layer_version(&tenant, &name, number)?;
        self.change(&by, Adds::Nothing, move |change, sequence| {
            check_unused(change, rule, &tenant, &name, Some(number))?;
            if change.delete_layer_version(&tenant, &name, number, sequence)? {
                Ok(((), Subject::layer(&tenant, &name, Some(number))))
            } else {
                Err(CatalogError::no_version(Noun::LayerVersion, number, &name))
            }
        })
    }

    /// Deletes all versions of a layer, or none if `rule` forbids deleting one of them.
    pub fn delete_layer(
        &self,
        by: impl Into<Actor>,
        name: &LayerName,
        rule: DeleteRule,
    ) -> Result<(), CatalogError> {
        let by = by.into();
        let (tenant, name) = (by.own_tenant()?.clone(), name.clone());
        self.change(&by, Adds::Nothing, move |change, sequence| {
            check_unused(change, rule, &tenant, &name, None)?;
            if change.delete_layer_versions(&tenant, &name, sequence)? {
                Ok(((), Subject::layer(&tenant, &name, None)))
            } else {
                Err(CatalogError::not_found(Noun::Layer, &name))
            }
        })
    }
}

/// Whether the reader may read a layer: its own, or a public one.
///
/// `View::is_readable_code` has the same rule for the code of layers.
fn may_read(of: LayersOf<'_>, layer: &Layer) -> bool {
    of.owner == of.reader || layer.acl == Acl::Public
}

/// Fails with `NotFound` for a layer of another tenant that the reader may not read; reads nothing
/// for the reader's own layers.
fn check_readable(view: &View<'_>, of: LayersOf<'_>, name: &LayerName) -> Result<(), CatalogError> {
    if of.owner == of.reader {
        return Ok(());
    }
    let newest = view.select_newest_layer_version(of.owner, name)?;
    let readable = newest.filter(|version| may_read(of, &version.layer));
    readable.map(drop).ok_or_else(|| CatalogError::not_found(Noun::Layer, name))
}

/// Refuses, with `InUse`, to delete a version (all versions without `number`) that a function is
/// bound to, if the rule forbids that.
fn check_unused(
    view: &View<'_>,
    rule: DeleteRule,
    tenant: &TenantId,
    name: &LayerName,
    number: Option<VersionNumber>,
) -> Result<(), CatalogError> {
    if rule == DeleteRule::EvenIfUsed {
        return Ok(());
    }
    match view.select_user_of_layer(tenant, name, number)? {
        Some((number, by)) => {
            let name = format!("{name}:{number}");
            Err(CatalogError::InUse { what: Noun::LayerVersion, name, by })
        }
        None => Ok(()),
    }
}
