//! The data folder for commands that work on it directly: its path, its catalog, random bytes.
//!
//! A server may be running on the folder; it applies changes at its next request. Must not know
//! keys or tenants.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Failure, Kind};
use super::output::Output;
use crate::catalog::{Catalog, Clock, IdSource};
use crate::config::{Config, Flags};
use crate::dialects;
use crate::domain::CatalogError;
use crate::server::ServeError;
use crate::store::{OpenError, Store};

/// The flags that name the data folder.
#[derive(Debug, Args)]
pub(super) struct DataFolder {
    /// The data folder of `serve`: the catalog and the code [env: LAYERBASE_DATA]
    /// [default: ./layerbase-data]
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<String>,
    /// Read the data folder's path from FILE [env: LAYERBASE_CONFIG]
    /// [default: ./layerbase.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataFolder {
    /// Returns the folder of this name.
    pub(super) fn at(folder: String) -> Self {
        Self { data: Some(folder), config: None }
    }

    /// Opens the catalog; fails with `NotFound` if there is none.
    pub(super) fn open(&self) -> Result<Catalog, Failure> {
        let folder = self.path()?;
        if has_catalog(&folder) {
            return open(&folder);
        }
        let what = format!("there is no catalog in {}", folder.display());
        Err(Failure::new(Kind::NotFound, what)
            .hint("name the server's folder with --data, or make one with `layerbase key add`"))
    }

    /// Opens the catalog; creates the folder and the catalog if they are missing.
    pub(super) fn open_or_make(&self, output: &mut Output<'_>) -> Result<Catalog, Failure> {
        let folder = self.path()?;
        let is_new = !has_catalog(&folder);
        let catalog = open(&folder)?;
        if is_new {
            output.note(&format!("made a catalog in {}", folder.display()));
        }
        Ok(catalog)
    }

    fn path(&self) -> Result<PathBuf, Failure> {
        let data = self.data.clone().map(|data| ("data", data));
        let flags = Flags { config: self.config.clone(), values: data.into_iter().collect() };
        let environment = |name: &str| std::env::var_os(name);
        Ok(Config::load_data(&flags, environment, Path::new(""), &dialects::known())?)
    }
}

fn has_catalog(folder: &Path) -> bool {
    folder.join("catalog.sqlite").exists()
}

fn open(folder: &Path) -> Result<Catalog, Failure> {
    let clock = Clock::system();
    let store =
        Store::open_beside(folder, clock.now(), random()?).map_err(|error| match error {
            OpenError::Locked(_) => {
                Failure::refused("a server of an older release is running on this catalog")
                    .hint("stop that server first")
            }
            other => ServeError::Open(other).into(),
        })?;
    Ok(Catalog::new(store, clock, IdSource::random()))
}

/// Returns random bytes from the system, fit for secrets.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::failed(format!("the system has no random bytes: {error}")))?;
    Ok(bytes)
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let what = error.to_string();
        match error {
            CatalogError::NotFound { .. } => Self::new(Kind::NotFound, what),
            CatalogError::InvalidValue { .. } => Self::usage(what),
            CatalogError::Internal { source }
            | CatalogError::Unavailable { source, .. }
            | CatalogError::NoSpace { source } => {
                let mut what = what;
                let mut source: Option<&dyn Error> = Some(source.as_ref());
                while let Some(error) = source {
                    what = format!("{what}: {error}");
                    source = error.source();
                }
                Self::failed(what)
            }
            CatalogError::AlreadyExists { .. }
            | CatalogError::LimitExceeded { .. }
            | CatalogError::BadArchive(_)
            | CatalogError::ChecksumMismatch { .. }
            | CatalogError::Unchanged { .. }
            | CatalogError::Stale { .. }
            | CatalogError::InUse { .. }
            | CatalogError::BucketUnavailable { .. }
            | CatalogError::Forbidden { .. }
            | CatalogError::OwnerOnly => Self::refused(what),
        }
    }
}
