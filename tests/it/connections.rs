//! Limits of a connection, and its end when the server shuts down.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::process::Process;
use crate::support::{Request, TestServer, raw, zips};

/// A timeout short enough to wait for in a test.
const SOON: Duration = Duration::from_millis(50);

const HALF_A_HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: ";

#[test]
fn incomplete_head_ends_the_connection() {
    let server = TestServer::start_with(|config| config.head_timeout = SOON);
    for half in [&b""[..], b"GET", HALF_A_HEAD] {
        let mut stream = raw::sent(server.base(), half);
        assert_eq!(raw::rest(&mut stream), b"", "{half:?}");
    }
    let mut stream = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut stream).status, 200);
    assert_eq!(raw::rest(&mut stream), b"", "nor does it wait for ever between two requests");
    assert_eq!(server.send(&Request::get("/healthz")).status, 200);
}

#[test]
fn oversized_head_is_answered_431() {
    let head = |length: usize| {
        let field = "x".repeat(length);
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Field: {field}\r\n\r\n").into_bytes()
    };
    for (limit, below, above) in [(64 << 10, 60_000, 66_000), (8 << 10, 8000, 8200)] {
        let server = TestServer::start_with(|config| config.max_head = limit);
        let mut stream = raw::sent(server.base(), &head(below));
        assert_eq!(raw::answer(&mut stream).status, 200, "{below}");
        stream.write_all(&head(above)).unwrap();
        assert_eq!(raw::answer(&mut stream).status, 431, "{above}");
        assert_eq!(raw::rest(&mut stream), b"");
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
    }
}

#[test]
fn slow_body_is_refused_with_the_clouds_own_error() {
    let server = TestServer::start_with(|config| config.body_timeout = Some(SOON));
    assert_eq!(server.send(&Request::get("/api/v1/layers")).status, 200);
    let before = server.footprint();
    for (path, status, code) in [
        ("/api/v1/layers/demo/versions", 422, "/code"),
        ("/2023-03-30/layers/demo/versions", 400, "/Code"),
        ("/openapi/v1/layers/demo/versions", 200, "/error"),
    ] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        let mut stream = raw::sent(server.base(), head.as_bytes());
        // More than the server keeps in memory.
        stream.write_all(&[b' '; 300_000]).unwrap();
        let answer = raw::answer(&mut stream);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let body = answer.json();
        assert!(body.pointer(code).is_some_and(|code| code.is_string()), "{body}");
        assert!(body.to_string().contains("took too long"), "{body}");
        assert_eq!(server.footprint(), before, "{path}");
    }
}

#[test]
fn stalled_clients_do_not_block_others() {
    let server = TestServer::start();
    let stuck: Vec<TcpStream> = (0..40)
        .map(|number| match number % 2 {
            0 => raw::sent(server.base(), HALF_A_HEAD),
            _ => {
                let mut stream = raw::sent(server.base(), &raw::upload_head("stuck", 9_000_000));
                stream.write_all(&[7; 300_000]).unwrap();
                stream
            }
        })
        .collect();
    for number in 0..5 {
        let path = format!("/api/v1/layers/layer-{number}/versions");
        let published = server.send(&Request::new("POST", &path).body(zips::vector("tencent")));
        assert_eq!(published.status, 201, "{}", published.text());
        let listed = server.send(&Request::get("/api/v1/layers")).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), number + 1);
    }
    drop(stuck);
}

/// Begins an upload whose request stays in flight until it is dropped.
fn busy(server: &TestServer) -> TcpStream {
    let mut stream = raw::sent(server.base(), &raw::upload_head("busy", 9_000_000));
    stream.write_all(&[7; 300_000]).unwrap();
    let incoming = server.data().join("incoming");
    while fs::read_dir(&incoming).unwrap().count() == 0 {}
    stream
}

#[test]
fn the_longest_idle_connection_gives_way() {
    let server = TestServer::start_with(|config| config.max_connections = 2);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(&raw::get("/healthz")).unwrap();
        assert_eq!(raw::answer(stream).status, 200);
    };
    let [mut first, mut second, mut third] = [(); 3].map(|()| {
        let mut stream = raw::sent(server.base(), b"");
        ask(&mut stream);
        stream
    });
    assert_eq!(raw::rest(&mut first), b"");
    ask(&mut second);
    let mut fourth = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut fourth).status, 200);
    assert_eq!(raw::rest(&mut third), b"", "the second one has asked since");
    ask(&mut second);
}

#[test]
fn many_slow_clients_do_not_shut_the_door() {
    let server = TestServer::start_with(|config| config.max_connections = 50);
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..400 {
        slow.push(raw::sent(server.base(), [&b""[..], b"G", HALF_A_HEAD][number % 3]));
        if number % 20 == 0 {
            let path = format!("/api/v1/layers/layer-{number}/versions");
            let published = server.send(&Request::new("POST", &path).body(zips::vector("tencent")));
            assert_eq!(published.status, 201, "{}", published.text());
        }
    }
    let ended = slow[..300].iter_mut().map(raw::rest).filter(Vec::is_empty).count();
    assert_eq!(ended, 300, "older ones gave way to newer ones");
}

#[test]
fn probes_are_answered_while_all_connections_are_busy() {
    let server = TestServer::start_with(|config| {
        config.max_connections = 1;
        config.max_peer_connections = 100;
    });
    let upload = busy(&server);
    for path in ["/healthz", "/readyz"] {
        let mut probe = raw::sent(server.base(), &raw::get(path));
        assert_eq!(raw::answer(&mut probe).status, 200, "{path}");
    }
    let mut other = raw::sent(server.base(), &raw::get("/api/v1/layers"));
    let refused = raw::answer(&mut other);
    assert_eq!((refused.status, refused.header("Retry-After")), (503, Some("1")));
    assert_eq!(refused.header("Connection"), Some("close"));
    assert!(refused.text().contains("--max-connections"), "{}", refused.text());
    assert_eq!(raw::rest(&mut other), b"");
    drop(upload);
    let is_free = |_| {
        let mut again = raw::sent(server.base(), &raw::get("/api/v1/layers"));
        raw::answer(&mut again).status == 200
    };
    assert!((0..20_000).any(is_free));
}

#[test]
fn one_peer_cannot_take_all_connections() {
    let server = TestServer::start_with(|config| config.max_peer_connections = 1);
    let upload = busy(&server);
    let mut other = raw::sent(server.base(), &raw::get("/api/v1/layers"));
    let refused = raw::answer(&mut other);
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("--max-peer-connections"), "{}", refused.text());
    let mut probe = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut probe).status, 200);
    drop(upload);
    let is_free = |_| {
        let head = b"GET /api/v1/layers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut again = raw::sent(server.base(), head);
        raw::rest(&mut again).starts_with(b"HTTP/1.1 200")
    };
    assert!((0..20_000).any(is_free));
}

#[test]
fn a_server_that_will_close_says_so() {
    let server = TestServer::start_with(|config| config.max_head = 8 << 10);
    let upload = "/api/v1/layers/demo/versions";
    let expecting = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000000\r\n\
             Expect: 100-continue\r\n\r\n"
        )
    };
    let long = "x".repeat(9000);
    for (head, status) in [
        (expecting(upload), 413),
        (expecting("/nowhere"), 404),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"), 431),
        ("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(), 200),
    ] {
        let mut stream = raw::sent(server.base(), head.as_bytes());
        let answer = raw::answer(&mut stream);
        assert_eq!(answer.status, status, "{head:.60}");
        assert_eq!(answer.header("Connection"), Some("close"), "{head:.60}");
        assert_eq!(raw::rest(&mut stream), b"");
    }
    // A client that sends its body may use the connection again.
    let foreign = "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: evil.example\r\n\
                   Content-Length: 3\r\n\r\nabc";
    for head in
        [foreign, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"]
    {
        let mut stream = raw::sent(server.base(), head.as_bytes());
        let answer = raw::answer(&mut stream);
        assert!(answer.status >= 400 && answer.header("Connection").is_none(), "{head}");
        stream.write_all(&raw::get("/healthz")).unwrap();
        assert_eq!(raw::answer(&mut stream).status, 200);
    }
}

#[test]
fn heads_that_two_readers_understand_differently_are_refused() {
    let server = TestServer::start();
    let get = "GET /api/v1/layers HTTP/1.1\r\n";
    for (head, reason) in [
        (format!("{get}\r\n"), "no Host"),
        (format!("{get}Host: localhost\r\nHost: localhost\r\n\r\n"), "more than one Host"),
        (
            format!("{get}Host: localhost\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"),
            "more than one Authorization",
        ),
    ] {
        let answer = raw::answer(&mut raw::sent(server.base(), head.as_bytes()));
        assert_eq!(answer.status, 400, "{head}");
        assert!(answer.text().contains(reason), "{}", answer.text());
        assert_eq!(answer.header("Connection"), Some("close"));
    }
    let old = raw::sent(server.base(), b"GET /api/v1/layers HTTP/1.0\r\n\r\n");
    assert!(raw::rest(&mut { old }).starts_with(b"HTTP/1.0 200"), "HTTP/1.0 has no Host");
}

/// What the HTTP library takes for the end of a line is one for this server as well: a request
/// in a request would be answered as a second one.
#[test]
fn no_request_hides_behind_a_bare_line_feed() {
    let server = TestServer::start();
    let hidden = "DELETE /api/v1/layers/demo/versions/1 HTTP/1.1";
    let published = server
        .send(&Request::new("POST", "/api/v1/layers/demo/versions").body(zips::vector("ctyun")));
    assert_eq!(published.status, 201);
    let before = server.footprint();
    for text in [
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\n\n{hidden}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\r\n{hidden}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\n {hidden}\r\n\r\n"),
        format!(
            "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             1;a\n{hidden}\r\nx\r\n0\r\n\r\n"
        ),
        format!(
            "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
             Content-Length: 4\r\n\r\n0\r\n\r\n{hidden}\r\n\r\n"
        ),
        format!(
            "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\x0bchunked\r\n\
             Content-Length: 4\r\n\r\n{hidden}\r\n\r\n"
        ),
        format!(
            "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\
             Content-Length: 5\r\n\r\nabcd{hidden}\r\n\r\n"
        ),
    ] {
        let mut stream = raw::sent(server.base(), text.as_bytes());
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answered = String::from_utf8(raw::rest(&mut stream)).unwrap();
        assert!(!answered.contains("204 No Content"), "{text}: {answered}");
        assert_eq!(server.footprint(), before, "{text}");
    }
}

#[test]
fn header_names_for_s3_clients_are_in_lower_case() {
    let server = TestServer::start();
    let put = b"PUT /s3/code/a HTTP/1.1\r\nHost: localhost\r\nX-Amz-Meta-Who: me\r\n\
                Content-Length: 1\r\n\r\na";
    let mut stream = raw::sent(server.base(), put);
    assert_eq!(raw::answer(&mut stream).status, 200);
    stream.write_all(&raw::get("/s3/code/a")).unwrap();
    let names: Vec<String> = raw::answer(&mut stream).headers.into_iter().map(|(n, _)| n).collect();
    assert!(names.contains(&"x-amz-meta-who".to_owned()), "{names:?}");
    let signed = b"GET /code/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 \
                   Credential=a/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=b\r\n\r\n";
    let names = raw::answer(&mut raw::sent(server.base(), signed)).headers;
    assert!(names.iter().any(|(name, _)| name == "content-type"), "{names:?}");
}

#[test]
fn header_names_are_in_title_case_and_small_answers_in_one_piece() {
    let server = TestServer::start();
    let zip = zips::vector("tencent");
    let publish = [raw::upload_head("demo", zip.len()), zip].concat();
    for sent in
        [publish, raw::get("/api/v1/layers"), raw::get("/2023-03-30/layers"), raw::get("/x")]
    {
        let mut stream = raw::sent(server.base(), &sent);
        let mut first = vec![0; 64 << 10];
        let length = stream.read(&mut first).unwrap();
        let text = String::from_utf8_lossy(&first[..length]).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        assert_eq!(length.unwrap().parse(), Ok(body.len()), "{head}");
        for name in head.lines().skip(1).map(|line| line.split(':').next().unwrap()) {
            let is_title = name.split('-').all(|word| {
                let (first, rest) = word.split_at(1);
                first == first.to_uppercase() && rest == rest.to_lowercase()
            });
            assert!(is_title, "{name}");
        }
    }
}

#[test]
fn silent_client_frees_its_connection() {
    let server = TestServer::start_with(|config| {
        config.max_connections = 1;
        config.head_timeout = SOON;
    });
    let silent = raw::sent(server.base(), b"");
    let mut other = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut other).status, 200);
    drop(silent);
}

#[test]
fn shutdown_waits_for_running_requests_only() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[]);
    let mut idle = raw::sent(server.base(), &raw::get("/healthz"));
    assert_eq!(raw::answer(&mut idle).status, 200);
    let fresh = raw::sent(server.base(), b"");
    let zip = zips::stored(&[("a.txt", &[b'a'; 400_000])]);
    let (first, last) = zip.split_at(300_000);
    let mut upload = raw::sent(server.base(), &raw::upload_head("demo", zip.len()));
    upload.write_all(first).unwrap();
    // The upload is running once it has its file.
    let runs = |_| {
        assert_eq!(server.send(&Request::get("/healthz")).status, 200);
        fs::read_dir(folder.path().join("incoming")).unwrap().count() > 0
    };
    assert!((0..20_000).any(runs));
    server.signal("TERM");
    assert_eq!(raw::rest(&mut idle), b"", "an idle connection is closed");
    upload.write_all(last).unwrap();
    let published = raw::answer(&mut upload);
    assert_eq!(published.status, 201, "{}", published.text());
    assert_eq!(server.end(), Some(0));
    drop(fresh);
}
