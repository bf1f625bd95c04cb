//! Rendered pages that can be given again, byte for byte, until the next write.
//!
//! Layers and functions are changed by this process alone, which counts its commits; keys,
//! cloud_ids and the link secret by others too, who raise the stamp of the access. So a page is true
//! as long as neither has moved, and its links have not become due for renewal.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::links::period_of;
use super::{Call, Caller};
use crate::app::App;
use crate::domain::Access;

/// Bytes of pages that one dialect keeps.
const KEPT_MAX: usize = 4 << 20;

/// ResponseCache that are remembered as rendered once.
const SEEN: usize = 1024;

/// Bytes of a key that few exceed.
const KEY_USUAL: usize = 256;

/// The largest page that is kept.
const PAGE_MAX: usize = 256 << 10;

/// When a page is true: generation of the catalog, state of its keys and cloud_ids, period of its
/// links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CacheEpoch(u64, u64, i64);

impl CacheEpoch {
    /// Taken before anything is read, so that a page is never older than its key says.
    pub(super) fn new(app: &App, access: &Access, call: &Call) -> Self {
        Self(app.catalog().generation(), access.stamp, period_of(call.received))
    }
}

/// What an answer depends on.
pub(super) struct CacheKey {
    moment: CacheEpoch,
    text: Vec<u8>,
}

impl CacheKey {
    /// What is asked by whom, with the headers that the answer depends on.
    pub(super) fn new(moment: CacheEpoch, head: &Parts, caller: &Caller, headers: &[&str]) -> Self {
        let mut text = Vec::with_capacity(KEY_USUAL);
        let mut add = |part: &[u8]| {
            text.extend_from_slice(part);
            text.push(b'\n');
        };
        add(head.method.as_str().as_bytes());
        add(caller.tenant().as_str().as_bytes());
        add(head.uri.path().as_bytes());
        add(head.uri.query().unwrap_or_default().as_bytes());
        for name in [HOST.as_str()].iter().chain(headers) {
            add(head.headers.get(*name).map_or(b"", HeaderValue::as_bytes));
        }
        Self { moment, text }
    }
}

pub(super) struct ResponseCache {
    kept: Mutex<Entries>,
    /// Hashes of pages that were rendered once, each at its remainder; a newer one takes the place.
    seen: Vec<AtomicU64>,
    hashes: RandomState,
}

impl Default for ResponseCache {
    fn default() -> Self {
        let seen = (0..SEEN).map(|_| AtomicU64::new(0)).collect();
        Self { kept: Mutex::default(), seen, hashes: RandomState::new() }
    }
}

/// The pages of one moment; another moment starts with none.
#[derive(Default)]
struct Entries {
    moment: CacheEpoch,
    bytes: usize,
    pages: HashMap<Vec<u8>, (Option<HeaderValue>, Bytes)>,
}

impl ResponseCache {
    /// Returns the page of this key, if it was rendered since the last write.
    pub(super) fn get(&self, key: &CacheKey) -> Option<Response> {
        let kept = self.kept();
        if kept.moment != key.moment {
            return None;
        }
        let (media_type, bytes) = kept.pages.get(&key.text)?;
        let mut response = Response::new(Body::from(bytes.clone()));
        if let Some(media_type) = media_type {
            response.headers_mut().insert(CONTENT_TYPE, media_type.clone());
        }
        Some(response)
    }

    /// Keeps an answer that was asked for before, and returns it.
    ///
    /// A page is kept when it is rendered the second time: someone who walks through a long list
    /// asks for each page once, and must not drive out those that are asked for again.
    pub(super) async fn keep(&self, key: CacheKey, response: Response) -> Response {
        let size = http_body::Body::size_hint(response.body()).exact();
        let small = size.is_some_and(|size| size <= PAGE_MAX as u64);
        // A refusal is not a page: its body names the request.
        if response.status() != StatusCode::OK || !small || !self.was_seen(&key) {
            return response;
        }
        let (head, body) = response.into_parts();
        // A body of known size is in memory already and cannot fail.
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let media_type = head.headers.get(CONTENT_TYPE).cloned();
        let mut kept = self.kept();
        if key.moment < kept.moment {
            return Response::from_parts(head, Body::from(bytes));
        }
        if kept.moment != key.moment || kept.bytes + bytes.len() > KEPT_MAX {
            *kept = Entries { moment: key.moment, ..Entries::default() };
        }
        kept.bytes += bytes.len() + key.text.len();
        kept.pages.insert(key.text, (media_type, bytes.clone()));
        drop(kept);
        Response::from_parts(head, Body::from(bytes))
    }

    /// Whether the page was rendered lately; notes that it is now.
    fn was_seen(&self, key: &CacheKey) -> bool {
        let hash = self.hashes.hash_one(&key.text);
        let place = &self.seen[usize::try_from(hash % SEEN as u64).unwrap_or_default()];
        place.swap(hash, Ordering::Relaxed) == hash
    }

    fn kept(&self) -> MutexGuard<'_, Entries> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
