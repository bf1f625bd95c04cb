//! The table `[buckets.NAME]`: where the server finds code that a request refers to.
//!
//! Knows the form and the rule of each key. Does not look whether a folder or a storage exists.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use super::{ConfigError, Origin};
use crate::domain::{BucketName, Secret, TenantId, parse_key_tenant};

/// The keys of one bucket, in the file's spelling.
pub(super) const FIELDS: [&str; 12] = [
    "access_key_id",
    "access_key_id_env",
    "allow_http",
    "bucket",
    "endpoint",
    "folder",
    "path_style",
    "region",
    "secret_access_key",
    "secret_access_key_env",
    "secret_access_key_file",
    "tenants",
];

/// The region that requests are signed for when the table names none.
const REGION: &str = "us-east-1";

/// Most bytes of a key id.
const KEY_ID_MAX: usize = 128;

/// One configured bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The location of its objects.
    pub place: BucketLocation,
    /// The tenants that may read it; `None` is all. A subtenant (an openYuanrong product) counts as
    /// its tenant.
    pub tenants: Option<BTreeSet<TenantId>>,
}

/// The location of a bucket's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketLocation {
    /// A folder on this machine, or the target of a link by that name.
    Folder(PathBuf),
    /// A storage that speaks S3.
    Storage(Storage),
}

/// How an S3-compatible storage is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Scheme, host and port, without a slash at the end.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket's name in the storage.
    pub bucket: BucketName,
    /// The key to sign with; `None` sends requests without a signature.
    pub key: Option<StorageKey>,
    /// Whether the bucket's name is the first part of the path instead of the host.
    pub path_style: bool,
}

/// The access key that this server uses at a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageKey {
    /// The key's id.
    pub id: String,
    /// The key's secret.
    pub secret: Secret,
}

/// One table of the file as text, with the line of each key.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) fields: BTreeMap<&'static str, (String, Origin)>,
}

/// Checks all tables; `environment` looks up the variables that hold keys.
pub(super) fn parse(
    tables: &[Table],
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<BTreeMap<BucketName, Bucket>, ConfigError> {
    let parse = |table: &Table| {
        let name = BucketName::parse(&*table.name).map_err(|refusal| {
            let what = format!("the name of [buckets.{:?}]", table.name);
            let rule = refusal.to_string();
            let rule = rule.strip_prefix("bucket ").unwrap_or(&rule);
            ConfigError::invalid(&table.origin, &what, rule)
        })?;
        let bucket = table.parse(&name, &environment)?;
        Ok((name, bucket))
    };
    tables.iter().map(parse).collect()
}

impl Table {
    fn parse(
        &self,
        name: &BucketName,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Bucket, ConfigError> {
        let place = match (self.fields.get("folder"), self.fields.get("endpoint")) {
            (Some((folder, _)), None) => {
                let storage_only = |key: &&&str| !matches!(**key, "folder" | "tenants");
                if let Some(key) = self.fields.keys().find(storage_only) {
                    return Err(self.wrong(
                        key,
                        "is for a bucket with an endpoint, and this one has a folder",
                    ));
                }
                if folder.is_empty() {
                    return Err(self.wrong("folder", "must name a folder"));
                }
                BucketLocation::Folder(PathBuf::from(folder))
            }
            (None, Some(_)) => BucketLocation::Storage(Storage {
                endpoint: self.endpoint()?,
                region: self
                    .get(
                        "region",
                        "must be 1 to 64 letters, digits, '_' or '-'",
                        super::gathered::region,
                    )?
                    .unwrap_or_else(|| REGION.to_owned()),
                bucket: self
                    .get("bucket", "is not a bucket name", |text| BucketName::parse(text).ok())?
                    .unwrap_or_else(|| name.clone()),
                key: self.key(environment)?,
                path_style: self.switch("path_style")?.unwrap_or(true),
            }),
            (Some(_), Some(_)) => {
                return Err(
                    self.wrong("endpoint", "must not be set with folder: a bucket has one of them")
                );
            }
            (None, None) => {
                let what = format!("[buckets.{}]", self.name);
                let rule = "needs a folder, or the endpoint of a storage that speaks S3";
                return Err(ConfigError::invalid(&self.origin, &what, rule));
            }
        };
        let tenants = self.get("tenants", "must be a list of tenants: [\"default\"]", |text| {
            text.split(',').map(|tenant| parse_key_tenant(tenant).ok()).collect()
        })?;
        Ok(Bucket { place, tenants })
    }

    /// Returns scheme, host and port. Plain http also needs `allow_http`: any machine on the way
    /// can read and change the code.
    fn endpoint(&self) -> Result<String, ConfigError> {
        let rule = "must be http:// or https:// with a host, perhaps a port, and nothing else";
        let endpoint = self.get("endpoint", rule, |text| {
            let (scheme, host) = text.split_once("://")?;
            let host = host.strip_suffix('/').unwrap_or(host);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            let fine = !host.is_empty() && host.bytes().all(plain);
            (fine && matches!(scheme, "http" | "https")).then(|| format!("{scheme}://{host}"))
        })?;
        let endpoint = endpoint.unwrap_or_default();
        if endpoint.starts_with("http://") && self.switch("allow_http")? != Some(true) {
            let rule = "is plain http, which others on the network can read and change; \
                        'allow_http = true' accepts that";
            return Err(self.wrong("endpoint", rule));
        }
        Ok(endpoint)
    }

    /// Returns id and secret of the storage's key, each from exactly one source, or neither.
    fn key(
        &self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<StorageKey>, ConfigError> {
        let id = self.half(&["access_key_id", "access_key_id_env"], &environment)?;
        let secrets = ["secret_access_key", "secret_access_key_env", "secret_access_key_file"];
        let secret = self.half(&secrets, &environment)?;
        let (id, secret) = match (id, secret) {
            (None, None) => return Ok(None),
            (Some(id), Some(secret)) => (id, secret),
            (Some((key, _)), None) => {
                return Err(self.wrong(key, "needs secret_access_key too, or its _env or _file"));
            }
            (None, Some((key, _))) => {
                return Err(self.wrong(key, "needs access_key_id too, or its _env"));
            }
        };
        let is_id = !id.1.is_empty()
            && id.1.len() <= KEY_ID_MAX
            && id.1.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_id {
            let rule = "must be 1 to 128 printable ASCII characters without blanks";
            return Err(self.wrong(id.0, rule));
        }
        // The refusal names the rule, never the secret.
        let secret = Secret::parse(secret.1).map_err(|refusal| {
            let rule = refusal.to_string();
            self.wrong(secret.0, rule.strip_prefix("secret ").unwrap_or(&rule))
        })?;
        Ok(Some(StorageKey { id: id.1, secret }))
    }

    /// Returns the key's id or secret, from whichever of `keys` is set, with that key's name.
    fn half(
        &self,
        keys: &[&'static str],
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<(&'static str, String)>, ConfigError> {
        let mut given = keys.iter().filter(|key| self.fields.contains_key(**key));
        let Some(key) = given.next() else { return Ok(None) };
        if let Some(other) = given.next() {
            return Err(self.wrong(other, &format!("must not be set with {key}: one is enough")));
        }
        let text = &self.fields[key].0;
        let found = if key.ends_with("_env") {
            environment(text)
                .and_then(|value| value.into_string().ok())
                .filter(|value| !value.is_empty())
                .ok_or_else(|| self.wrong(key, "names a variable that is not set"))?
        } else if key.ends_with("_file") {
            let read = std::fs::read_to_string(text).map_err(|failure| {
                self.wrong(key, &format!("names a file that cannot be read: {failure}"))
            })?;
            read.trim_end().to_owned()
        } else {
            text.clone()
        };
        Ok(Some((key, found)))
    }

    fn switch(&self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        self.get(key, "must be true or false", |text| text.parse().ok())
    }

    /// Parses one key, if it is set.
    fn get<T>(
        &self,
        key: &'static str,
        rule: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.fields.get(key) {
            Some((text, _)) => parse(text).map(Some).ok_or_else(|| self.wrong(key, rule)),
            None => Ok(None),
        }
    }

    /// Builds an error without the value, which could be a secret under the wrong key.
    fn wrong(&self, key: &str, rule: &str) -> ConfigError {
        let origin = self.fields.get(key).map_or(&self.origin, |(_, origin)| origin);
        ConfigError::invalid(origin, &format!("buckets.{}.{key}", self.name), rule)
    }
}

#[cfg(test)]
mod tests;
