//! Turns the gathered settings from text into a [`Config`].
//!
//! Knows the default, the form and the rule of each setting. `config` checks their combinations.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    Auth, Bucket, BucketName, CloudIds, Config, ConfigError, KnownDialects, LogFormat, Network,
    Origin, TlsFiles, duration, flag, size,
};

/// The range of limits on connections, requests and uploads.
const COUNT: RangeInclusive<usize> = 1..=1_000_000;

/// The range of the limit on a head, in bytes. hyper refuses a smaller limit than 8 KiB. It also
/// reads bodies in pieces of up to this limit, and each connection may hold one piece in memory.
const HEAD: RangeInclusive<u64> = 8 << 10..=1 << 20;

/// The rule for names of this server.
const HOST_RULE: &str = "must be names without scheme and port, separated by commas, such as \
                         edge1.lan or *.lan; at most one '*' for each part between dots, none in \
                         the last of several parts";

/// Longest name of a host, in bytes (RFC 1035 section 2.3.4).
const HOST_MAX: usize = 253;

/// The settings as text, each from its source with the highest precedence.
pub(super) struct Gathered {
    pub(super) values: BTreeMap<&'static str, (String, Origin)>,
}

impl Gathered {
    pub(super) fn data(&self) -> Result<PathBuf, ConfigError> {
        self.get("data", "must name a folder", "./layerbase-data", |text| {
            (!text.is_empty()).then(|| PathBuf::from(text))
        })
    }

    pub(super) fn parse(
        &self,
        tenants: BTreeMap<String, CloudIds>,
        buckets: BTreeMap<BucketName, Bucket>,
        known: &KnownDialects,
    ) -> Result<Config, ConfigError> {
        let max_connections = self.count("max_connections", "1024")?;
        Ok(Config {
            data: self.data()?,
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
            allow_anonymous: self.flag("allow_anonymous")?,
            allow_host: self.get("allow_host", HOST_RULE, "", hosts)?,
            dialects: self.get(
                "dialects",
                &format!("must be 'all' or a list of: {}", known.names.join(", ")),
                "all",
                |text| dialects(text, &known.names),
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
                "250000",
                |text| text.parse().ok().filter(|number| *number > 0),
            )?,
            check_content: self.get("check_content", "must be 'on' or 'off'", "on", |text| {
                match text {
                    "on" => Some(true),
                    "off" => Some(false),
                    _ => None,
                }
            })?,
            tls: self.tls()?,
            require_tls: self.flag("require_tls")?,
            trusted_proxies: self.get(
                "trusted_proxies",
                "must be IP addresses or networks, separated by commas, such as 10.0.0.5 or \
                 10.0.0.0/8, whose bits after the network's own are 0",
                "",
                proxies,
            )?,
            head_timeout: self.get(
                "head_timeout",
                &format!("must be above 0 and {}", duration::FORMS),
                "30s",
                some_time,
            )?,
            max_head: self.get(
                "max_head",
                "must be a size from 8KiB to 1MiB",
                "64KiB",
                |text| {
                    let bytes = size::parse(text).filter(|bytes| HEAD.contains(bytes))?;
                    usize::try_from(bytes).ok()
                },
            )?,
            body_timeout: self.time("body_timeout", "1h")?,
            fetch_timeout: self.time("fetch_timeout", "15m")?,
            max_body: self.size("max_body", "none")?,
            max_connections,
            max_peer_connections: self
                .count("max_peer_connections", &(max_connections.div_ceil(4) * 3).to_string())?,
            max_requests: self.count("max_requests", "512")?,
            max_uploads: self.count("max_uploads", "16")?,
            rate_limit: self.get(
                "rate_limit",
                "must be a whole number of requests per second above 0, or 'none'",
                "none",
                |text| match text {
                    "none" => Some(None),
                    _ => text.parse().ok().filter(|number| *number > 0).map(Some),
                },
            )?,
            max_tenant_code: self.size("max_tenant_code", "none")?,
            inbox_lifetime: self.get(
                "inbox_lifetime",
                &format!("must be {}; or '0' to keep everything", duration::FORMS),
                "24h",
                |text| match text {
                    "0" => Some(None),
                    _ => duration::parse(text).map(|length| (!length.is_zero()).then_some(length)),
                },
            )?,
            inbox_max: self.size("inbox_max", "10GiB")?,
            min_free: self.get(
                "min_free",
                &format!("must be one of: {}; or 'auto'", size::FORMS),
                "auto",
                |text| match text {
                    "auto" => Some(None),
                    _ => size::parse(text).map(Some),
                },
            )?,
            ctyun_skew: self.time("ctyun_skew", "none")?,
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
            buckets,
        })
    }

    /// Parses one setting, or its default, which is always valid.
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

    /// Parses a setting whose flag has no value; it is off by default.
    fn flag(&self, key: &'static str) -> Result<bool, ConfigError> {
        self.get(key, "must be 'true' or 'false'", "false", |text| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// Returns both files of TLS, or neither.
    fn tls(&self) -> Result<Option<TlsFiles>, ConfigError> {
        let file = |key| {
            let path = |text: &str| (!text.is_empty()).then(|| Some(PathBuf::from(text)));
            let given = self.values.contains_key(key);
            if given { self.get(key, "must name a file", "", path) } else { Ok(None) }
        };
        let alone = |key: &'static str, other: &str| {
            let (text, origin) = &self.values[key];
            let rule = format!("needs {} too: https takes both", flag(other));
            ConfigError::invalid(origin, &format!("{key} '{text}'"), &rule)
        };
        match (file("tls_cert")?, file("tls_key")?) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (Some(_), None) => Err(alone("tls_cert", "tls_key")),
            (None, Some(_)) => Err(alone("tls_key", "tls_cert")),
            (None, None) => Ok(None),
        }
    }

    /// Parses a number of things at a time.
    fn count(&self, key: &'static str, default: &str) -> Result<usize, ConfigError> {
        self.get(key, "must be a whole number from 1 to 1000000", default, |text| {
            text.parse().ok().filter(|number| COUNT.contains(number))
        })
    }

    /// Parses a duration above 0; `none` is `None`.
    fn time(&self, key: &'static str, default: &str) -> Result<Option<Duration>, ConfigError> {
        let rule = format!("must be above 0 and {}; or 'none'", duration::FORMS);
        self.get(key, &rule, default, |text| match text {
            "none" => Some(None),
            _ => some_time(text).map(Some),
        })
    }

    /// Parses a size above 0; `none` is `None`.
    fn size(&self, key: &'static str, default: &str) -> Result<Option<u64>, ConfigError> {
        let rule = format!("must be above 0 and one of: {}; or 'none'", size::FORMS);
        self.get(key, &rule, default, |text| match text {
            "none" => Some(None),
            _ => size::parse(text).filter(|bytes| *bytes > 0).map(Some),
        })
    }
}

fn some_time(text: &str) -> Option<Duration> {
    duration::parse(text).filter(|length| !length.is_zero())
}

fn dialects(text: &str, known: &[&str]) -> Option<Vec<String>> {
    let mut names: Vec<&str> = text.split(',').map(str::trim).collect();
    if names == ["all"] {
        names = known.to_vec();
    }
    names.sort_unstable();
    names.dedup();
    let all_known = names.iter().all(|name| known.contains(name));
    all_known.then(|| names.into_iter().map(str::to_owned).collect())
}

/// Parses names of this server. A `*` in the last part of several would let in names that anyone
/// can register.
fn hosts(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_*".contains(&byte);
        !part.is_empty() && part.bytes().all(is_plain) && part.matches('*').count() < 2
    };
    let is_name = |name: &String| {
        let open_end = name.rsplit_once('.').is_some_and(|(_, last)| last.contains('*'));
        name.len() <= HOST_MAX && !open_end && name.split('.').all(is_part)
    };
    let mut names: Vec<String> =
        text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().all(is_name).then_some(names)
}

fn proxies(text: &str) -> Option<Vec<Network>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let networks = text.split(',').map(|network| Network::parse(network.trim()));
    let mut networks = networks.collect::<Option<Vec<_>>>()?;
    networks.sort_unstable();
    networks.dedup();
    Some(networks)
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

pub(super) fn region(text: &str) -> Option<String> {
    let plain = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    plain.then(|| text.to_owned())
}
