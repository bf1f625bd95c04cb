//! Bodies of S3 in chunks: an input is put as a body in chunks, and as the content of chunks.
//!
//! The reference decoder reads the whole body at once.

use axum::body::Body;
use axum::extract::Request;
use md5::{Digest, Md5};

use super::uploads::INPUT_MAX;
use super::world::{Answer, World};

/// As in `dialects/s3/wire/chunked.rs`.
const LINE_MAX: usize = 1024;
const TRAILERS_MAX: usize = 16;

thread_local! {
    static WORLD: World = World::open();
}

/// Checks a body.
pub fn check(data: &[u8]) {
    if data.len() > INPUT_MAX {
        return;
    }
    let answer = put(data.to_vec());
    match decode(data) {
        Some((content, trailers)) => {
            // A trailer may be a checksum, which may be wrong.
            assert!(answer.status == 200 || (trailers > 0 && answer.status == 400), "{answer:?}");
            if answer.status == 200 {
                assert_stored(&answer, &content);
            }
        }
        None => assert_eq!(answer.status, 400, "{}", answer.text()),
    }
    let size = usize::from(data.first().copied().unwrap_or(1)).max(1);
    let answer = put(encode(data, size));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_stored(&answer, data);
}

fn put(body: Vec<u8>) -> Answer {
    let request = Request::put("/s3/code/fuzz.zip")
        .header("host", "127.0.0.1:8470")
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("content-length", body.len())
        .body(Body::from(body));
    WORLD.with(|world| world.ask(request.expect("a request")))
}

fn assert_stored(answer: &Answer, content: &[u8]) {
    let etag = format!("\"{}\"", hex::encode(Md5::digest(content)));
    assert_eq!(answer.header("etag"), Some(&*etag), "{} bytes", content.len());
}

fn encode(content: &[u8], size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in content.chunks(size) {
        body.extend(format!("{:x}\r\n", chunk.len()).bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

/// Returns the content and the number of trailers; `None` for a broken body.
fn decode(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    loop {
        let line = line(&mut rest)?;
        let size = match line.split_once(';') {
            Some((size, extension)) => {
                extension.trim().strip_prefix("chunk-signature=")?;
                size
            }
            None => line,
        };
        let is_hex = (1..16).contains(&size.len()) && size.chars().all(|c| c.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| is_hex)?;
        if size == 0 {
            return Some((content, trailers(rest)?));
        }
        content.extend_from_slice(rest.get(..size)?);
        rest = &rest[size..];
        line_is_empty(&mut rest)?;
    }
}

fn trailers(mut rest: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !rest.is_empty() {
        let line = line(&mut rest)?;
        if !line.is_empty() {
            line.split_once(':')?;
            count += 1;
        }
    }
    Some(count).filter(|count| *count <= TRAILERS_MAX)
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b'\n').filter(|end| *end < LINE_MAX)?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()
}

fn line_is_empty(rest: &mut &[u8]) -> Option<()> {
    line(rest)?.is_empty().then_some(())
}
