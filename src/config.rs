//! The settings of `serve`: flag over environment over file over default, then the start rules.
//!
//! Knows where a setting may come from and which combinations are refused. Must not know the
//! command line's grammar (`cli`) nor do anything with a setting but check it.

mod file;
pub mod size;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::domain::TenantSpelling;

/// The settings that have a flag, a variable and a key in the file, all of one name.
///
/// `max_upload` is `--max-upload`, `LAYERBASE_MAX_UPLOAD` and `max_upload = …`.
pub const KEYS: [&str; 12] = [
    "allow_anonymous",
    "auth",
    "data",
    "dialects",
    "listen",
    "log",
    "log_format",
    "max_entries",
    "max_unpacked",
    "max_upload",
    "public_url",
    "region",
];

/// Every dialect that the binary speaks, by the name of its folder.
pub const DIALECTS: [&str; 6] = ["alibaba", "ctyun", "huawei", "native", "openyuanrong", "tencent"];

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "layerbase.toml";

/// Everything `serve` needs to know, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The folder that holds the catalog and the code.
    pub data: PathBuf,
    /// Where to accept connections; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Whether clients must sign.
    pub auth: Auth,
    /// Whether `auth` may be off on an address that others can reach.
    pub allow_anonymous: bool,
    /// The dialects to answer, sorted and without repetition; never empty.
    pub dialects: Vec<String>,
    /// Most bytes of one uploaded zip; `None` leaves each dialect its own vendor's limit.
    pub max_upload: Option<u64>,
    /// The address that download links start with, without a slash at the end.
    pub public_url: Option<String>,
    /// The region that is echoed and put into identifiers.
    pub region: String,
    /// Most bytes of all entries of a zip unpacked.
    pub max_unpacked: u64,
    /// Most entries of a zip.
    pub max_entries: u64,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, in the words of `tracing`'s filter.
    pub log: String,
    /// How a tenant is called in each cloud, where the derived names do not do.
    pub tenants: BTreeMap<String, TenantSpelling>,
}

/// Whether requests must carry a valid signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everyone is the default tenant.
    Off,
    /// Each dialect verifies its clients' signatures.
    On,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a setting was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A line of the file.
    File {
        /// The file as it was named.
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

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value breaks a rule.
    #[error("{origin}: {what} {rule}")]
    Invalid {
        /// Where it stands.
        origin: Origin,
        /// The setting, or what was found instead.
        what: String,
        /// The rule.
        rule: String,
    },
    /// The file has a key that means nothing.
    #[error("{origin}: unknown key '{key}'; the nearest known key is '{nearest}'")]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// The known key that looks most like it.
        nearest: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The settings are well formed and are refused together.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
        /// The ways on.
        ways_on: String,
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

/// The environment's variable that carries a setting.
pub fn variable(key: &str) -> String {
    format!("LAYERBASE_{}", key.to_uppercase())
}

/// What the command line said: the file to read and the flags that were given, as text.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// The given flags by their element of [`KEYS`].
    pub values: BTreeMap<&'static str, String>,
}

impl Config {
    /// Gathers the settings from all sources and checks them.
    ///
    /// `environment` looks a variable up; an empty one counts as unset. `folder` is where
    /// [`DEFAULT_FILE`] is looked for. `ConfigError::Refused` means that the settings are well
    /// formed and must not be served; every other error is a mistake in what was written.
    pub fn load(
        flags: &Flags,
        environment: impl Fn(&str) -> Option<OsString>,
        folder: &Path,
    ) -> Result<Self, ConfigError> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let named = flags.config.clone().or_else(|| set(&variable("config")).map(PathBuf::from));
        let file = match named {
            Some(path) => read(&path)?,
            None => match read(&folder.join(DEFAULT_FILE)) {
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
        let config = gathered.parse(file.tenants)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what must not be served.
    fn check(&self) -> Result<(), ConfigError> {
        let open = self.listen.ip().to_canonical();
        if self.auth == Auth::Off && !open.is_loopback() && !self.allow_anonymous {
            return Err(ConfigError::Refused {
                reason: format!(
                    "{} can be reached from other machines, and authentication is off: anyone \
                     there could read, publish and delete",
                    self.listen
                ),
                ways_on: "ask for signatures with --auth on (from the next release), or accept \
                          everyone with --auth off --allow-anonymous; --listen 127.0.0.1:8470 \
                          keeps it on this machine"
                    .to_owned(),
            });
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<file::File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    file::parse(&path.display().to_string(), &text)
}

/// The settings as text, each from its strongest source.
struct Gathered {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Gathered {
    fn parse(&self, tenants: BTreeMap<String, TenantSpelling>) -> Result<Config, ConfigError> {
        Ok(Config {
            data: self.get("data", "must name a folder", "./layerbase-data", |text| {
                (!text.is_empty()).then(|| PathBuf::from(text))
            })?,
            listen: self.get(
                "listen",
                "is not an address and a port, such as 127.0.0.1:8470, [::1]:8470 or 0.0.0.0:8470",
                "127.0.0.1:8470",
                |text| match text.strip_prefix("localhost:") {
                    Some(port) => format!("127.0.0.1:{port}").parse().ok(),
                    None => text.parse().ok(),
                },
            )?,
            auth: self.get("auth", "must be 'on' or 'off'", "off", |text| match text {
                "on" => Some(Auth::On),
                "off" => Some(Auth::Off),
                _ => None,
            })?,
            allow_anonymous: self.get(
                "allow_anonymous",
                "must be 'true' or 'false'",
                "false",
                |text| match text {
                    "true" | "1" => Some(true),
                    "false" | "0" => Some(false),
                    _ => None,
                },
            )?,
            dialects: self.get(
                "dialects",
                &format!("must be 'all' or names out of: {}", DIALECTS.join(", ")),
                "all",
                dialects,
            )?,
            max_upload: self.size("max_upload", "none")?,
            public_url: self.get(
                "public_url",
                "must start with http:// or https:// and have no '?' or '#'",
                "",
                public_url,
            )?,
            region: self.get(
                "region",
                "must be 1 to 64 letters, digits, '_' or '-'",
                "local-1",
                region,
            )?,
            max_unpacked: self.size("max_unpacked", "1GiB")?.unwrap_or(u64::MAX),
            max_entries: self.get(
                "max_entries",
                "must be a whole number above 0",
                "30000",
                |text| text.parse().ok().filter(|number| *number > 0),
            )?,
            log_format: self.get("log_format", "must be 'text' or 'json'", "text", |text| {
                match text {
                    "text" => Some(LogFormat::Text),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                }
            })?,
            log: self.get(
                "log",
                "must be a filter, such as 'info' or 'debug,hyper=warn'",
                "info",
                |text| {
                    text.parse::<tracing_subscriber::filter::Targets>()
                        .ok()
                        .map(|_| text.to_owned())
                },
            )?,
            tenants,
        })
    }

    /// Parses one setting, or its default, which always parses.
    fn get<T>(
        &self,
        key: &'static str,
        rule: &str,
        default: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        match self.values.get(key) {
            Some((text, origin)) => parse(text)
                .ok_or_else(|| ConfigError::invalid(origin, &format!("{key} '{text}'"), rule)),
            None => Ok(parse(default).expect("the table's own defaults follow its rules")),
        }
    }

    /// A size above 0, or `None` for the word `none`.
    fn size(&self, key: &'static str, default: &str) -> Result<Option<u64>, ConfigError> {
        let rule = format!("must be above 0 and one of: {}; or 'none'", size::FORMS);
        self.get(key, &rule, default, |text| match text {
            "none" => Some(None),
            _ => size::parse(text).filter(|bytes| *bytes > 0).map(Some),
        })
    }
}

fn dialects(text: &str) -> Option<Vec<String>> {
    let mut names: Vec<&str> = text.split(',').map(str::trim).collect();
    if names == ["all"] {
        names = DIALECTS.to_vec();
    }
    names.sort_unstable();
    names.dedup();
    let known = names.iter().all(|name| DIALECTS.contains(name));
    known.then(|| names.into_iter().map(str::to_owned).collect())
}

fn public_url(text: &str) -> Option<Option<String>> {
    if text.is_empty() {
        return Some(None);
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>".contains(&byte));
    let host = !rest.is_empty() && !rest.starts_with('/');
    (plain && host).then(|| Some(text.trim_end_matches('/').to_owned()))
}

fn region(text: &str) -> Option<String> {
    let plain = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
