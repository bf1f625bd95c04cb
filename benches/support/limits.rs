//! The limits that a server is compared with: minimal programs that do only the measured work.
//!
//! A bench starts its own program with other arguments as a child process, so that a limit has the
//! same runtime, allocator and processor as the real server. Limits have no dialects, tenants,
//! request ids or signatures; a page's links are as long as the real ones, without a valid
//! signature.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use layerbase::domain::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_util::io::ReaderStream;

/// The argument that makes a bench run as one of these servers.
pub const COMMAND: &str = "limit";

/// A page of layers: one prepared query and its serialisation for each request.
pub const PAGES: &str = "pages";

/// One response from memory.
pub const MEMORY: &str = "memory";

/// One file, read and written by axum.
pub const FILE: &str = "file";

/// One file, sent by the kernel, as with nginx.
pub const SENDFILE: &str = "sendfile";

/// The path of every limit.
pub const PATH: &str = "/limit";

/// The layers of a page with their newest versions; the joins of `src/store/layers.rs`.
const QUERY: &str = "SELECT l.name, l.acl, v.number, v.description, v.license, v.runtimes, \
    v.created, c.sha256, c.crc64, c.size FROM layers l INDEXED BY layers_by_name \
    CROSS JOIN layer_versions v ON v.layer = l.id AND v.number = l.newest \
    CROSS JOIN code c ON c.sha256 = v.code \
    WHERE l.tenant = ? AND l.newest IS NOT NULL AND l.name >= ? ORDER BY l.name LIMIT ?";

/// Serves requests until it is killed; `arguments` are the kind and the file.
pub fn serve(arguments: &[String]) {
    let [kind, path] = arguments else { panic!("a kind and a file are expected") };
    let path = PathBuf::from(path);
    let router = match kind.as_str() {
        PAGES => Router::new().route(PATH, get(move |query| pages(path.clone(), query))),
        MEMORY => {
            let page = Bytes::from(std::fs::read(path).expect("the page can be read"));
            Router::new().route(PATH, get(move || async move { json(page) }))
        }
        FILE => Router::new().route(PATH, get(move || file(path.clone()))),
        SENDFILE => return sendfile(&path),
        other => panic!("no limit is called {other}"),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("limit ready on http://{}", listener.local_addr().expect("it is bound"));
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await.expect("it is served until it is killed");
    });
}

fn json(body: impl Into<Body>) -> Response {
    Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .body(body.into())
        .expect("the header is valid")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer<'r> {
    layer_name: &'r str,
    version: i64,
    description: &'r str,
    code: Code,
    code_size: i64,
    code_checksum: String,
    create_time: String,
    acl: i64,
    compatible_runtime: &'r RawValue,
    arn: String,
    license: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    repository_type: &'static str,
    location: String,
}

async fn pages(path: PathBuf, RawQuery(query): RawQuery) -> Response {
    thread_local! { static CATALOG: RefCell<Option<Connection>> = const { RefCell::new(None) } }
    let (mut limit, mut from) = (20, String::new());
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*key {
            "limit" => limit = value.parse().expect("a number"),
            "nextToken" => from = value.into_owned(),
            _ => {}
        }
    }
    CATALOG.with_borrow_mut(|catalog| {
        let catalog = catalog.get_or_insert_with(|| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let catalog = Connection::open_with_flags(&path, flags).expect("the catalog is there");
            // Without stable plans SQLite prepares the statement again whenever LIMIT is bound.
            let stable = catalog.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
            assert!(stable.is_ok_and(|stable| stable), "plans are stable");
            catalog
        });
        json(page(catalog, &from, limit).expect("the schema is the one that is read here"))
    })
}

fn page(catalog: &Connection, from: &str, limit: i64) -> rusqlite::Result<Vec<u8>> {
    let mut statement = catalog.prepare_cached(QUERY)?;
    let mut rows = statement.query(("default", from, limit + 1))?;
    let mut text = Vec::with_capacity(16 << 10);
    text.extend_from_slice(b"{\"layers\":[");
    let mut count = 0;
    while let Some(row) = rows.next()? {
        if count == limit {
            text.extend_from_slice(b"],\"nextToken\":");
            let next = row.get_ref(0)?.as_str()?;
            serde_json::to_writer(&mut text, next).expect("memory can be written");
            text.push(b'}');
            return Ok(text);
        }
        if count > 0 {
            text.push(b',');
        }
        write_layer(row, &mut text)?;
        count += 1;
    }
    text.extend_from_slice(b"]}");
    Ok(text)
}

fn write_layer(row: &Row<'_>, out: &mut Vec<u8>) -> rusqlite::Result<()> {
    let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let (name, version): (_, i64) = (text(0)?, row.get(2)?);
    let mut sha256 = [0; 64];
    hex::encode_to_slice(row.get_ref(7)?.as_blob()?, &mut sha256).expect("32 bytes");
    let sha256 = std::str::from_utf8(&sha256).expect("hexadecimal digits");
    let seconds = row.get::<_, i64>(6)? / 1_000_000;
    let created = Timestamp::from_second(seconds).expect("the seeded times are valid");
    let layer = Layer {
        layer_name: name,
        version,
        description: text(3)?,
        code: Code {
            repository_type: "OSS",
            location: format!(
                "http://127.0.0.1:10000/code/{sha256}/{name}_{version}.zip\
                 ?tenant=default&expires=1767235600&signature={sha256}"
            ),
        },
        code_size: row.get(9)?,
        code_checksum: row.get::<_, i64>(8)?.cast_unsigned().to_string(),
        create_time: created.to_string(),
        acl: row.get(1)?,
        compatible_runtime: serde_json::from_str(text(5)?).expect("the column is JSON"),
        arn: format!("0123456789abcdef0123456789abcdef#{name}#{version}"),
        license: text(4)?,
    };
    serde_json::to_writer(out, &layer).expect("memory can be written");
    Ok(())
}

async fn file(path: PathBuf) -> Response {
    let file = tokio::fs::File::open(path).await.expect("the file is there");
    let length = file.metadata().await.expect("it is open").len();
    let body = Body::from_stream(ReaderStream::with_capacity(file, 128 << 10));
    let response = Response::builder().header(CONTENT_LENGTH, length);
    response.body(body).expect("the header is valid")
}

/// Serves a file with `std::io::copy`, which is `sendfile(2)` from a file to a socket on Linux.
fn sendfile(path: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("limit ready on http://{}", listener.local_addr().expect("it is bound"));
    for stream in listener.incoming() {
        let mut stream = stream.expect("connections come");
        let mut head = BufReader::new(&stream).lines().map_while(Result::ok);
        while head.next().is_some_and(|line| !line.is_empty()) {}
        let mut file = File::open(path).expect("the file is there");
        let length = file.metadata().expect("it is open").len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        // The client may have disconnected.
        let _ = std::io::copy(&mut file, &mut stream);
    }
}
