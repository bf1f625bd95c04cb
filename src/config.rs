//! The settings of `serve`: flag over environment over file over default, then the checks.
//!
//! Knows the sources of a setting and which combinations are refused. Must not know the command
//! line's grammar (`cli`) nor do anything with a setting but check it.

mod buckets;
pub mod duration;
mod file;
mod gathered;
mod networks;
pub mod size;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use buckets::{Bucket, BucketLocation, Storage, StorageKey};
use gathered::Gathered;
pub use networks::Network;

use crate::domain::{BucketName, CloudIds, KnownDialects};

/// The settings that have a flag, a variable and a key in the file, all with the same name.
///
/// `max_upload` is `--max-upload`, `LAYERBASE_MAX_UPLOAD` and `max_upload = …`.
pub const KEYS: [&str; 33] = [
    "allow_anonymous",
    "allow_host",
    "auth",
    "body_timeout",
    "check_content",
    "ctyun_skew",
    "data",
    "dialects",
    "fetch_timeout",
    "head_timeout",
    "inbox_lifetime",
    "inbox_max",
    "listen",
    "log",
    "log_format",
    "max_body",
    "max_connections",
    "max_entries",
    "max_head",
    "max_peer_connections",
    "max_requests",
    "max_tenant_code",
    "max_unpacked",
    "max_upload",
    "max_uploads",
    "min_free",
    "public_url",
    "rate_limit",
    "region",
    "require_tls",
    "tls_cert",
    "tls_key",
    "trusted_proxies",
];

/// The file that is read, if it exists, when no other is named.
pub const DEFAULT_FILE: &str = "layerbase.toml";

/// All settings of `serve`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The folder that holds the catalog and the code.
    pub data: PathBuf,
    /// The address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// Whether requests must carry a valid signature.
    pub auth: Auth,
    /// Whether `auth` may be off on an address that other machines can reach.
    pub allow_anonymous: bool,
    /// Further names of this server, for clients that need none of `auth`'s: in lower case, sorted;
    /// patterns as [`crate::app::Sites`] reads them.
    pub allow_host: Vec<String>,
    /// The enabled dialects, sorted and without repetition; never empty.
    pub dialects: Vec<String>,
    /// Most bytes of one uploaded zip; `None` applies the limit of each dialect's vendor.
    pub max_upload: Option<u64>,
    /// The address that download links start with, without a slash at the end.
    pub public_url: Option<String>,
    /// The region in responses and identifiers.
    pub region: String,
    /// Most bytes of all entries of a zip, unpacked.
    pub max_unpacked: u64,
    /// Most entries of a zip.
    pub max_entries: u64,
    /// Whether each entry's content is read and compared with its sizes and CRC-32.
    pub check_content: bool,
    /// The certificate and the key to serve https with; `None` serves plain http.
    pub tls: Option<TlsFiles>,
    /// Whether plain http is for this machine's own clients alone.
    pub require_tls: bool,
    /// The peers whose `X-Forwarded-…` headers are believed; sorted.
    pub trusted_proxies: Vec<Network>,
    /// How long a client may take to send a request's head, and how long a connection may be idle
    /// between two requests; above zero.
    pub head_timeout: Duration,
    /// Most bytes of a request's head, from 8 KiB to 1 MiB.
    pub max_head: usize,
    /// How long a client may take to send a whole body; `None` sets no limit, apart from the one on
    /// a client that sends nothing.
    pub body_timeout: Option<Duration>,
    /// How long the copy of one object out of a bucket may take; `None` sets no limit.
    pub fetch_timeout: Option<Duration>,
    /// Most bytes of any request's body, whatever its cloud's limit; `None` applies each
    /// operation's own.
    pub max_body: Option<u64>,
    /// Most open connections, from 1 to 1,000,000. For a further one the longest idle one is
    /// closed.
    pub max_connections: usize,
    /// Most open connections of one peer address, from 1 to 1,000,000.
    pub max_peer_connections: usize,
    /// Most requests handled at a time, from 1 to 1,000,000.
    pub max_requests: usize,
    /// Most uploads handled at a time, from 1 to 1,000,000.
    pub max_uploads: usize,
    /// Most requests per second of one key, above 0; `None` sets no limit.
    pub rate_limit: Option<u32>,
    /// Most bytes of the code of all versions of one tenant; `None` sets no limit.
    pub max_tenant_code: Option<u64>,
    /// How long an object stays in the inbox; `None`: until a client deletes it.
    pub inbox_lifetime: Option<Duration>,
    /// Most bytes of all objects, unfinished uploads and parts in the inbox, of all tenants; each
    /// counts 4,096 more than its bytes. `None` sets no limit.
    pub inbox_max: Option<u64>,
    /// Bytes of the data folder's disk that uploads leave free; `None`: 64 MiB, or a tenth of the
    /// file system where that is less.
    pub min_free: Option<u64>,
    /// How far the date of a CTyun request may be from the server's time; `None` does not compare
    /// them, because CTyun's own clients send local time.
    pub ctyun_skew: Option<Duration>,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// Which log lines are written, in the syntax of `tracing`'s filter.
    pub log: String,
    /// The ids of tenants in each cloud that replace the derived ones.
    pub tenants: BTreeMap<String, CloudIds>,
    /// The configured buckets; any other is a folder of its name in the data folder.
    pub buckets: BTreeMap<BucketName, Bucket>,
}

/// Whether requests must carry a valid signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Every client is the default tenant.
    Off,
    /// Each dialect verifies the signatures of its clients.
    On,
}

/// The files to serve https with, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by its intermediate certificates.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The source of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A line of the file.
    File {
        /// The file's name as given.
        name: String,
        /// Counted from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => formatter.write_str(&flag(key)),
            Self::Environment(key) => formatter.write_str(&variable(key)),
            Self::File { name, line } => write!(formatter, "{name}:{line}"),
        }
    }
}

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value breaks a rule.
    #[error("{origin}: {what} {rule}")]
    Invalid {
        /// The source of the value.
        origin: Origin,
        /// The setting and its value, or what else is wrong.
        what: String,
        /// The rule.
        rule: String,
    },
    /// The file has an unknown key.
    #[error("{origin}: unknown key '{key}'; the nearest known key is '{nearest}'")]
    UnknownKey {
        /// The line of the key.
        origin: Origin,
        /// The key.
        key: String,
        /// The most similar known key.
        nearest: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The settings are well formed, but their combination is refused.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
        /// What the operator can set instead.
        remedies: String,
    },
}

impl ConfigError {
    fn invalid(origin: &Origin, what: &str, rule: &str) -> Self {
        Self::Invalid { origin: origin.clone(), what: what.to_owned(), rule: rule.to_owned() }
    }
}

/// The flag that carries a setting.
pub fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// The environment variable that carries a setting.
pub fn variable(key: &str) -> String {
    format!("LAYERBASE_{}", key.to_uppercase())
}

/// The settings of the command line: the file to read and the given flags, as text.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// The given flags, by element of [`KEYS`].
    pub values: BTreeMap<&'static str, String>,
}

impl Config {
    /// Gathers the settings from all sources and checks them.
    ///
    /// `environment` looks a variable up; an empty one counts as unset. `folder` is where
    /// [`DEFAULT_FILE`] is looked for. Fails with `ConfigError::Refused` if the settings are well
    /// formed but unsafe together; every other error is a mistake in one of them.
    pub fn load(
        flags: &Flags,
        environment: impl Fn(&str) -> Option<OsString>,
        folder: &Path,
        dialects: &KnownDialects,
    ) -> Result<Self, ConfigError> {
        let (gathered, tables) = gather(flags, &environment, folder, dialects)?;
        let buckets = buckets::parse(&tables.buckets, environment)?;
        let config = gathered.parse(tables.tenants, buckets, dialects)?;
        config.check()?;
        Ok(config)
    }

    /// Returns the data folder that `serve` would use, for commands that work on it; the other
    /// settings are not checked.
    pub fn load_data(
        flags: &Flags,
        environment: impl Fn(&str) -> Option<OsString>,
        folder: &Path,
        dialects: &KnownDialects,
    ) -> Result<PathBuf, ConfigError> {
        gather(flags, environment, folder, dialects)?.0.data()
    }

    /// Returns the scheme of the server's URLs.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether clients of other machines are served without TLS.
    pub fn takes_plain_http_from_outside(&self) -> bool {
        let is_local = self.listen.ip().to_canonical().is_loopback();
        !is_local && self.tls.is_none() && !self.require_tls
    }

    /// Refuses combinations of settings that are unsafe.
    fn check(&self) -> Result<(), ConfigError> {
        let address = self.listen.ip().to_canonical();
        let open = self.auth == Auth::Off && !self.allow_anonymous;
        if open && !address.is_loopback() {
            return Err(ConfigError::Refused {
                reason: format!(
                    "{} can be reached from other machines, and authentication is off: any client \
                     there could read, publish and delete",
                    self.listen
                ),
                remedies: "require signatures with --auth on (after `layerbase key add`), or \
                           accept any client with --auth off --allow-anonymous; \
                           --listen 127.0.0.1:8470 serves this machine alone"
                    .to_owned(),
            });
        }
        Ok(())
    }
}

/// Takes each setting from its source with the highest precedence, and the tables from the file.
fn gather(
    flags: &Flags,
    environment: impl Fn(&str) -> Option<OsString>,
    folder: &Path,
    dialects: &KnownDialects,
) -> Result<(Gathered, file::Tables), ConfigError> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let named = flags.config.clone().or_else(|| set(&variable("config")).map(PathBuf::from));
    let file = match named {
        Some(path) => read(&path, dialects)?,
        None => match read(&folder.join(DEFAULT_FILE), dialects) {
            Err(ConfigError::Unreadable { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                file::File::default()
            }
            other => other?,
        },
    };
    let mut gathered = Gathered { values: file.values };
    for key in KEYS {
        if let Some(text) = flags.values.get(key) {
            gathered.values.insert(key, (text.clone(), Origin::Flag(key)));
        } else if let Some(text) = set(&variable(key)) {
            let origin = Origin::Environment(key);
            let text = text
                .into_string()
                .map_err(|_| ConfigError::invalid(&origin, "the value", "is not UTF-8"))?;
            gathered.values.insert(key, (text, origin));
        }
    }
    Ok((gathered, file.tables))
}

fn read(path: &Path, dialects: &KnownDialects) -> Result<file::File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    file::parse(&path.display().to_string(), &text, dialects)
}

#[cfg(test)]
mod tests;
