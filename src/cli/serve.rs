//! `layerbase serve`: settings, logging, runtime, and one call into the server.
//!
//! Knows the flags and the exit codes of a start. Must not know what a setting does.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::failure::Failure;
use super::output::Output;
use crate::catalog::{Clock, IdSource};
use crate::config::{Auth, Config, ConfigError, Flags, LogFormat};
use crate::dialects;
use crate::server::{self, ServeError, Server};
use crate::store::OpenError;

/// Most threads for blocking work: scans, writes, downloads from slow disks. None of them waits for
/// a client.
const BLOCKING_THREADS: usize = 64;

/// Open files apart from connections: the catalog on each thread, uploads, downloads.
const OTHER_FILES: u64 = 512;

/// The flags of `serve`; each is also a key of the file and an environment variable.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The address to listen on; port 0 picks a free port [env: LAYERBASE_LISTEN]
    /// [default: 127.0.0.1:8470]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The data folder: the catalog and the code [env: LAYERBASE_DATA] [default: ./layerbase-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Whether requests must be signed with a key of `layerbase key` [env: LAYERBASE_AUTH]
    /// [default: off]
    #[arg(long, value_parser = ["off", "on"])]
    auth: Option<String>,
    /// Allow --auth off on an address that other machines can reach: any client there can read,
    /// publish and delete
    /// [env: LAYERBASE_ALLOW_ANONYMOUS]
    #[arg(long)]
    allow_anonymous: bool,
    /// A further name by which clients call this server, such as edge1.lan or '*.lan'; repeatable.
    /// While authentication is off, requests to other names than the machine's own, its IP
    /// addresses, localhost and the one of --public-url are refused; '*' accepts every name
    /// [env: LAYERBASE_ALLOW_HOST]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow_host: Option<Vec<String>>,
    /// The dialects to serve, separated by commas [env: LAYERBASE_DIALECTS] [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = dialect_names())]
    dialects: Option<Vec<String>>,
    /// Largest zip to accept, such as 64MiB or 50MB [env: LAYERBASE_MAX_UPLOAD] [default: each
    /// dialect's own vendor limit]
    #[arg(long, value_name = "SIZE")]
    max_upload: Option<String>,
    /// Largest total size of a zip's entries, unpacked; Tencent takes 500MiB and openYuanrong
    /// 600MiB at most [env: LAYERBASE_MAX_UNPACKED] [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    max_unpacked: Option<String>,
    /// Most entries in a zip [env: LAYERBASE_MAX_ENTRIES] [default: 250000]
    #[arg(long, value_name = "NUMBER")]
    max_entries: Option<String>,
    /// Whether to read each entry of a zip once, after its upload, and compare it with its sizes
    /// and CRC-32; off believes what the zip declares [env: LAYERBASE_CHECK_CONTENT] [default: on]
    #[arg(long, value_parser = ["off", "on"])]
    check_content: Option<String>,
    /// Serve https with this certificate, followed by its intermediate certificates, PEM; read
    /// again on SIGHUP [env: LAYERBASE_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The certificate's private key, PEM [env: LAYERBASE_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Refuse plain http from other machines, but for /healthz and /readyz. Without --tls-cert only
    /// clients on this machine are then served, such as a proxy that speaks https, and what a proxy
    /// of --trusted-proxies forwards as https
    /// [env: LAYERBASE_REQUIRE_TLS]
    #[arg(long)]
    require_tls: bool,
    /// Proxies whose X-Forwarded-Proto, -Host and -Prefix are believed: IP addresses and networks,
    /// separated by commas, such as 127.0.0.1,10.0.0.0/8. They must set or remove these headers
    /// themselves. Links then name the address that the proxy's client used
    /// [env: LAYERBASE_TRUSTED_PROXIES] [default: none]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    trusted_proxies: Option<Vec<String>>,
    /// How long a client may take to send a request's head, and how long a connection may be idle
    /// between two requests [env: LAYERBASE_HEAD_TIMEOUT] [default: 30s]
    #[arg(long, value_name = "TIME")]
    head_timeout: Option<String>,
    /// Largest head of a request, from 8KiB to 1MiB [env: LAYERBASE_MAX_HEAD] [default: 64KiB]
    #[arg(long, value_name = "SIZE")]
    max_head: Option<String>,
    /// How long a client may take to send a whole body [env: LAYERBASE_BODY_TIMEOUT]
    /// [default: 1h]
    #[arg(long, value_name = "TIME")]
    body_timeout: Option<String>,
    /// How long the copy of one object out of a bucket may take [env: LAYERBASE_FETCH_TIMEOUT]
    /// [default: 15m]
    #[arg(long, value_name = "TIME")]
    fetch_timeout: Option<String>,
    /// Largest body of any request [env: LAYERBASE_MAX_BODY] [default: each operation's own limit]
    #[arg(long, value_name = "SIZE")]
    max_body: Option<String>,
    /// Most connections at a time. For a further one the longest idle one is closed; while all are
    /// busy it gets a 503, or the answer to a probe [env: LAYERBASE_MAX_CONNECTIONS]
    /// [default: 1024]
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<String>,
    /// Most connections of one address at a time (of one /64 network for IPv6). Those of
    /// --trusted-proxies are exempt [env: LAYERBASE_MAX_PEER_CONNECTIONS] [default: three quarters
    /// of all connections]
    #[arg(long, value_name = "NUMBER")]
    max_peer_connections: Option<String>,
    /// Most requests at a time [env: LAYERBASE_MAX_REQUESTS] [default: 512]
    #[arg(long, value_name = "NUMBER")]
    max_requests: Option<String>,
    /// Most uploads at a time [env: LAYERBASE_MAX_UPLOADS] [default: 16]
    #[arg(long, value_name = "NUMBER")]
    max_uploads: Option<String>,
    /// Most requests per second with one key [env: LAYERBASE_RATE_LIMIT] [default: none]
    #[arg(long, value_name = "NUMBER")]
    rate_limit: Option<String>,
    /// Most bytes of the code of all versions of one tenant and its openYuanrong products
    /// [env: LAYERBASE_MAX_TENANT_CODE] [default: none]
    #[arg(long, value_name = "SIZE")]
    max_tenant_code: Option<String>,
    /// Space on the data folder's disk that uploads leave free: one that would leave less is
    /// refused. 'auto' is 64MiB, or a tenth of the file system where that is less [env:
    /// LAYERBASE_MIN_FREE] [default: auto]
    #[arg(long, value_name = "SIZE")]
    min_free: Option<String>,
    /// How long an object stays in the inbox, such as 24h; 0 keeps it until it is deleted
    /// [env: LAYERBASE_INBOX_LIFETIME] [default: 24h]
    #[arg(long, value_name = "TIME")]
    inbox_lifetime: Option<String>,
    /// Most bytes of all objects in the inbox; each counts 4 KiB more than its size
    /// [env: LAYERBASE_INBOX_MAX] [default: 10GiB]
    #[arg(long, value_name = "SIZE")]
    inbox_max: Option<String>,
    /// How far the date of a signed CTyun request may be from the server's time
    /// [env: LAYERBASE_CTYUN_SKEW] [default: none, since CTyun's own clients send local time]
    #[arg(long, value_name = "TIME")]
    ctyun_skew: Option<String>,
    /// The URL that download links start with [env: LAYERBASE_PUBLIC_URL] [default: what a trusted
    /// proxy forwards, else host and port of the request, or the listening port where it names
    /// none]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The region in responses and identifiers [env: LAYERBASE_REGION] [default: local-1]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Which log lines to write, such as debug or info,layerbase=trace [env: LAYERBASE_LOG]
    /// [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// The format of log lines [env: LAYERBASE_LOG_FORMAT] [default: text]
    #[arg(long, value_parser = ["text", "json"])]
    log_format: Option<String>,
    /// Read settings from FILE [env: LAYERBASE_CONFIG] [default: ./layerbase.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The end of `layerbase serve --help`.
pub(super) const HELP: &str = "\
Examples:
  layerbase serve
  layerbase serve --listen 127.0.0.1:0 --data /tmp/scratch
  layerbase serve --listen 0.0.0.0:8470 --auth off --allow-anonymous --public-url http://edge1:8470
  layerbase serve --listen 0.0.0.0:8470 --auth on --tls-cert node.pem --tls-key node.key
  layerbase serve --listen 0.0.0.0:8470 --auth off --allow-anonymous --allow-host '*.lan'
  layerbase serve --auth on --require-tls --trusted-proxies 127.0.0.1
  layerbase serve --dialects native,tencent --max-upload 64MiB

A setting's value is taken from the flag, else the environment, else the file, else the default.
The file's keys are the flags' names with '_' for '-'. It can have a table for each tenant and for
each bucket:

  listen = \"127.0.0.1:8470\"
  max_upload = \"64MiB\"
  [tenants.default]
  alibaba_account = \"1234567890123456\"   # digits
  ctyun_tenant = 7000
  ctyun_account = \"0123456789abcdef0123456789abcdef\"
  huawei_domain = \"0123456789abcdef0123456789abcdef\"
  tencent_app_id = \"1250000000\"
  [buckets.code]
  folder = \"/srv/code\"                   # without a table: buckets/code in the data folder
  [buckets.releases]
  endpoint = \"https://s3.example:9000\"   # speaks S3; http:// also needs allow_http = true
  access_key_id = \"node1\"                # or access_key_id_env = \"VARIABLE\"
  secret_access_key_file = \"node1.secret\" # or secret_access_key, secret_access_key_env
  tenants = [\"default\"]                  # the tenants that may read it; default: all

A size is a whole number of bytes, or one with a unit in any letter case: K M G T and
KiB MiB GiB TiB count in 1024s, KB MB GB TB in 1000s. A time is a whole number with ms, s, m, h or
d, such as 90s or 15m. 'none' means no limit for max_unpacked, body_timeout, fetch_timeout,
max_body, max_tenant_code, inbox_max, rate_limit and ctyun_skew; for max_upload it means each
vendor's own limit.

Exit codes: 0 stopped by a signal, 1 failed, 2 wrong settings, 4 refused to start.";

impl Serve {
    /// Collects the given flags.
    fn flags(&self) -> Flags {
        let mut values = BTreeMap::new();
        let given = [
            ("auth", &self.auth),
            ("body_timeout", &self.body_timeout),
            ("check_content", &self.check_content),
            ("ctyun_skew", &self.ctyun_skew),
            ("data", &self.data),
            ("fetch_timeout", &self.fetch_timeout),
            ("head_timeout", &self.head_timeout),
            ("inbox_lifetime", &self.inbox_lifetime),
            ("inbox_max", &self.inbox_max),
            ("listen", &self.listen),
            ("log", &self.log),
            ("log_format", &self.log_format),
            ("max_body", &self.max_body),
            ("max_connections", &self.max_connections),
            ("max_entries", &self.max_entries),
            ("max_head", &self.max_head),
            ("max_peer_connections", &self.max_peer_connections),
            ("max_requests", &self.max_requests),
            ("max_tenant_code", &self.max_tenant_code),
            ("max_unpacked", &self.max_unpacked),
            ("max_upload", &self.max_upload),
            ("max_uploads", &self.max_uploads),
            ("min_free", &self.min_free),
            ("public_url", &self.public_url),
            ("rate_limit", &self.rate_limit),
            ("region", &self.region),
            ("tls_cert", &self.tls_cert),
            ("tls_key", &self.tls_key),
        ];
        for (key, text) in given {
            if let Some(text) = text {
                values.insert(key, text.clone());
            }
        }
        if self.allow_anonymous {
            values.insert("allow_anonymous", "true".to_owned());
        }
        if self.require_tls {
            values.insert("require_tls", "true".to_owned());
        }
        let lists = [
            ("allow_host", &self.allow_host),
            ("dialects", &self.dialects),
            ("trusted_proxies", &self.trusted_proxies),
        ];
        for (key, list) in lists {
            if let Some(list) = list {
                values.insert(key, list.join(","));
            }
        }
        Flags { config: self.config.clone(), values }
    }
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(serve: &Serve, output: &mut Output<'_>) -> Result<(), Failure> {
    let environment = |name: &str| std::env::var_os(name);
    let known = dialects::known();
    let config = Config::load(&serve.flags(), environment, Path::new(""), &known)?;
    log(&config)?;
    allow_open_files(config.max_connections);
    report_signatures(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let server = Server::bind(config, Clock::system(), IdSource::random()).await?;
        let stop = server::stop_signal();
        // Scripts wait for this line, so it must not stay in a buffer.
        output.line(&format!("layerbase ready on {}", server.url()))?;
        output.flush()?;
        server.run(stop).await;
        Ok(())
    })
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let mut what = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            what = format!("{what}: {error}");
            source = error.source();
        }
        match error {
            // Starting would do harm, or the folder belongs to another program.
            ServeError::Open(
                OpenError::Locked(_) | OpenError::NewerSchema { .. } | OpenError::Foreign(_),
            ) => Self::refused(what).hint("name another folder with --data"),
            ServeError::Tls(_) => Self::usage(what),
            ServeError::Open(_) | ServeError::Listen { .. } => Self::failed(what),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let what = error.to_string();
        match error {
            ConfigError::Refused { remedies, .. } => Self::refused(what).hint(remedies),
            ConfigError::Invalid { .. } | ConfigError::UnknownKey { .. } => Self::usage(what),
            ConfigError::Unreadable { .. } => Self::usage(what),
        }
    }
}

/// Reports what the vendors' signatures leave uncovered: loudly where the traffic of other machines
/// is not encrypted.
fn report_signatures(config: &Config) {
    let weak = weaknesses(config);
    let names: Vec<&str> = weak.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        return;
    }
    if !config.takes_plain_http_from_outside() {
        let dialects = names.join(", ");
        tracing::info!(dialects, "signatures of these clouds do not cover whole requests");
        return;
    }
    for (dialect, weakness) in weak {
        tracing::warn!(
            "clients of other machines are served without TLS, also those of {dialect}, {weakness}. \
             Serve https (--tls-cert), refuse plain http (--require-tls), or leave {dialect} out of \
             --dialects"
        );
    }
}

/// Returns the served dialects whose signatures leave something uncovered, and what.
fn weaknesses(config: &Config) -> Vec<(&'static str, String)> {
    if config.auth == Auth::Off {
        return Vec::new();
    }
    let is_served = |name: &str| config.dialects.iter().any(|served| served == name);
    let weak = dialects::DIALECTS.iter().filter(|dialect| is_served(dialect.name));
    weak.filter_map(|dialect| {
        let mut weakness = dialect.weakness?.to_owned();
        if dialect.name == "ctyun" {
            weakness += &match config.ctyun_skew {
                Some(skew) => format!(", for {} seconds (--ctyun-skew)", skew.as_secs()),
                None => ", at any time, since --ctyun-skew sets no limit".to_owned(),
            };
        }
        Some((dialect.name, weakness))
    })
    .collect()
}

/// Raises the limit on open files as far as the system permits: each connection needs one, and a
/// shell's default is often lower than `connections`.
fn allow_open_files(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) if allowed >= wanted => {}
        Ok(allowed) => {
            tracing::warn!(allowed, wanted, "the limit on open files is low for max_connections")
        }
        Err(error) => tracing::warn!(%error, "cannot raise the limit on open files"),
    }
}

fn log(config: &Config) -> Result<(), Failure> {
    let filter: Targets = config
        .log
        .parse()
        .map_err(|error| Failure::usage(format!("log filter '{}': {error}", config.log)))?;
    // These crates log a client's mistake as an error, or a whole request. Their callers log the
    // outcome.
    let filter =
        filter.with_target("s3s", LevelFilter::OFF).with_target("object_store", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    let started = match config.log_format {
        LogFormat::Text => registry.with(lines.with_filter(filter)).try_init(),
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_filter(filter)).try_init()
        }
    };
    started.map_err(|error| Failure::failed(format!("cannot start logging: {error}")))
}

fn dialect_names() -> clap::builder::PossibleValuesParser {
    dialects::known().names.into_iter().chain(["all"]).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;
    use crate::config::{KEYS, flag, variable};

    #[test]
    fn every_setting_has_a_flag_that_names_its_variable() {
        let mut command = Serve::augment_args(Command::new("serve"));
        let help = command.render_long_help().to_string().replace('\n', " ");
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for key in KEYS.into_iter().chain(["config"]) {
            assert!(help.contains(&flag(key)), "{key}");
            assert!(help.contains(&format!("[env: {}]", variable(key))), "{key}: {help}");
        }
    }

    #[test]
    fn given_flags_become_settings() {
        use clap::FromArgMatches;
        let command = Serve::augment_args(Command::new("serve"));
        let mut line = vec!["serve".to_owned(), "--config".to_owned(), "f".to_owned()];
        for key in KEYS {
            line.push(flag(key));
            match key {
                "allow_anonymous" | "require_tls" => {}
                "auth" | "check_content" => line.push("on".to_owned()),
                "dialects" => line.push("native,ctyun".to_owned()),
                "log_format" => line.push("json".to_owned()),
                _ => line.push(format!("the {key}")),
            }
        }
        let matches = command.try_get_matches_from(line).unwrap();
        let flags = Serve::from_arg_matches(&matches).unwrap().flags();
        assert_eq!(flags.values.keys().copied().collect::<Vec<_>>(), KEYS);
        assert_eq!(flags.values["dialects"], "native,ctyun");
        for key in KEYS.into_iter().filter(|key| key.starts_with("max_")) {
            assert_eq!(flags.values[key], format!("the {key}"));
        }
        assert_eq!(flags.config, Some(PathBuf::from("f")));
    }

    fn config(settings: &[(&'static str, &str)]) -> Config {
        let values = settings.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        let flags = Flags { config: None, values };
        let folder = tempfile::tempdir().unwrap();
        Config::load(&flags, |_| None, folder.path(), &dialects::known()).unwrap()
    }

    #[test]
    fn weak_signatures_are_named_where_they_are_verified() {
        let on = ("auth", "on");
        let names = |settings: &[(&'static str, &str)]| {
            let weak = weaknesses(&config(settings)).into_iter();
            weak.map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[on]), ["ctyun", "tencent", "alibaba"]);
        assert_eq!(names(&[on, ("dialects", "native,tencent")]), ["tencent"]);
        assert_eq!(names(&[on, ("dialects", "native,huawei,s3")]), [""; 0]);
        assert_eq!(names(&[]), [""; 0]);
        let ctyun = |skew| {
            let settings = [on, ("dialects", "ctyun"), ("ctyun_skew", skew)];
            weaknesses(&config(&settings)).remove(0).1
        };
        assert!(ctyun("none").ends_with(", at any time, since --ctyun-skew sets no limit"));
        assert!(ctyun("15m").ends_with(", for 900 seconds (--ctyun-skew)"));
    }

    #[test]
    fn a_refusal_and_a_mistake_have_their_own_exit_codes() {
        use crate::cli::failure::Kind;
        let load = |key, text: &str| {
            let flags = Flags { config: None, values: [(key, text.to_owned())].into() };
            let folder = tempfile::tempdir().unwrap();
            let error =
                Config::load(&flags, |_| None, folder.path(), &dialects::known()).unwrap_err();
            Failure::from(error).kind
        };
        assert_eq!(load("listen", "0.0.0.0:1"), Kind::Refused);
        assert_eq!(load("listen", "nowhere"), Kind::Usage);
    }
}
