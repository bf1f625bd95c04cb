//! Functions and function versions: create, get, list, update, publish, delete.
//!
//! Must not know HTTP, a dialect or SQL.

use super::{Catalog, limits};
use crate::domain::{
    Caller, CatalogError, Field, FunctionChange, FunctionKey, FunctionOrder, FunctionVersion,
    Group, Limit, NewFunction, Noun, Page, Publication, PublicationName, Qualifier, Role, TenantId,
    Timestamp, VersionName, VersionNumber, Window,
};
use crate::ingest::Staged;
use crate::store::{Change, HeadUpdate, VersionInsert, View};

/// The code in an update of a function.
pub enum CodeInput {
    /// The code stays.
    Keep,
    /// The code is replaced by this upload.
    Replace(Staged),
    /// The code is removed: the function names a path or an image instead.
    Remove,
}

impl Catalog {
    /// Creates a function with its head; `AlreadyExists` when its name is taken, `InvalidValue` for
    /// a field that is too long.
    pub fn create_function(
        &self,
        by: &Caller,
        new: NewFunction,
        upload: Option<Staged>,
    ) -> Result<FunctionVersion, CatalogError> {
        let taken = |key: &FunctionKey| CatalogError::AlreadyExists {
            what: Noun::Function,
            name: key.name.to_string(),
        };
        check_owner(by, &new.key)?;
        // Checked before the upload is stored, so that the common refusal costs no disk write.
        if self.store.read(|view| view.select_head(&new.key))?.is_some() {
            return Err(taken(&new.key));
        }
        limits::check_config(&new.config)?;
        let (code, pending) = upload.map(|upload| self.keep(upload)).transpose()?.unzip();
        let now = self.clock.now();
        let uid = self.ids.next().to_string();
        self.change(by, pending, move |change, sequence| {
            let key = &new.key;
            change.ensure_tenant(&key.tenant, now)?;
            if let Some(code) = &code {
                change.insert_code(code, now)?;
            }
            if !change.insert_function(key, &uid, now, sequence)? {
                return Err(taken(key));
            }
            let head = HeadUpdate {
                config: &new.config,
                code: code.as_ref().map(|code| &code.digests.sha256),
                revision: milliseconds(now),
                code_changed: now,
                updated: None,
            };
            change.insert_head(key, &new.head_name, &head, sequence)?;
            Ok((head_of(change, key)?, subject(key, None)))
        })
    }

    /// Changes a function's head; published versions stay as they are.
    pub fn update_function(
        &self,
        by: &Caller,
        key: &FunctionKey,
        update: FunctionChange,
        code: CodeInput,
    ) -> Result<FunctionVersion, CatalogError> {
        check_owner(by, key)?;
        let old = self.store.read(|view| head_of(view, key))?;
        check_revision(&old, update.expected_revision)?;
        let (replacement, pending) = match code {
            CodeInput::Keep => (None, None),
            CodeInput::Remove => (Some(None), None),
            CodeInput::Replace(upload) => {
                let (code, pending) = self.keep(upload)?;
                (Some(Some(code)), Some(pending))
            }
        };
        let now = self.clock.now();
        let key = key.clone();
        self.change(by, pending, move |change, sequence| {
            let old = head_of(change, &key)?;
            check_revision(&old, update.expected_revision)?;
            let config = (update.apply)(&old)?;
            limits::check_config(&config)?;
            if let Some(Some(code)) = &replacement {
                change.insert_code(code, now)?;
            }
            let code = replacement.unwrap_or(old.code);
            change.update_head(
                &key,
                &HeadUpdate {
                    config: &config,
                    code: code.as_ref().map(|code| &code.digests.sha256),
                    revision: if update.touches {
                        milliseconds(now).max(old.revision + 1)
                    } else {
                        old.revision
                    },
                    code_changed: if replacement.is_some() { now } else { old.code_changed },
                    updated: if update.touches { Some(now) } else { old.updated },
                },
                sequence,
            )?;
            Ok((head_of(change, &key)?, subject(&key, None)))
        })
    }

    /// Publishes the head as the next version.
    pub fn publish_function_version(
        &self,
        by: &Caller,
        key: &FunctionKey,
        publication: Publication,
    ) -> Result<FunctionVersion, CatalogError> {
        check_owner(by, key)?;
        limits::check_description(Field::Description, &publication.description)?;
        let key = key.clone();
        let now = self.clock.now();
        self.change(by, None, move |change, sequence| {
            let head = head_of(change, &key)?;
            check_publication(change, &head, &publication)?;
            let name = publication_name(change, &key, publication.name, now)?;
            let insert = VersionInsert {
                name: name.as_ref(),
                description: &publication.description,
                published: now,
            };
            let number = change.insert_function_version(&key, &insert, sequence)?;
            let version = change.select_function_version(&key, number)?;
            let new =
                version.ok_or_else(|| CatalogError::internal("a new version is not there"))?;
            Ok((new, subject(&key, Some(number))))
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
        self.store.read(|view| view.select_heads(tenant, group, after, limit))
    }

    /// Lists heads and versions of all functions, most recently written first.
    pub fn list_all_function_versions(
        &self,
        tenant: &TenantId,
        version: Option<&str>,
        window: Window,
    ) -> Result<Page<FunctionVersion>, CatalogError> {
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
        self.store.read(|view| view.select_states_where(tenant, version, keep, window))
    }

    /// Deletes a function with all its versions.
    pub fn delete_function(&self, by: &Caller, key: &FunctionKey) -> Result<(), CatalogError> {
        check_owner(by, key)?;
        let key = key.clone();
        self.change(by, None, move |change, sequence| {
            if change.delete_function(&key, sequence)? {
                Ok(((), subject(&key, None)))
            } else {
                Err(CatalogError::not_found(Noun::Function, &key.name))
            }
        })
    }

    /// Deletes one published version; the head cannot be deleted alone.
    pub fn delete_function_version(
        &self,
        by: &Caller,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<(), CatalogError> {
        check_owner(by, key)?;
        let (key, qualifier) = (key.clone(), qualifier.clone());
        self.change(by, None, move |change, sequence| {
            let Some(number) = find(change, &key, &qualifier)?.number else {
                return Err(CatalogError::invalid(Field::Version, "must be a published version"));
            };
            change.delete_function_version(&key, number, sequence)?;
            Ok(((), subject(&key, Some(number))))
        })
    }
}

/// Refuses a caller without the right to write, and a function of another tenant, which would be a
/// bug of a dialect.
fn check_owner(by: &Caller, key: &FunctionKey) -> Result<(), CatalogError> {
    if *by.tenant() == key.tenant {
        by.must_be(Role::Write)
    } else {
        Err(CatalogError::internal("a function of another tenant was named"))
    }
}

/// Names a function, or one version of it, in the audit log.
fn subject(key: &FunctionKey, number: Option<VersionNumber>) -> String {
    let FunctionKey { group, name, .. } = key;
    match number {
        Some(number) => format!("function/{group}/{name}/{number}"),
        None => format!("function/{group}/{name}"),
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

/// Chooses a new version's name; `None` when its number is its name.
fn publication_name(
    view: &View<'_>,
    key: &FunctionKey,
    wanted: PublicationName,
    now: Timestamp,
) -> Result<Option<VersionName>, CatalogError> {
    let head_name = head_of(view, key)?.name;
    let is_free = |name: &VersionName| {
        Ok::<_, CatalogError>(*name != head_name && view.select_named_version(key, name)?.is_none())
    };
    match wanted {
        PublicationName::Number => Ok(None),
        PublicationName::Given(name) if is_free(&name)? => Ok(Some(name)),
        PublicationName::Given(name) => {
            let name = name.to_string();
            Err(CatalogError::AlreadyExists { what: Noun::FunctionVersion, name })
        }
        PublicationName::FromTime(spell) => {
            let mut second = now;
            loop {
                let name = VersionName::parse(spell(second))?;
                if is_free(&name)? {
                    return Ok(Some(name));
                }
                second += jiff::SignedDuration::from_secs(1);
            }
        }
    }
}

/// Returns a time in milliseconds, the form of a head's revision; openYuanrong's `revisionId` is
/// made of it.
fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}
