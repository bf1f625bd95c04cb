//! Requests that a browser sends for a page of another site change nothing while authentication is
//! off, whatever their method is; and a foreign name of this server reads nothing.

use layerbase::config::Auth;
use layerbase::domain::Role;

use crate::clouds::{CLOUDS, Change, Cloud};
use crate::support::process::Process;
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, raw, zips};

/// The status of each dialect's refusal, and what its body contains in its shape.
const SHAPES: [(&str, u16, &str); 7] = [
    ("alibaba", 400, "Code\":\"InvalidArgument\""),
    ("ctyun", 200, "\"statusCode\":"),
    ("huawei", 400, "\"error_code\":\"FSS"),
    ("native", 400, "\"detail\":\""),
    ("openyuanrong", 500, "\"message\":\""),
    ("s3", 400, "<Code>InvalidArgument</Code>"),
    ("tencent", 200, "\"Error\":{\"Code\":\"InvalidParameter"),
];

/// Whether the answer is the dialect's own refusal, for a reason that names `header`.
#[track_caller]
fn assert_refused(cloud: &dyn Cloud, answer: &Answer, header: &str) {
    let (_, status, shape) = SHAPES.iter().find(|(name, ..)| *name == cloud.name()).unwrap();
    let text = answer.text();
    assert_eq!(answer.status, *status, "{}: {text}", cloud.name());
    assert!(text.contains(shape) && text.contains(header), "{}: {text}", cloud.name());
    assert!(text.contains("--auth on"), "{}: {text}", cloud.name());
}

#[track_caller]
fn assert_done(cloud: &dyn Cloud, answer: &Answer) {
    let text = answer.text();
    let is_refused = ["Origin", "Host", "another site"].iter().any(|word| text.contains(word));
    assert!((200..300).contains(&answer.status) && !is_refused, "{}: {text}", cloud.name());
}

/// Returns the request as a browser sends it for a page of another site.
fn foreign(request: Request) -> Request {
    request.header("Sec-Fetch-Site", "cross-site")
}

#[test]
fn a_page_of_another_site_changes_nothing_through_any_dialect() {
    let zip = zips::vector("tencent");
    for cloud in CLOUDS {
        let (server, name) = (TestServer::start(), cloud.name());
        let before = server.footprint();
        for request in [cloud.change(&zip).request, cloud.publishing(&zip)] {
            let answer = server.send(&foreign(request));
            assert!(answer.text().contains("another site"), "{name}: {}", answer.text());
            assert_eq!(server.footprint(), before, "{name}");
        }
        let Change { request, .. } = cloud.change(&zip);
        let answer = server.send(&request.header("Sec-Fetch-Site", "same-origin"));
        assert!((200..300).contains(&answer.status), "{name}: {}", answer.text());
        let listing = cloud.listing();
        if listing.method == "GET" {
            let (wanted, answer) = (server.send(&listing), server.send(&foreign(listing)));
            assert_eq!((answer.status, answer.text().len()), (200, wanted.text().len()), "{name}");
        }
    }
}

#[test]
fn operations_that_write_by_get_are_refused() {
    let server = TestServer::start();
    let publish = Request::new("POST", "/api/v1/layers/demo/versions");
    assert_eq!(server.send(&publish.body(zips::vector("tencent"))).status, 201);
    let before = server.footprint();
    let end = "Version=2018-04-16&LayerName=demo&LayerVersion=1";
    let code = form_urlencoded::byte_serialize(zips::vector_base64("tencent").as_bytes());
    let code: String = code.collect();
    let publish = "Action=PublishLayerVersion&CompatibleRuntimes.0=Python3.9";
    let delete = "Action=DeleteLayerVersion";
    let header =
        |method| Request::new(method, &format!("/?{end}")).header("X-TC-Action", &delete[7..]);
    for request in [
        Request::get(&format!("/?{delete}&{end}")),
        Request::get(&format!("/?Action=ListLayers&{delete}&{end}")),
        Request::get(&format!("/?{delete}&Action=ListLayers&{end}")),
        Request::get(&format!("/?{publish}&Content.ZipFile={code}&{end}")),
        header("GET"),
        header("HEAD"),
        Request::get("/2021-04-06/tempBucketToken"),
    ] {
        let answer = server.send(&foreign(request));
        assert_eq!(server.footprint(), before, "{}", answer.text());
        assert!(!answer.text().contains("AccessKeySecret"), "{}", answer.text());
    }
    // Over plain http to another machine, browsers say nothing of the site of an image.
    let agent = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0";
    let silent = |request: Request| request.header("User-Agent", agent);
    let answer = server.send(&silent(Request::get(&format!("/?{delete}&{end}"))));
    assert!(answer.text().contains("comes from a browser"), "{}", answer.text());
    assert_eq!(server.footprint(), before);
    let list = silent(Request::get(&format!("/?Action=ListLayers&{end}")));
    assert_eq!(server.send(&list).json()["Response"]["TotalCount"], 1);
    let list = foreign(Request::get(&format!("/?Action=ListLayers&{end}")));
    assert_eq!(server.send(&list).json()["Response"]["TotalCount"], 1);
    let delete = server.send(&Request::get(&format!("/?{delete}&{end}")));
    assert_ne!(server.footprint(), before, "{}", delete.text());
}

#[test]
fn a_foreign_origin_changes_nothing_through_any_dialect() {
    let zip = zips::vector("tencent");
    let server = TestServer::start_with(|config| {
        config.public_url = Some("https://layers.example/base".to_owned());
    });
    let base = server.base().to_owned();
    let before = server.footprint();
    for cloud in CLOUDS {
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:1",
            "http://127.0.0.1",
            "http://layers.example",
            &base.replace("http:", "https:"),
            &base.replace("127.0.0.1", "localhost"),
        ] {
            for request in [cloud.change(&zip).request, cloud.publishing(&zip)] {
                let same_site = request.clone().header("Sec-Fetch-Site", "same-site");
                assert_refused(cloud, &server.send(&same_site), "Sec-Fetch-Site");
                assert_refused(cloud, &server.send(&request.header("Origin", origin)), "Origin");
                assert_eq!(server.footprint(), before, "{}: {origin}", cloud.name());
            }
        }
        let two = cloud.publishing(&zip).header("Origin", &base).header("Origin", "null");
        assert_refused(cloud, &server.send(&two), "Origin");
        assert_eq!(server.footprint(), before, "{}", cloud.name());
        let listing = cloud.listing().header("Origin", "http://evil.example");
        assert_done(cloud, &server.send(&listing.header("Sec-Fetch-Site", "cross-site")));
    }
    for cloud in CLOUDS {
        for (origin, site) in [
            (&*base, "same-origin"),
            ("https://layers.example", "cross-site"),
            ("https://layers.example:443", "same-site"),
        ] {
            let request = cloud.publishing(&zip).header("Origin", origin);
            assert_done(cloud, &server.send(&request.header("Sec-Fetch-Site", site)));
        }
        assert_done(cloud, &server.send(&cloud.change(&zip).request.header("Origin", &base)));
    }
}

#[test]
fn a_foreign_host_reads_and_changes_nothing_through_any_dialect() {
    let (server, zip) = (TestServer::start(), zips::vector("tencent"));
    let before = server.footprint();
    for cloud in CLOUDS {
        for host in ["evil.example", "127.0.0.1.nip.io:8470", "localhost.evil.example", "<&'\">"] {
            for request in [cloud.listing(), cloud.change(&zip).request, cloud.publishing(&zip)] {
                let answer = server.send(&request.header("Host", host));
                assert_refused(cloud, &answer, "Host");
                let name = host.trim_end_matches(":8470");
                let is_shown = answer.text().contains(&format!("--allow-host {name}"));
                assert!(is_shown || host.contains('<'), "{}", answer.text());
                assert_eq!(server.footprint(), before, "{}: {host}", cloud.name());
            }
        }
    }
    for path in ["/", "/nowhere", "/s3x", "/api/v1", "/api/v1/nowhere", "/code/", "/layers/a/b/c"] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = server.send(&Request::new(method, path).header("Host", "evil.example"));
            assert!(answer.text().contains("--allow-host evil.example"), "{method} {path}");
        }
    }
    let ctyun = TestServer::start_with(|config| config.dialects = vec!["ctyun".to_owned()]);
    let foreign = ctyun.send(&Request::get("/layers").header("Host", "evil.example"));
    assert_eq!((foreign.status, foreign.text().starts_with("Host 'evil.example' is")), (403, true));
    assert_eq!(foreign.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(ctyun.send(&Request::get("/layers")).status, 404);
}

#[test]
fn probes_and_download_links_take_any_host() {
    let server = TestServer::start();
    let published = Request::new("POST", "/api/v1/layers/demo/versions");
    let published = server.send(&published.body(zips::vector("tencent"))).json();
    let link = published["download_url"].as_str().unwrap().to_owned();
    for path in ["/healthz", "/readyz", link.strip_prefix(server.base()).unwrap()] {
        let foreign = Request::get(path).header("Host", "evil.example").header("Origin", "null");
        assert_eq!(server.send(&foreign).status, 200, "{path}");
    }
}

#[test]
fn own_hosts_are_served_through_every_dialect() {
    let server = TestServer::start_with(|config| {
        config.public_url = Some("https://layers.example:8443".to_owned());
        config.allow_host = vec!["*.lan".to_owned(), "named".to_owned()];
    });
    let machine = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    let zip = zips::vector("tencent");
    for cloud in CLOUDS {
        for host in [
            "127.0.0.1",
            "[::1]:8470",
            "LOCALHOST:8470",
            "localhost.",
            "code.localhost",
            "scf.localhost:8470",
            server.base(),
            "layers.example",
            "scf.layers.example:8443",
            "a.lan",
            "named:1",
            "code.named",
            &machine,
            &format!("sts.{machine}:8470"),
        ] {
            assert_done(cloud, &server.send(&cloud.listing().header("Host", host)));
            let origin = format!("http://{}", host.trim_start_matches("http://"));
            let publishing = cloud.publishing(&zip).header("Host", host);
            assert_done(cloud, &server.send(&publishing.header("Origin", &origin)));
        }
        let foreign = cloud.listing().header("Host", "lan");
        assert_refused(cloud, &server.send(&foreign), "Host");
    }
}

#[test]
fn the_host_of_an_uploader_names_its_bucket() {
    let server = TestServer::start();
    let put = |host: &str| {
        let request = Request::new("PUT", "/a/b.zip").body("bytes").header("Host", host);
        server.send(&request.header("Authorization", "OSS id:signature"))
    };
    let before = server.footprint();
    let refused = put("code.evil.example");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("<Code>InvalidArgument</Code>"), "{}", refused.text());
    assert!(refused.text().contains("--allow-host code.evil.example"), "{}", refused.text());
    assert_eq!(server.footprint(), before);
    for host in ["code.oss-cn-hangzhou.aliyuncs.com", "code.localhost:8470", "127.0.0.1"] {
        assert_eq!(put(host).status, 200, "{host}");
    }
}

/// A server must believe the target, not the header (RFC 9112 section 3.2.2).
#[test]
fn an_absolute_target_is_the_host() {
    let server = TestServer::start();
    let status = |head: &str| {
        let mut stream = raw::sent(server.base(), format!("GET {head}\r\n\r\n").as_bytes());
        let answer = raw::answer(&mut stream);
        assert_eq!(answer.status < 400, !answer.text().contains("--allow-host"), "{head}");
        answer.status
    };
    let oss = "Authorization: OSS id:signature";
    for (head, wanted) in [
        ("http://localhost/api/v1/layers HTTP/1.1\r\nHost: localhost", 200),
        ("http://evil.example/api/v1/layers HTTP/1.1\r\nHost: localhost", 400),
        ("http://localhost/api/v1/layers HTTP/1.1\r\nHost: evil.example", 400),
        ("http://evil.example/api/v1/layers?limit=1 HTTP/1.1\r\nHost: localhost", 400),
        ("http://evil.example/s3?X-Amz-Signature=a HTTP/1.1\r\nHost: localhost", 400),
        (&format!("http://evil.example/b/k HTTP/1.1\r\nHost: 127.0.0.1\r\n{oss}"), 400),
        ("/api/v1/layers HTTP/1.1\r\nHost: \u{e9}vil", 400),
        ("/api/v1/layers HTTP/1.1\r\nHost:", 400),
        ("/api/v1/layers HTTP/1.0", 200),
    ] {
        assert_eq!(status(head), wanted, "{head}");
    }
}

#[test]
fn a_refused_upload_is_read_to_its_end() {
    let server = TestServer::start();
    let before = server.footprint();
    let upload = Request::new("POST", "/api/v1/layers/demo/versions").body(vec![7; 8 << 20]);
    for (name, value) in [("Host", "evil.example"), ("Origin", "http://evil.example")] {
        let answer = server.send(&upload.clone().header(name, value));
        assert_eq!(answer.status, 400, "{name}");
        assert_eq!(server.footprint(), before);
    }
}

#[test]
fn signatures_replace_all_of_this() {
    let key = TestKey { id: "AKIDBROWSER00001", secret: "SKbrowser00001", tenant: "default" };
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(key.id, key.secret, key.tenant, Role::Write);
    let zip = zips::vector("tencent");
    for cloud in CLOUDS {
        let sign = |request| cloud.sign(key, request, server.base(), server.now());
        let foreign = sign(cloud.publishing(&zip)).header("Origin", "http://evil.example");
        assert_done(cloud, &server.send(&foreign.header("Sec-Fetch-Site", "cross-site")));
        let unsigned = server.send(&cloud.listing().header("Host", "evil.example"));
        assert!(!unsigned.text().contains("--allow-host"), "{}", unsigned.text());
    }
    let list = Request::get("/api/v1/layers").header("Host", "evil.example");
    let token = format!("Bearer {}.{}", key.id, key.secret);
    assert_eq!(server.send(&list.header("Authorization", &token)).status, 200);
}

#[test]
fn the_flag_may_be_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["--allow-host", "edge1.corp.example", "--allow-host", "*.lan,other"];
    let server = Process::serve(folder.path(), &names);
    for (host, status) in
        [("edge1.corp.example", 200), ("a.b.lan:1", 200), ("other", 200), ("corp.example", 400)]
    {
        let answer = server.send(&Request::get("/api/v1/layers").header("Host", host));
        assert_eq!(answer.status, status, "{host}");
    }
}
