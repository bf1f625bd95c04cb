//! Download links: what they serve, when they expire, and which host they name.

use crate::support::{Request, TestServer, raw, zips};

fn link(server: &TestServer) -> String {
    let zip = zips::vector("tencent");
    let published = server.send(&Request::new("POST", "/api/v1/layers/demo/versions").body(zip));
    published.json()["download_url"].as_str().unwrap().to_owned()
}

#[test]
fn link_serves_exact_bytes_with_length_and_etag() {
    let server = TestServer::start();
    let link = link(&server);
    let answer = Request::get(&link).send("");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, zips::vector("tencent"));
    assert_eq!(answer.header("content-length"), Some("167"));
    let etag = "\"8d842975f5ee66e38d8543db8763d75e40674cd1d2f0ed2cbde97d9c4de4dc44\"";
    assert_eq!(answer.header("etag"), Some(etag));
    let again = Request::get(&link).header("If-None-Match", etag).send("");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = Request::new("HEAD", &link).send("");
    assert_eq!((head.status, head.header("content-length")), (200, Some("167")));
}

#[test]
fn ranges_are_served() {
    let server = TestServer::start();
    let (link, zip) = (link(&server), zips::vector("tencent"));
    for (range, expected, content_range) in [
        ("bytes=0-3", &zip[..4], "bytes 0-3/167"),
        ("bytes=160-", &zip[160..], "bytes 160-166/167"),
        ("bytes=-10", &zip[157..], "bytes 157-166/167"),
        ("bytes=-65536", &zip[..], "bytes 0-166/167"),
    ] {
        let answer = Request::get(&link).header("Range", range).send("");
        assert_eq!((answer.status, answer.body.as_slice()), (206, expected), "{range}");
        assert_eq!(answer.header("content-range"), Some(content_range));
    }
    for range in ["bytes=167-", "bytes=-0"] {
        let beyond = Request::get(&link).header("Range", range).send("");
        let content_range = beyond.header("content-range");
        assert_eq!((beyond.status, content_range), (416, Some("bytes */167")), "{range}");
    }
    let changed = Request::get(&link).header("Range", "bytes=0-3").header("If-Range", "\"x\"");
    assert_eq!(changed.send("").status, 200);
}

/// Tencent's own links state the media type of their download; those of the other clouds are zips.
#[test]
fn the_media_type_is_the_one_that_a_link_states() {
    let server = TestServer::start();
    let zip = link(&server);
    let get = "/?Action=GetLayerVersion&LayerName=demo&LayerVersion=1&Version=2018-04-16";
    let answer = server.send(&Request::get(get)).json();
    let octets = answer["Response"]["Location"].as_str().unwrap().to_owned();
    let stated = "&response-content-type=application/octet-stream";
    assert!(octets.contains(stated) && !zip.contains("response-content-type"), "{octets} {zip}");
    for (link, media) in [(&zip, "application/zip"), (&octets, "application/octet-stream")] {
        for method in ["GET", "HEAD"] {
            let answer = Request::new(method, link).send("");
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, Some(media)),
                "{link}"
            );
        }
        assert_eq!(Request::get(link).send("").body, zips::vector("tencent"));
    }
    for changed in [
        octets.replace(stated, ""),
        octets.replace("octet-stream", "zip"),
        octets.replace("tenant=default", "tenant=default%00octet-stream").replace(stated, ""),
        zip.replace("&signature", &format!("{stated}&signature")),
        format!("{zip}{stated}"),
    ] {
        assert_eq!(Request::get(&changed).send("").status, 403, "{changed}");
    }
}

#[test]
fn changed_and_expired_links_are_refused() {
    let server = TestServer::start();
    let link = link(&server);
    let start = link.find("/code/").unwrap();
    for place in start + 1..link.len() {
        let mut bytes = link.clone().into_bytes();
        bytes[place] = if bytes[place] == b'1' { b'2' } else { b'1' };
        let changed = String::from_utf8(bytes).unwrap();
        let status = Request::get(&changed).send("").status;
        assert!([403, 404].contains(&status), "{status} for {changed}");
    }
    server.pass_seconds(10_000);
    assert_eq!(Request::get(&link).send("").status, 200, "it is good for 10,000 seconds at least");
    server.pass_seconds(601);
    let answer = Request::get(&link).send("");
    assert_eq!(answer.status, 403);
    assert!(
        answer.text().contains("<Code>AccessDenied</Code><Message>Request has expired</Message>")
    );
}

#[test]
fn links_survive_a_restart() {
    let server = TestServer::start();
    let old = link(&server);
    let path = old[old.find("/code/").unwrap()..].to_owned();
    let server = server.restart();
    assert_eq!(server.send(&Request::get(&path)).body, zips::vector("tencent"));
}

#[test]
fn links_start_with_public_url_or_request_host() {
    let server = TestServer::start_with(|config| {
        config.public_url = Some("https://layers.example/x".to_owned());
    });
    assert!(link(&server).starts_with("https://layers.example/x/code/"));
    let server = TestServer::start();
    link(&server);
    let port = server.base().rsplit(':').next().unwrap();
    for (host, base) in [
        ("localhost", format!("http://localhost:{port}/code/")),
        ("localhost:9000", "http://localhost:9000/code/".to_owned()),
        ("http://localhost:9000", "http://localhost:9000/code/".to_owned()),
        ("[::1]:9000", "http://[::1]:9000/code/".to_owned()),
    ] {
        let request = Request::get("/api/v1/layers/demo/versions/1").header("Host", host);
        let url = server.send(&request).json()["download_url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&base), "{host}: {url}");
    }
}

/// An answer that is rendered twice is cached (`docker run -p 9000:8470` beside a direct client).
#[test]
fn cached_links_are_of_the_host_that_asks() {
    let server = TestServer::start();
    link(&server);
    let own = raw::authority(server.base()).replace("127.0.0.1", "localhost");
    let hosts = ["localhost:9000", "localhost:9001", "127.0.0.1:9000", "localhost"];
    for path in [
        "/api/v1/layers/demo/versions",
        "/layers",
        "/?Action=GetLayerVersion&LayerName=demo&LayerVersion=1&Version=2018-04-16",
    ] {
        for _ in 0..4 {
            for host in hosts {
                let text = server.send(&Request::get(path).header("Host", host)).text();
                let authority = if host.contains(':') { host.to_owned() } else { own.clone() };
                assert!(text.contains(&format!("http://{authority}/code/")), "{host}: {text}");
            }
        }
    }
}
