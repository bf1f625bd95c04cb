//! Which hosts and origins are a server's own.

use std::path::Path;

use super::*;
use crate::config::Flags;
use crate::domain::KnownDialects;

/// The sites of a machine called `Edge1`, with further settings.
fn sites(settings: &[(&'static str, &str)]) -> Sites {
    let values = settings.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
    let flags = Flags { config: None, values };
    let known = KnownDialects { names: vec!["native"], cloud_ids: Vec::new() };
    let config = Config::load(&flags, |_| None, Path::new("/nonexistent"), &known).unwrap();
    Sites::new(&config, "Edge1")
}

#[track_caller]
fn assert_hosts(sites: &Sites, own: &[&str], foreign: &[&str]) {
    for host in own {
        assert!(sites.is_own_host(host), "{host} is refused");
    }
    for host in foreign {
        assert!(!sites.is_own_host(host), "{host} is let in");
    }
}

#[test]
fn hosts_of_the_machine_are_its_own() {
    let own = [
        "127.0.0.1",
        "127.0.0.1:8470",
        "127.0.0.1.",
        "203.0.113.9:80",
        "[::1]",
        "[::1]:8470",
        "[fe80::1%25eth0]:8470",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LocalHost:8470",
        "localhost.",
        "localhost.:8470",
        "code.localhost",
        "scf.localhost:8470",
        "a.b.LOCALHOST",
        "http://127.0.0.1:8470",
        "HTTP://127.0.0.1:8470/",
        "https://localhost",
        "http://[::1]:8470",
        "edge1",
        "EDGE1:8470",
        "edge1.",
        "scf.edge1",
        "tag.edge1:8470",
        "sts.Edge1",
        "code.edge1",
        "code.127.0.0.1:8470",
        "local-temp.oss-cn-hangzhou.aliyuncs.com",
        "Local-Temp.oss-cn-hangzhou-internal.aliyuncs.com:80",
    ];
    let foreign = [
        "",
        ":8470",
        ".",
        "x",
        "evil.example",
        "evil.example:8470",
        "http://evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "localhost:8470.evil.example",
        "localhost@evil.example",
        "localhost, evil.example",
        "localhost/.evil.example",
        "127.0.0.1.nip.io",
        "127-0-0-1.evil.example",
        "x.127.0.0.1.nip.io",
        "a.b.127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "127.0.0.1:80:80",
        "127.0.0.1:x",
        "127.0.0.1 evil.example",
        "::1",
        "[::1",
        "[::1]x",
        "[evil.example]",
        "edge1.evil.example",
        "edge1.lan",
        "evil-edge1",
        "a.b.edge1",
        ".edge1",
        "edge1..",
        "oss-cn-hangzhou.aliyuncs.com",
        "code.aliyuncs.com",
        "code.oss-.aliyuncs.com",
        "code.fc.aliyuncs.com",
        "a.b.oss-cn-hangzhou.aliyuncs.com",
        "code.oss-cn.evil.aliyuncs.com",
        "code.oss-cn-hangzhou.aliyuncs.com.evil.example",
        "code.oss-cn-hangzhou.evilaliyuncs.com",
        "https://https://localhost",
    ];
    assert_hosts(&sites(&[]), &own, &foreign);
    assert!(!sites(&[]).is_own_host(&format!("{}.edge1", "x".repeat(NAME_MAX))));
}

#[test]
fn settings_name_further_hosts() {
    let public = sites(&[("public_url", "https://Layers.Corp.example:8443/base")]);
    let own = ["layers.corp.example", "LAYERS.corp.example:8470", "scf.layers.corp.example"];
    assert_hosts(&public, &own, &["corp.example", "a.b.layers.corp.example", "base"]);
    assert_hosts(&sites(&[("public_url", "http://[::1]:8470")]), &["[::1]"], &["evil.example"]);

    let named = sites(&[("allow_host", "*.lan,Node-*.corp.example,build")]);
    let own = ["a.lan", "a.b.c.LAN:1", "node-1.corp.example", "code.node-1.corp.example", "build"];
    let foreign = [
        "lan",
        ".lan",
        "evil.example",
        "a.lan.evil.example",
        "alan",
        "node-1.evil.example",
        "node-1.evil.corp.example",
        "corp.example",
        "builder",
        "a.b.build",
    ];
    assert_hosts(&named, &own, &foreign);
    assert_hosts(&sites(&[("allow_host", "edge*x")]), &["edgex", "edge-2x"], &["edgx", "edge2"]);
    assert_hosts(&sites(&[("allow_host", "*")]), &["evil.example"], &["127.0.0.1:x"]);
}

#[test]
fn an_origin_is_that_of_the_host() {
    let plain = sites(&[]);
    for (origin, host, is_own) in [
        ("http://127.0.0.1:8470", "127.0.0.1:8470", true),
        ("http://LOCALHOST:8470", "localhost:8470", true),
        ("http://[::1]:8470", "[::1]:8470", true),
        ("http://edge1", "edge1", true),
        ("http://edge1", "edge1:80", true),
        ("http://edge1:80", "edge1", true),
        ("http://127.0.0.1:8470", "http://127.0.0.1:8470", true),
        ("https://127.0.0.1:8470", "127.0.0.1:8470", false),
        ("http://127.0.0.1:9000", "127.0.0.1:8470", false),
        ("http://127.0.0.1", "127.0.0.1:8470", false),
        ("http://localhost:8470", "127.0.0.1:8470", false),
        ("http://evil.example", "127.0.0.1:8470", false),
        ("http://127.0.0.1:8470.evil.example", "127.0.0.1:8470", false),
        ("http://127.0.0.1:8470/", "127.0.0.1:8470", false),
        ("chrome-extension://abc", "127.0.0.1:8470", false),
        ("null", "127.0.0.1:8470", false),
        ("", "127.0.0.1:8470", false),
    ] {
        assert_eq!(plain.is_same_origin(origin, None, host), is_own, "{origin} {host}");
        assert!(!plain.is_public_origin(origin), "{origin}");
    }
    let tls = sites(&[("tls_cert", "a.pem"), ("tls_key", "b.pem")]);
    assert!(tls.is_same_origin("https://edge1", None, "edge1:443"));
    assert!(!tls.is_same_origin("http://edge1", None, "edge1"));
    let https = Some("https");
    assert!(plain.is_same_origin("https://edge1", https, "edge1"));
    assert!(plain.is_same_origin("https://edge1:443", https, "edge1"));
    assert!(!plain.is_same_origin("https://edge1:8443", https, "edge1"));
    assert!(!plain.is_same_origin("http://edge1", https, "edge1"));
    assert!(!plain.is_same_origin("https://edge2", https, "edge1"));
}

#[test]
fn the_public_urls_origin_is_own() {
    for (url, own, foreign) in [
        ("https://a.example/base", "https://a.example", "http://a.example"),
        ("https://a.example:443", "https://A.example", "https://a.example:8443"),
        ("http://a.example", "http://a.example:80", "https://a.example"),
        ("http://a.example:8470", "http://a.example:8470", "http://a.example"),
    ] {
        let sites = sites(&[("public_url", url)]);
        assert!(sites.is_public_origin(own), "{url}: {own}");
        assert!(!sites.is_public_origin(foreign), "{url}: {foreign}");
        assert!(!sites.is_public_origin("null"), "{url}");
    }
}
