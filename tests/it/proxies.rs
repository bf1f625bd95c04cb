//! Behind a proxy: links, own origins and `--require-tls` go by what a trusted one forwards, and by
//! nothing that another peer states.

use layerbase::config::{Auth, Config, Network};
use layerbase::domain::Role;

use crate::clouds::CLOUDS;
use crate::support::process::Process;
use crate::support::sign::TestKey;
use crate::support::{Request, TestServer, raw, zips};

/// Starts a server to which every client of this machine is a trusted proxy.
fn trusting(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(|config| {
        config.trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
        configure(config);
    })
}

fn publish(server: &TestServer) {
    let request = Request::new("POST", "/api/v1/layers/demo/versions");
    let answer = server.send(&request.body(zips::vector("tencent")));
    assert_eq!(answer.status, 201, "{}", answer.text());
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

#[test]
fn links_name_what_a_trusted_proxy_forwards() {
    let server = trusting(|_| {});
    publish(&server);
    let base = server.base();
    let port = base.rsplit(':').next().unwrap();
    let (proto, host, prefix) = ("X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix");
    let cases: [(&[(&str, &str)], &str); 14] = [
        (&[], base),
        (&[(proto, "https")], &base.replace("http:", "https:")),
        (&[(proto, "https"), ("Host", "localhost")], "https://localhost"),
        (&[(proto, "https"), (host, "localhost:8443")], "https://localhost:8443"),
        (&[(host, "localhost")], "http://localhost"),
        (&[(host, "localhost:9000"), (prefix, "/layers/")], "http://localhost:9000/layers"),
        (&[(prefix, "/a"), (prefix, "/b")], &format!("{base}/a/b")),
        (&[(prefix, "/a\"b")], base),
        (&[(proto, "https, http"), (host, "a.localhost:1, b.localhost")], "https://a.localhost:1"),
        (&[(proto, "https"), (host, "[::1]")], "https://[::1]"),
        (&[(proto, "ftp")], base),
        (&[(proto, ""), (host, ""), (prefix, "")], base),
        // RFC 7239 is not read.
        (&[("Forwarded", "host=localhost:1;proto=https")], base),
        (&[("Host", "localhost")], &format!("http://localhost:{port}")),
    ];
    // More than once: an answer that is rendered twice is cached.
    for path in ["/api/v1/layers/demo/versions", "/layers"] {
        for _ in 0..4 {
            for (headers, base) in cases {
                let text = server.send(&with(Request::get(path), headers)).text();
                assert!(text.contains(&format!("\"{base}/code/")), "{headers:?}: {text}");
            }
        }
    }
}

#[test]
fn other_peers_forward_nothing() {
    let headers = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "localhost:1"),
        ("X-Forwarded-Prefix", "/x"),
    ];
    let elsewhere = |config: &mut Config| {
        config.trusted_proxies = vec![Network::parse("10.0.0.0/8").unwrap()];
    };
    for server in [TestServer::start(), TestServer::start_with(elsewhere)] {
        publish(&server);
        let list = with(Request::get("/api/v1/layers/demo/versions"), &headers);
        let text = server.send(&list).text();
        assert!(text.contains(&format!("\"{}/code/", server.base())), "{text}");
        let before = server.footprint();
        let foreign = Request::new("DELETE", "/api/v1/layers/demo/versions/1");
        let origin = server.base().replace("http:", "https:");
        let answer = server.send(&with(foreign, &headers).header("Origin", &origin));
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(server.footprint(), before);
    }
}

#[test]
fn the_public_url_goes_before_all() {
    let server = trusting(|config| config.public_url = Some("https://layers.example/x".to_owned()));
    publish(&server);
    let headers = [("X-Forwarded-Host", "localhost:1"), ("X-Forwarded-Prefix", "/y")];
    let text = server.send(&with(Request::get("/layers"), &headers)).text();
    assert!(text.contains("\"https://layers.example/x/code/"), "{text}");
}

#[test]
fn the_own_origin_is_the_one_before_the_proxy() {
    let zip = zips::vector("tencent");
    let server = trusting(|config| config.allow_host = vec!["layers.example".to_owned()]);
    let forwarded = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "layers.example")];
    let before = server.footprint();
    for cloud in CLOUDS {
        for origin in ["http://layers.example", "https://layers.example:1", server.base()] {
            let request = with(cloud.publishing(&zip), &forwarded).header("Origin", origin);
            let text = server.send(&request).text();
            assert!(text.contains("--public-url"), "{}: {origin}: {text}", cloud.name());
        }
        // A page of a name that leads here could add the first host itself.
        for hosts in ["evil.example", "layers.example, evil.example", "evil.example,localhost"] {
            let request = cloud.publishing(&zip).header("X-Forwarded-Host", hosts);
            let text = server.send(&request).text();
            assert!(text.contains("--allow-host evil.example"), "{}: {text}", cloud.name());
        }
        let request = with(cloud.listing(), &forwarded).header("Host", "evil.example");
        let text = server.send(&request).text();
        assert!(text.contains("--allow-host evil.example"), "{}: {text}", cloud.name());
    }
    assert_eq!(server.footprint(), before);
    for cloud in CLOUDS {
        let request = with(cloud.publishing(&zip), &forwarded);
        let request = request.header("Origin", "https://layers.example");
        let answer = server.send(&request.header("Sec-Fetch-Site", "same-origin"));
        let is_done =
            (200..300).contains(&answer.status) && !answer.text().contains("another site");
        assert!(is_done, "{}: {}", cloud.name(), answer.text());
    }
}

#[test]
fn required_tls_is_what_a_trusted_proxy_states() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--require-tls", "--trusted-proxies", "127.0.0.1,10.0.0.0/8"];
    let server = Process::serve(folder.path(), &arguments);
    for (proto, status) in
        [("https", 200), ("HTTPS", 200), ("", 200), ("http", 403), ("https, http", 403), ("x", 403)]
    {
        for path in ["/layers", "/api/v1/layers"] {
            let answer = server.send(&Request::get(path).header("X-Forwarded-Proto", proto));
            assert_eq!(answer.status, status, "{path} {proto}");
            assert_eq!(answer.text().contains("--require-tls"), status == 403, "{path} {proto}");
        }
        let probe = server.send(&Request::get("/healthz").header("X-Forwarded-Proto", proto));
        assert_eq!(probe.status, 200, "{proto}");
    }
    // One connection may carry the requests of several clients.
    let mut stream = raw::sent(server.base(), b"");
    for (proto, status) in [("https", 200), ("https", 200), ("http", 403)] {
        let head = format!("GET /layers HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: {proto}");
        std::io::Write::write_all(&mut stream, format!("{head}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(raw::answer(&mut stream).status, status, "{proto}");
    }
}

/// Alibaba's clients sign an ARN as one escaped segment. A proxy may decode it.
#[test]
fn a_decoded_arn_is_verified_as_it_was_signed() {
    let key = TestKey { id: "LTAIPROXY00000001", secret: "SKproxy00001", tenant: "default" };
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(key.id, key.secret, key.tenant, Role::Write);
    let alibaba = CLOUDS.iter().find(|cloud| cloud.name() == "alibaba").unwrap();
    let sign = |request| alibaba.sign(key, request, server.base(), server.now());
    let zip = zips::vector("alibaba");
    let published = server.send(&sign(alibaba.publishing(&zip))).json();
    let arn = published["layerVersionArn"].as_str().unwrap();
    let escaped = arn.replace(':', "%3A").replace('/', "%2F");
    let signed = sign(Request::get(&format!("/2023-03-30/layerarn/{escaped}")));
    for sent in [escaped.clone(), arn.to_owned(), escaped.replace("%2F", "/")] {
        let request = Request { path: format!("/2023-03-30/layerarn/{sent}"), ..signed.clone() };
        let answer = server.send(&request);
        assert_eq!(answer.status, 200, "{sent}: {}", answer.text());
        assert_eq!(answer.json()["version"], 1);
    }
    for other in [arn.replace("demo", "other"), arn.replace("versions/1", "versions/2")] {
        let request = Request { path: format!("/2023-03-30/layerarn/{other}"), ..signed.clone() };
        let answer = server.send(&request);
        assert_eq!(answer.json()["Code"], "SignatureNotMatch", "{other}: {}", answer.text());
    }
}
