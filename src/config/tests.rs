//! The sources, rules and refusals of settings. Sets no variable; each test has a new folder.

use std::collections::BTreeSet;

use super::*;
use crate::domain::CloudIdField;

/// The sources of one start's settings.
#[derive(Default)]
struct Start {
    flags: Vec<(&'static str, &'static str)>,
    environment: Vec<(&'static str, &'static str)>,
    file: Option<&'static str>,
}

impl Start {
    fn load(&self) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = self.file {
            std::fs::write(folder.path().join(DEFAULT_FILE), text).unwrap();
        }
        let values = self.flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        let flags = Flags { config: None, values };
        let environment = |name: &str| {
            let found = self.environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| OsString::from(text))
        };
        Config::load(&flags, environment, folder.path(), &known())
    }

    /// Returns the error's text without the name of the temporary folder.
    fn error(&self) -> String {
        let text = self.load().unwrap_err().to_string();
        match text.find(DEFAULT_FILE) {
            Some(at) if self.file.is_some() => text[at..].to_owned(),
            _ => text,
        }
    }
}

/// Three dialects, one with the id of an account.
fn known() -> KnownDialects {
    let account = CloudIdField {
        name: "sky_account",
        about: "account, digits",
        rule: "must be decimal digits",
        parse: |text| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.to_owned()),
    };
    KnownDialects { names: vec!["fog", "native", "sky"], cloud_ids: vec![account] }
}

fn flags(values: &[(&'static str, &'static str)]) -> Start {
    Start { flags: values.to_vec(), ..Start::default() }
}

fn file(text: &'static str) -> Start {
    Start { file: Some(text), ..Start::default() }
}

#[test]
fn the_defaults_serve_this_machine_alone() {
    let config = Start::default().load().unwrap();
    assert_eq!(config.data, PathBuf::from("./layerbase-data"));
    assert_eq!(config.listen, "127.0.0.1:8470".parse().unwrap());
    assert_eq!((config.auth, config.allow_anonymous), (Auth::Off, false));
    assert_eq!(config.dialects, known().names);
    assert_eq!((config.max_upload, config.max_unpacked), (None, 1 << 30));
    assert_eq!((config.max_entries, config.check_content), (250_000, true));
    assert_eq!((config.public_url.as_ref(), config.region.as_str()), (None, "local-1"));
    assert_eq!((config.log_format, config.log.as_str()), (LogFormat::Text, "info"));
    assert!(config.tenants.is_empty() && config.buckets.is_empty());
    assert_eq!((config.tls.as_ref(), config.scheme()), (None, "http"));
    assert_eq!((config.head_timeout, config.max_head), (Duration::from_secs(30), 64 << 10));
    let hour = Duration::from_secs(3600);
    assert_eq!((config.body_timeout, config.max_body), (Some(hour), None));
    assert_eq!(config.fetch_timeout, Some(hour / 4));
    assert_eq!((config.max_connections, config.max_requests, config.max_uploads), (1024, 512, 16));
    assert_eq!((config.rate_limit, config.max_tenant_code, config.ctyun_skew), (None, None, None));
    assert_eq!((config.inbox_lifetime, config.inbox_max), (Some(24 * hour), Some(10 << 30)));
}

#[test]
fn plain_http_from_other_machines_is_recognized() {
    let outside = ("listen", "0.0.0.0:1");
    let (on, tls) = (("auth", "on"), [("tls_cert", "a.pem"), ("tls_key", "b.pem")]);
    for (settings, is_taken) in [
        (vec![on, outside], true),
        (vec![on, ("listen", "[::]:1")], true),
        (vec![on, ("listen", "127.0.0.1:1")], false),
        (vec![on, ("listen", "[::ffff:127.0.0.1]:1")], false),
        (vec![on, outside, tls[0], tls[1]], false),
        (vec![on, outside, ("require_tls", "true")], false),
    ] {
        let config = flags(&settings).load().unwrap();
        assert_eq!(config.takes_plain_http_from_outside(), is_taken, "{settings:?}");
    }
}

#[test]
fn names_of_the_server_are_a_list() {
    let config =
        file("allow_host = [\"*.LAN\", \"edge-*.corp.example\", \"edge1\"]").load().unwrap();
    assert_eq!(config.allow_host, ["*.lan", "edge-*.corp.example", "edge1"]);
    let config = flags(&[("allow_host", "edge1, edge1,*")]).load().unwrap();
    assert_eq!(config.allow_host, ["*", "edge1"]);
    for wrong in ["http://edge1", "edge1:8470", "edge1.", "edge1.*", "*.ex*", "a**", "a,,b", "a b"]
    {
        let error = flags(&[("allow_host", wrong)]).error();
        let start = format!("--allow-host: allow_host '{wrong}' must be names without scheme");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn trusted_proxies_are_a_list_of_networks() {
    let networks = |texts: &[&str]| -> Vec<Network> {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect()
    };
    let config = file("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]").load().unwrap();
    assert_eq!(config.trusted_proxies, networks(&["10.0.0.0/8", "::1"]));
    let config = flags(&[("trusted_proxies", "127.0.0.1, 10.0.0.0/8,127.0.0.1")]).load().unwrap();
    assert_eq!(config.trusted_proxies, networks(&["10.0.0.0/8", "127.0.0.1"]));
    assert_eq!(flags(&[]).load().unwrap().trusted_proxies, []);
    for wrong in ["localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1,", "*"] {
        let error = flags(&[("trusted_proxies", wrong)]).error();
        let start = format!("--trusted-proxies: trusted_proxies '{wrong}' must be IP addresses or");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn https_takes_a_certificate_and_a_key() {
    let both = [("tls_cert", "a.pem"), ("tls_key", "b.pem")];
    let config = flags(&both).load().unwrap();
    let files = TlsFiles { cert: PathBuf::from("a.pem"), key: PathBuf::from("b.pem") };
    assert_eq!((config.scheme(), config.tls), ("https", Some(files)));
    let environment = vec![("LAYERBASE_TLS_KEY", "b.pem")];
    let mixed = Start { environment, ..flags(&both[..1]) };
    assert!(mixed.load().is_ok(), "each from where it is given");
    let error = flags(&both[..1]).error();
    assert_eq!(error, "--tls-cert: tls_cert 'a.pem' needs --tls-key too: https takes both");
    let error = file("region = \"r\"\ntls_key = \"b.pem\"").error();
    assert!(error.starts_with("layerbase.toml:2: tls_key 'b.pem' needs --tls-cert"), "{error}");
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    // For each key, values for flag, environment and file.
    let table: [(&str, [&str; 3]); 31] = [
        ("allow_anonymous", ["true", "false", "true"]),
        ("allow_host", ["a", "b,*.lan", "c"]),
        ("auth", ["on", "off", "on"]),
        ("body_timeout", ["1s", "2s", "none"]),
        ("check_content", ["off", "on", "off"]),
        ("ctyun_skew", ["1m", "2m", "3m"]),
        ("data", ["/a", "/b", "/c"]),
        ("dialects", ["sky", "fog", "native"]),
        ("fetch_timeout", ["1s", "2s", "none"]),
        ("head_timeout", ["1s", "2s", "3s"]),
        ("inbox_lifetime", ["1h", "2h", "0"]),
        ("inbox_max", ["1k", "2k", "none"]),
        ("listen", ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]),
        ("log", ["warn", "debug", "trace"]),
        ("log_format", ["json", "text", "json"]),
        ("max_body", ["1k", "2k", "3k"]),
        ("max_connections", ["1", "2", "3"]),
        ("max_entries", ["1", "2", "3"]),
        ("max_head", ["8k", "9k", "10k"]),
        ("max_peer_connections", ["1", "2", "3"]),
        ("max_requests", ["1", "2", "3"]),
        ("max_tenant_code", ["1k", "2k", "3k"]),
        ("max_unpacked", ["1k", "2k", "3k"]),
        ("max_upload", ["1MB", "2MB", "3MB"]),
        ("max_uploads", ["1", "2", "3"]),
        ("min_free", ["0", "1MiB", "2MiB"]),
        ("public_url", ["http://a", "http://b", "http://c"]),
        ("rate_limit", ["1", "2", "3"]),
        ("region", ["a", "b", "c"]),
        ("require_tls", ["true", "false", "true"]),
        ("trusted_proxies", ["10.0.0.1", "::1,127.0.0.1", "10.0.0.0/8"]),
    ];
    // The two files of TLS must be given together, and have a test of their own.
    let with_tls = table.iter().map(|(key, _)| *key).chain(["tls_cert", "tls_key"]);
    assert_eq!(with_tls.collect::<BTreeSet<_>>(), KEYS.into());
    for (key, texts) in table {
        let name: &'static str = Box::leak(variable(key).into_boxed_str());
        let line: &'static str = Box::leak(format!("{key} = {:?}", texts[2]).into_boxed_str());
        let default = Start::default().load().unwrap();
        let mut start = file(line);
        let from_file = start.load().unwrap();
        start.environment = vec![(name, texts[1])];
        let from_environment = start.load().unwrap();
        start.flags = vec![(key, texts[0])];
        let from_flag = start.load().unwrap();
        assert_eq!(from_flag, flags(&[(key, texts[0])]).load().unwrap(), "{key}");
        if texts[0] != texts[1] {
            assert_ne!(from_flag, from_environment, "{key}");
            assert_ne!(from_environment, from_file, "{key}");
            assert_ne!(from_file, default, "{key}");
        }
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let environment = vec![("LAYERBASE_PUBLIC_URL", ""), ("LAYERBASE_CONFIG", "")];
    let start = Start { environment, ..Start::default() };
    assert_eq!(start.load().unwrap(), Start::default().load().unwrap());
}

#[test]
fn a_named_file_must_exist_and_the_flag_names_it_before_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "region = \"mine\"").unwrap();
    let variable = |name: &str| {
        (name == "LAYERBASE_CONFIG").then(|| OsString::from("/nonexistent/layerbase.toml"))
    };
    let error = Config::load(&Flags::default(), variable, folder.path(), &known()).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/layerbase.toml"), "{error}");
    let flags = Flags { config: Some(path), ..Flags::default() };
    assert_eq!(Config::load(&flags, variable, folder.path(), &known()).unwrap().region, "mine");
}

#[test]
fn an_unknown_key_is_reported_with_its_line_and_the_nearest_key() {
    for (text, expected) in [
        (
            "\n\nregoin = \"x\"",
            "layerbase.toml:3: unknown key 'regoin'; the nearest known key is 'region'",
        ),
        (
            "max-upload = 5",
            "layerbase.toml:1: unknown key 'max-upload'; the nearest known key is 'max_upload'",
        ),
        (
            "# a\n[tenant.x]",
            "layerbase.toml:2: unknown key 'tenant'; the nearest known key is 'tenants'",
        ),
        (
            "[tenants.default]\nsky_acount = 1",
            "layerbase.toml:2: unknown key 'sky_acount'; the nearest known key is 'sky_account'",
        ),
    ] {
        assert_eq!(file(text).error(), expected);
    }
}

#[test]
fn a_file_that_is_not_toml_is_reported_with_its_line() {
    let error = file("region = \"a\"\nlisten 5").error();
    assert!(error.starts_with("layerbase.toml:2: this is not valid TOML: "), "{error}");
}

#[test]
fn a_bad_value_names_its_source_and_the_rule() {
    let listen = "is not an address and a port, such as 127.0.0.1:8470, [::1]:8470 or 0.0.0.0:8470";
    assert_eq!(flags(&[("listen", "8470")]).error(), format!("--listen: listen '8470' {listen}"));
    assert_eq!(file("listen = 8470").error(), format!("layerbase.toml:1: listen '8470' {listen}"));
    let environment = vec![("LAYERBASE_MAX_ENTRIES", "0")];
    assert_eq!(
        Start { environment, ..Start::default() }.error(),
        "LAYERBASE_MAX_ENTRIES: max_entries '0' must be a whole number above 0"
    );
    for (key, text) in [
        ("auth", "yes"),
        ("data", ""),
        ("log", "a=loud"),
        ("log_format", "xml"),
        ("max_upload", "0"),
        ("max_upload", "1.5GiB"),
        ("head_timeout", "30"),
        ("head_timeout", "none"),
        ("head_timeout", "0s"),
        ("body_timeout", "0s"),
        ("ctyun_skew", "15 minutes"),
        ("inbox_lifetime", "24"),
        ("inbox_lifetime", "none"),
        ("inbox_lifetime", "366d"),
        ("inbox_max", "0"),
        ("inbox_max", "10 gigs"),
        ("fetch_timeout", "0s"),
        ("max_head", "8191"),
        ("max_head", "2MiB"),
        ("max_connections", "0"),
        ("max_requests", "1000001"),
        ("max_uploads", "-1"),
        ("rate_limit", "0"),
        ("rate_limit", "1.5"),
        ("max_body", "0"),
        ("max_tenant_code", "all"),
        ("public_url", "example.org"),
        ("public_url", "http:///x"),
        ("public_url", "http://x/?a"),
        ("region", "a:b"),
    ] {
        let error = flags(&[(key, text)]).error();
        assert!(error.starts_with(&format!("{}: {key} '{text}' ", flag(key))), "{error}");
    }
    assert!(file("max_entries = 1.5").error().contains("must be text, a whole number"));
}

#[test]
fn dialects_are_a_list_in_any_order_and_unknown_ones_are_refused() {
    let config = file("dialects = [\"sky\", \"native\", \"sky\"]").load().unwrap();
    assert_eq!(config.dialects, ["native", "sky"]);
    let config = flags(&[("dialects", "sky, fog")]).load().unwrap();
    assert_eq!(config.dialects, ["fog", "sky"]);
    assert_eq!(
        flags(&[("dialects", "aws")]).error(),
        "--dialects: dialects 'aws' must be 'all' or a list of: \
         fog, native, sky"
    );
}

#[test]
fn sizes_and_urls_are_parsed_as_documented() {
    let start = flags(&[("max_upload", "64MiB"), ("max_unpacked", "none")]);
    let config = start.load().unwrap();
    assert_eq!((config.max_upload, config.max_unpacked), (Some(64 << 20), u64::MAX));
    for text in ["0", "0s"] {
        let config = flags(&[("inbox_lifetime", text), ("inbox_max", "none")]).load().unwrap();
        assert_eq!((config.inbox_lifetime, config.inbox_max), (None, None), "{text}");
    }
    let config = flags(&[("public_url", "https://code.example/x/")]).load().unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://code.example/x"));
}

#[test]
fn tenants_are_parsed_and_checked() {
    let text = "[tenants.default]\nsky_account = 1250000000\n[tenants.other]\n";
    let config = file(text).load().unwrap();
    assert_eq!(config.tenants["default"].get("sky_account"), Some("1250000000"));
    assert_eq!(config.tenants["other"], CloudIds::default());
    assert_eq!(
        file("[tenants.default]\nsky_account = \"xyz\"").error(),
        "layerbase.toml:2: tenants.default.sky_account must be decimal digits"
    );
    assert_eq!(
        file("tenants = 3").error(),
        "layerbase.toml:1: tenants must be a table: [tenants.default]"
    );
}

#[test]
fn an_open_address_without_authentication_is_refused_with_both_remedies() {
    for listen in ["0.0.0.0:8470", "192.0.2.1:1", "[::]:8470", "[::ffff:192.0.2.1]:1"] {
        let error = flags(&[("listen", listen)]).load().unwrap_err();
        let ConfigError::Refused { reason, remedies } = error else { panic!("{error}") };
        assert!(reason.contains(listen), "{reason}");
        assert!(remedies.contains("--auth on (after `layerbase key add`)"), "{remedies}");
        assert!(remedies.contains("--auth off --allow-anonymous"), "{remedies}");
        let open = flags(&[("listen", listen), ("allow_anonymous", "true")]);
        assert!(open.load().is_ok());
        let signed = flags(&[("listen", listen), ("auth", "on")]).load().unwrap();
        assert_eq!(signed.auth, Auth::On);
    }
    for listen in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1"] {
        assert!(flags(&[("listen", listen)]).load().is_ok(), "{listen}");
    }
}

#[test]
fn the_data_folder_does_not_depend_on_other_settings() {
    let folder = tempfile::tempdir().unwrap();
    let text = "listen = \"0.0.0.0:1\"\ndata = \"from-file\"\nmax_upload = \"much\"\n";
    std::fs::write(folder.path().join(DEFAULT_FILE), text).unwrap();
    let load = |flags: &Flags, variable: Option<&str>| {
        let environment =
            |name: &str| variable.filter(|_| name == "LAYERBASE_DATA").map(OsString::from);
        Config::load_data(flags, environment, folder.path(), &known()).unwrap()
    };
    let flags = Flags { config: None, values: [("data", "from-flag".to_owned())].into() };
    assert_eq!(load(&flags, Some("from-environment")), Path::new("from-flag"));
    assert_eq!(load(&Flags::default(), Some("from-environment")), Path::new("from-environment"));
    assert_eq!(load(&Flags::default(), None), Path::new("from-file"));
}
