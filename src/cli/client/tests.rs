//! The client against a scripted server: addresses, uploads, pages, problems.

use std::net::TcpListener;

use super::super::scripted::{Answer, Scripted};
use super::*;

fn client(server: &str) -> Client {
    Client::new(&access(server)).unwrap()
}

fn access(server: &str) -> Access {
    Access { server: server.to_owned(), ..Access::default() }
}

const JSON: &str = "application/json";

fn problem(status: u16, body: &str) -> Answer {
    (status, "application/problem+json", body.as_bytes().to_vec())
}

fn upload(server: &Scripted, bytes: &[u8], size: u64) -> Result<String, Failure> {
    let client = client(&server.url);
    let mut reader = bytes;
    let code = Code { reader: &mut reader, size, bar: &ProgressBar::hidden() };
    client.upload(Upload::Post, &["layers", "a", "versions"], &Query::default(), Some(code))
}

fn stored(bytes: &[u8]) -> Answer {
    let sha256 = hex::encode(Sha256::digest(bytes));
    (201, JSON, format!("{{\"sha256\":\"{sha256}\"}}").into_bytes())
}

#[test]
fn segments_and_values_are_encoded() {
    let client = client("http://127.0.0.1:1/base/");
    let mut query = Query::default();
    query.push("env", "K=a b&c");
    query.push_some("after", None::<String>);
    query.push_all("layer", &["n:1".to_owned(), "层:2".to_owned()]);
    assert_eq!(
        client.url(&["functions", "0@s v/c@?é~-._"], &query),
        "http://127.0.0.1:1/base/api/v1/functions/0%40s%20v%2Fc%40%3F%C3%A9~-._\
         ?env=K%3Da%20b%26c&layer=n%3A1&layer=%E5%B1%82%3A2"
    );
}

#[test]
fn only_http_and_https_addresses_are_accepted() {
    for good in ["http://localhost", "http://127.0.0.1:8470/", "http://[::1]:1/x"] {
        assert!(Client::new(&access(good)).is_ok(), "{good}");
    }
    for bad in ["", "localhost:8470", "127.0.0.1", "ftp://x", "https://", "http://", "http://x/?a"]
    {
        let kind = Client::new(&access(bad)).err().map(|failure| failure.kind);
        assert_eq!(kind, Some(Kind::Usage), "{bad}");
    }
}

#[test]
fn uploads_carry_their_length_and_large_ones_expect_100_continue() {
    let server = Scripted::start(false, |request| stored(&request.body));
    for size in [0, 10, (1 << 20) - 1, 1 << 20, 5_000_000] {
        let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        upload(&server, &bytes, size).unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!(request.method, "POST");
        assert_eq!(request.target, "/api/v1/layers/a/versions");
        assert_eq!(request.header("content-type"), Some("application/zip"));
        assert_eq!(request.header("content-length"), Some(size.to_string().as_str()));
        assert_eq!(request.header("transfer-encoding"), None);
        assert_eq!(request.header("expect").is_some(), size >= EXPECT_MIN);
        assert_eq!(request.body, bytes);
    }
}

#[test]
fn a_refusal_before_the_body_arrives_as_a_refusal() {
    let server = Scripted::start(true, |_| {
        problem(
            413,
            r#"{"title":"Too large","detail":"bytes of zip: 9 is more than 5","code":"LimitExceeded","request_id":"r1"}"#,
        )
    });
    let bytes = vec![0; 20_000_000];
    let failure = upload(&server, &bytes, 20_000_000).unwrap_err();
    let text = "bytes of zip: 9 is more than 5 (LimitExceeded, request r1)";
    assert_eq!(failure, Failure::refused(text));
}

#[test]
fn a_file_that_became_shorter_ends_the_upload() {
    let server = Scripted::start(false, |request| stored(&request.body));
    let failure = upload(&server, b"PK", 5).unwrap_err();
    assert!(failure.what.contains("became shorter"), "{failure:?}");
}

#[test]
fn a_different_digest_from_the_server_is_a_failure() {
    let server = Scripted::start(false, |_| stored(b"else"));
    let failure = upload(&server, b"PK", 2).unwrap_err();
    assert!(failure.kind == Kind::Failed && failure.what.contains("other bytes"), "{failure:?}");
}

#[test]
fn an_empty_body_is_sent_with_its_length() {
    let server = Scripted::start(false, |_| (200, JSON, b"{}".to_vec()));
    let client = client(&server.url);
    client.upload(Upload::Put, &["functions", "f"], &Query::default(), None).unwrap();
    let request = server.requests().pop().unwrap();
    assert_eq!((request.method.as_str(), request.header("content-length")), ("PUT", Some("0")));
}

#[test]
fn pages_are_followed_to_the_last_and_a_loop_is_refused() {
    let server = Scripted::start(false, |request| {
        let body = match request.target.split("after=").nth(1) {
            None => r#"{"items":[1, {"a" : 2}],"next":"x y"}"#,
            Some("x%20y") => r#"{"items":[],"next":"z"}"#,
            Some(_) if request.target.contains("loop") => r#"{"items":[],"next":"z"}"#,
            Some(_) => r#"{"items":[3]}"#,
        };
        (200, JSON, body.as_bytes().to_vec())
    });
    let client = client(&server.url);
    let mut items = Vec::new();
    let mut item = |item: &RawValue| {
        items.push(item.get().to_owned());
        Ok(())
    };
    client.pages(&["layers"], &Query::default(), &mut item).unwrap();
    assert!(client.pages(&["loop"], &Query::default(), |_| Ok(())).is_err());
    assert_eq!(items, ["1", "{\"a\" : 2}", "3"]);
    assert_eq!(server.requests()[1].target, "/api/v1/layers?limit=500&after=x%20y");
}

#[test]
fn problems_become_exit_codes() {
    let server = Scripted::start(false, |request| {
        let status = request.target.rsplit('/').next().unwrap().parse().unwrap();
        if status == 418 {
            (status, "text/html", b"<html>".to_vec())
        } else {
            problem(status, r#"{"title":"T"}"#)
        }
    });
    let client = client(&server.url);
    for (status, kind) in [
        ("400", Kind::Refused),
        ("403", Kind::Refused),
        ("404", Kind::NotFound),
        ("409", Kind::Refused),
        ("418", Kind::Failed),
        ("500", Kind::Failed),
        ("503", Kind::Failed),
    ] {
        let failure = client.get(&[status], &Query::default()).unwrap_err();
        assert_eq!(failure.kind, kind, "{status}");
        assert_eq!(client.delete(&[status], &Query::default()), Err(failure));
    }
}

#[test]
fn the_key_goes_with_every_request_and_to_no_other_server() {
    let other = Scripted::start(false, |_| (200, JSON, b"{\"items\":[]}".to_vec()));
    let target = other.url.clone();
    let server = Scripted::start(false, move |request| {
        if request.target.contains("elsewhere") {
            return (307, Box::leak(format!("x\r\nLocation: {target}/").into_boxed_str()), vec![]);
        }
        if request.method == "POST" { stored(b"PK") } else { (200, JSON, b"{}".to_vec()) }
    });
    let key = Some(Key::parse("AKID.s3cret", KEY).unwrap());
    let client = Client::new(&Access { key, ..access(&server.url) }).unwrap();
    let query = Query::default();
    client.get(&["layers"], &query).unwrap();
    client.delete(&["layers"], &query).unwrap();
    client.code("ab").unwrap();
    client.upload(Upload::Put, &["functions", "f"], &query, None).unwrap();
    let code = Code { reader: &mut &b"PK"[..], size: 2, bar: &ProgressBar::hidden() };
    client.upload(Upload::Post, &["layers", "a"], &query, Some(code)).unwrap();
    client.get(&["elsewhere"], &query).unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 6);
    for request in requests {
        assert_eq!(request.header("authorization"), Some("Bearer AKID.s3cret"), "{request:?}");
    }
    assert_eq!(other.requests().pop().unwrap().header("authorization"), None);
}

#[test]
fn refused_credentials_get_a_hint_about_the_key() {
    let server = Scripted::start(false, |request| match request.target.as_str() {
        "/api/v1/401" => problem(401, r#"{"title":"T","detail":"no signature"}"#),
        _ => (403, "text/html", b"<html>".to_vec()),
    });
    let key = Some(Key::parse("AKID.s3cret", KEY).unwrap());
    let with_key = Client::new(&Access { key, ..access(&server.url) }).unwrap();
    for client in [client(&server.url), with_key] {
        for status in ["401", "403"] {
            let failure = client.get(&[status], &Query::default()).unwrap_err();
            assert_eq!(failure.kind, Kind::Refused);
            assert!(failure.hint.as_ref().unwrap().contains("LAYERBASE_KEY"), "{failure:?}");
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
    }
}

#[test]
fn an_unreachable_server_gets_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = client(&url).get(&["layers"], &Query::default()).unwrap_err();
    assert_eq!(failure.kind, Kind::Failed);
    assert!(failure.what.contains(&url), "{failure:?}");
    assert!(failure.hint.as_ref().unwrap().contains("layerbase serve"), "{failure:?}");
}
