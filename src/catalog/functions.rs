//! Functions and function versions: create, get, list, update, publish, delete.
//!
//! Must not know HTTP, a dialect or SQL.

use super::{Catalog, limits};
use crate::domain::{
    Actor, CatalogError, Field, Function, FunctionChange, FunctionKey, FunctionOrder,
    FunctionVersion, Group, LayerRef, Limit, NewFunction, Noun, Page, Publication, PublicationName,
    Qualifier, Role, Subject, TenantId, Timestamp, VersionName, VersionNumber, Window,
};
use crate::ingest::Staged;
use crate::store::{Adds, Change, View};

/// The code in an update of a function.
pub enum CodeInput {
    /// The code stays.
    Keep,
    /// The code is replaced by this upload.
    Replace(Staged),
    /// The code is removed: the function names a path or an image instead.
    Remove,
    /// The code is removed if this is true of the head that the change finds, and stays otherwise.
    RemoveIf(fn(&FunctionVersion) -> Result<bool, CatalogError>),
}

impl Catalog {
    /// Creates a function with its head; `AlreadyExists` when its name is taken, `InvalidValue` for
    /// a field that is too long.
    pub fn create_function(
        &self,
        by: impl Into<Actor>,
        new: NewFunction,
        upload: Option<Staged>,
    ) -> Result<FunctionVersion, CatalogError> {
        let taken = |key: &FunctionKey| CatalogError::AlreadyExists {
            what: Noun::Function,
            name: key.name.to_string(),
        };
        let by = owner(by, &new.key)?;
        // Checked before the upload is stored, so that the common refusal costs no disk write.
        if self.store.read(|view| view.select_head(&new.key))?.is_some() {
            return Err(taken(&new.key));
        }
        limits::check_config(&new.config)?;
        let (code, pending) = upload.map(|upload| self.keep(upload)).transpose()?.unzip();
        let now = self.clock.now();
        let uid = self.ids.next().to_string();
        self.change(&by, pending.map_or(Adds::Rows, Adds::File), move |change, sequence| {
            change.ensure_tenant(&new.key.tenant, now)?;
            if let Some(code) = &code {
                change.insert_code(code, now)?;
            }
            let function = Function { key: new.key, uid, created: now, versions: 0 };
            if !change.insert_function(&function, sequence)? {
                return Err(taken(&function.key));
            }
            let head = FunctionVersion {
                function,
                number: None,
                name: new.head_name,
                version_description: String::new(),
                config: new.config,
                code,
                revision: milliseconds(now),
                code_changed: now,
                updated: None,
                published: now,
                sequence,
            };
            must_exist(change.insert_head(&head)?)?;
            let subject = Subject::function(&head.function.key, None);
            Ok((head, subject))
        })
    }

    /// Changes a function's head; published versions stay as they are.
    pub fn update_function(
        &self,
        by: impl Into<Actor>,
        key: &FunctionKey,
        update: FunctionChange,
        code: CodeInput,
    ) -> Result<FunctionVersion, CatalogError> {
        let by = owner(by, key)?;
        let old = self.store.read(|view| head_of(view, key))?;
        check_revision(&old, update.expected_revision)?;
        let (mut replacement, mut remove_if, mut pending) = (None, None, None);
        match code {
            CodeInput::Keep => {}
            CodeInput::Remove => replacement = Some(None),
            CodeInput::RemoveIf(is_true) => remove_if = Some(is_true),
            CodeInput::Replace(upload) => {
                let (code, file) = self.keep(upload)?;
                (replacement, pending) = (Some(Some(code)), Some(file));
            }
        }
        let now = self.clock.now();
        let key = key.clone();
        self.change(&by, pending.map_or(Adds::Rows, Adds::File), move |change, sequence| {
            let old = head_of(change, &key)?;
            check_revision(&old, update.expected_revision)?;
            if let Some(is_true) = remove_if
                && is_true(&old)?
            {
                replacement = Some(None);
            }
            let config = (update.apply)(&old)?;
            limits::check_config(&config)?;
            if let Some(Some(code)) = &replacement {
                change.insert_code(code, now)?;
            }
            let head = FunctionVersion {
                config,
                code: replacement.unwrap_or(old.code),
                revision: if update.touches {
                    milliseconds(now).max(old.revision + 1)
                } else {
                    old.revision
                },
                code_changed: if replacement.is_some() { now } else { old.code_changed },
                updated: if update.touches { Some(now) } else { old.updated },
                sequence,
                ..old
            };
            must_exist(change.update_head(&head)?)?;
            Ok((head, Subject::function(&key, None)))
        })
    }

    /// Publishes the head as the next version.
    pub fn publish_function_version(
        &self,
        by: impl Into<Actor>,
        key: &FunctionKey,
        publication: Publication,
    ) -> Result<FunctionVersion, CatalogError> {
        let by = owner(by, key)?;
        limits::check_description(Field::Description, &publication.description)?;
        let key = key.clone();
        let now = self.clock.now();
        self.change(&by, Adds::Rows, move |change, sequence| {
            let head = head_of(change, &key)?;
            check_publication(change, &head, &publication)?;
            let (number, name) = next_version(change, &key, publication.name, now)?;
            let mut version = FunctionVersion {
                number: Some(number),
                name,
                version_description: publication.description,
                published: now,
                sequence,
                ..head
            };
            version.function.versions += 1;
            change.insert_function_version(&version)?;
            Ok((version, Subject::function(&key, Some(number))))
        })
    }

    /// Checks that a function's name is free, before its code is copied; `AlreadyExists` otherwise.
    ///
    /// [`Catalog::create_function`] checks again.
    pub fn check_new_function(&self, key: &FunctionKey) -> Result<(), CatalogError> {
        match self.store.read(|view| view.select_head(key))? {
            Some(_) => {
                let name = key.name.to_string();
                Err(CatalogError::AlreadyExists { what: Noun::Function, name })
            }
            None => Ok(()),
        }
    }

    /// Returns the head or a version of a function; `NotFound` says whether the function or the
    /// version is missing.
    pub fn get_function(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<FunctionVersion, CatalogError> {
        self.store.read(|view| find(view, key, qualifier))
    }

    /// Lists the head and the versions of one function; `NotFound` when it does not exist.
    ///
    /// The page's `total` includes the head.
    pub fn list_function_versions(
        &self,
        key: &FunctionKey,
        order: FunctionOrder,
        window: Window,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        let page = self.store.read(|view| view.select_function_versions(key, order, window))?;
        page.ok_or_else(|| CatalogError::not_found(Noun::Function, &key.name))
    }

    /// Lists heads by group and name, after the given group and name. The page has no `total`.
    pub fn list_functions(
        &self,
        tenant: &TenantId,
        group: Option<&Group>,
        after: Option<(&str, &str)>,
        limit: u64,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        if let Some((group, name)) = after {
            limits::no_nul(Field::Group, group)?;
            limits::no_nul(Field::FunctionName, name)?;
        }
        self.store.read(|view| view.select_heads(tenant, group, after, limit))
    }

    /// Lists heads and versions of all functions, most recently written first.
    pub fn list_all_function_versions(
        &self,
        tenant: &TenantId,
        version: Option<&str>,
        window: Window,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        limits::no_nul(Field::VersionName, version.unwrap_or_default())?;
        self.store.read(|view| view.select_all_states(tenant, version, window))
    }

    /// Like [`Catalog::list_all_function_versions`], but only those for which `keep` returns true.
    ///
    /// It reads all of them, so it belongs on a blocking thread.
    pub fn search_function_versions(
        &self,
        tenant: &TenantId,
        version: Option<&str>,
        keep: impl Fn(&FunctionVersion) -> Result<bool, CatalogError>,
        window: Window,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
        limits::no_nul(Field::VersionName, version.unwrap_or_default())?;
        self.store.read(|view| view.select_states_where(tenant, version, keep, window))
    }

    /// Deletes a function with all its versions.
    pub fn delete_function(
        &self,
        by: impl Into<Actor>,
        key: &FunctionKey,
    ) -> Result<(), CatalogError> {
        let by = owner(by, key)?;
        let key = key.clone();
        self.change(&by, Adds::Nothing, move |change, sequence| {
            if change.delete_function(&key, sequence)? {
                Ok(((), Subject::function(&key, None)))
            } else {
                Err(CatalogError::not_found(Noun::Function, &key.name))
            }
        })
    }

    /// Deletes one published version; the head cannot be deleted alone.
    pub fn delete_function_version(
        &self,
        by: impl Into<Actor>,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<(), CatalogError> {
        let by = owner(by, key)?;
        let (key, qualifier) = (key.clone(), qualifier.clone());
        self.change(&by, Adds::Nothing, move |change, sequence| {
            let Some(number) = find(change, &key, &qualifier)?.number else {
                return Err(CatalogError::invalid(Field::Version, "must be a published version"));
            };
            change.delete_function_version(&key, number, sequence)?;
            Ok(((), Subject::function(&key, Some(number))))
        })
    }
}

/// Returns the actor, unless it is a caller without the right to write, or of another tenant than
/// the function, which would be a bug of a dialect.
fn owner(by: impl Into<Actor>, key: &FunctionKey) -> Result<Actor, CatalogError> {
    let by = by.into();
    if by.tenant().is_none_or(|tenant| *tenant == key.tenant) {
        by.must_be(Role::Write)?;
        Ok(by)
    } else {
        Err(CatalogError::internal("a function of another tenant was named"))
    }
}

fn head_of(view: &View<'_>, key: &FunctionKey) -> Result<FunctionVersion, CatalogError> {
    view.select_head(key)?.ok_or_else(|| CatalogError::not_found(Noun::Function, &key.name))
}

fn find(
    view: &View<'_>,
    key: &FunctionKey,
    qualifier: &Qualifier,
) -> Result<FunctionVersion, CatalogError> {
    let (found, asked) = match qualifier {
        Qualifier::Head => return head_of(view, key),
        Qualifier::Number(number) => {
            (view.select_function_version(key, *number)?, number.to_string())
        }
        Qualifier::Name(name) => (view.select_named_version(key, name)?, name.to_string()),
        Qualifier::Either(name) => {
            let number = VersionNumber::parse(name.as_str());
            let found = match (view.select_named_version(key, name)?, number) {
                (None, Some(number)) => view.select_function_version(key, number)?,
                (found, _) => found,
            };
            (found, name.to_string())
        }
    };
    match found {
        Some(version) => Ok(version),
        None => {
            head_of(view, key)?;
            Err(CatalogError::no_version(Noun::FunctionVersion, asked, &key.name))
        }
    }
}

fn check_revision(head: &FunctionVersion, expected: Option<u64>) -> Result<(), CatalogError> {
    match expected {
        Some(expected) if expected != head.revision => {
            let name = head.function.key.name.to_string();
            Err(CatalogError::Stale { what: Noun::Function, name })
        }
        _ => Ok(()),
    }
}

/// Checks a publication, in the order of openYuanrong (openyuanrong.md section 1.2).
fn check_publication(
    change: &Change<'_>,
    head: &FunctionVersion,
    publication: &Publication,
) -> Result<(), CatalogError> {
    if let Some(limit) = publication.versions_max
        && head.function.versions >= limit
    {
        let actual = head.function.versions + 1;
        return Err(CatalogError::LimitExceeded { what: Limit::FunctionVersions, limit, actual });
    }
    check_revision(head, publication.expected_revision)?;
    if let Some(stated) = &publication.expected_checksum {
        let digests = head.code.map(|code| code.digests);
        let sha512 = digests.map(|digests| hex::encode(digests.sha512)).unwrap_or_default();
        let md5 = digests.map(|digests| hex::encode(digests.md5)).unwrap_or_default();
        if !stated.eq_ignore_ascii_case(&sha512) && !stated.eq_ignore_ascii_case(&md5) {
            let (algorithm, stated) = ("SHA-512", stated.clone());
            return Err(CatalogError::ChecksumMismatch { algorithm, stated, actual: sha512 });
        }
    }
    let key = &head.function.key;
    if publication.refuse_unchanged
        && let Some(newest) = change.select_newest_function_version(key)?
        && newest.code == head.code
        && newest.config == head.config
    {
        return Err(CatalogError::Unchanged { name: key.name.to_string() });
    }
    Ok(())
}

/// Chooses a new version's number and its name.
///
/// A version whose name is its number skips numbers whose decimal is the name of another version.
fn next_version(
    view: &View<'_>,
    key: &FunctionKey,
    wanted: PublicationName,
    now: Timestamp,
) -> Result<(VersionNumber, VersionName), CatalogError> {
    let is_free =
        |name: &VersionName| Ok::<_, CatalogError>(!view.is_version_name_taken(key, name)?);
    let mut number = view.select_last_number(key)? + 1;
    let name = match wanted {
        PublicationName::Number => loop {
            let name = VersionName::parse(number.to_string())?;
            if is_free(&name)? {
                break name;
            }
            number += 1;
        },
        PublicationName::Given(name) if is_free(&name)? => name,
        PublicationName::Given(name) => {
            let name = name.to_string();
            return Err(CatalogError::AlreadyExists { what: Noun::FunctionVersion, name });
        }
        PublicationName::FromTime(spell) => {
            let mut second = now;
            loop {
                let name = VersionName::parse(spell(second))?;
                if is_free(&name)? {
                    break name;
                }
                second += jiff::SignedDuration::from_secs(1);
            }
        }
    };
    let number = VersionNumber::new(number);
    Ok((number.ok_or_else(|| CatalogError::internal("a version without a number"))?, name))
}

/// Fails with `NotFound` for a bound layer version that does not exist.
fn must_exist(missing: Option<&LayerRef>) -> Result<(), CatalogError> {
    match missing {
        Some(LayerRef { layer, number }) => {
            Err(CatalogError::no_version(Noun::LayerVersion, *number, layer))
        }
        None => Ok(()),
    }
}

/// Returns a time in milliseconds, the form of a head's revision; openYuanrong's `revisionId` is
/// made of it.
fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}
