//! Requests as text: the form of the seeds.
//!
//! ```text
//! at 1767225600                     optional: the server's clock, in seconds since 1970
//! GET /2023-03-30/layers?limit=2
//! Authorization: …
//!
//! the body
//! ```

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::world::START;

/// A request, and the time at which it arrives.
pub(crate) struct Parsed {
    pub(crate) at: i64,
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Parsed {
    /// Parses a request; `None` where its first line has no method and target.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let mut rest = data;
        let mut line = || {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            line.strip_suffix(b"\r").unwrap_or(line)
        };
        let mut first = std::str::from_utf8(line()).ok()?;
        let mut at = START;
        if let Some(stated) = first.strip_prefix("at ") {
            at = stated.parse().ok().filter(|at| (0..1 << 36).contains(at))?;
            first = std::str::from_utf8(line()).ok()?;
        }
        let (method, target) = first.split_once(' ')?;
        let (method, target) = (method.to_owned(), target.to_owned());
        let mut headers = Vec::new();
        loop {
            let line = line();
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        Some(Self { at, method, target, headers, body: rest.to_vec() })
    }

    /// Makes the request, as it comes out of the HTTP library; `None` if that refuses it.
    pub(crate) fn request(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.target.as_str());
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        let mut request = request.body(Body::from(self.body.clone())).ok()?;
        // The library has these agree with the body.
        request.headers_mut().remove(TRANSFER_ENCODING);
        request.headers_mut().insert(CONTENT_LENGTH, self.body.len().into());
        Some(request)
    }
}
