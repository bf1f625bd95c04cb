//! `FC <key id>:<signature>`, the scheme of 2016 (alibaba.md section 9.1).
//!
//! It covers neither the query nor the body. Each client fills `Content-MD5` in its own way, or not
//! at all: the header is signed as it was sent and compared with nothing.

use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::begin_text;

/// Returns the text with a path as it is and the text with the path decoded: each is what
/// some client signs.
pub(super) fn strings_to_sign(head: &Parts, path: &str) -> [Vec<u8>; 2] {
    let start = begin_text(head, &["content-md5", "content-type", "date"], "x-fc-");
    [path.as_bytes().to_vec(), percent_decode_str(path).collect()]
        .map(|path| [start.as_bytes(), &path].concat())
}
