//! The response cache: rendered answers, served again byte for byte until the next write.
//!
//! Only this process changes layers and functions, and it counts its commits. Other processes may
//! change keys, cloud ids and the link secret, and then raise the stamp of the access snapshot. An
//! answer is valid until either changes or its links are due for renewal.

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

use super::call::Call;
use super::forwarded::Forwarded;
use super::links::period_of;
use super::operation::Operation;
use crate::domain::{Caller, Stamp};
use crate::ingest::Spool;

/// Bytes of answers and keys that one dialect caches.
const BYTES_MAX: usize = 4 << 20;

/// Slots for the hashes of answers that were rendered once.
const SEEN: usize = 1024;

/// Initial capacity of a key: enough for most.
const KEY_USUAL: usize = 256;

/// The largest answer that is cached.
const ANSWER_MAX: usize = 256 << 10;

/// The largest request body in a key, which distinguishes actions that share a path.
const REQUEST_MAX: usize = 16 << 10;

/// The epoch of an answer: the catalog's generation, the access snapshot's stamp, the links'
/// period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CacheEpoch(u64, u64, i64);

impl CacheEpoch {
    /// The stamp is taken before any read, so that an answer is never older than its epoch.
    pub(super) fn new(stamp: &Stamp, call: &Call) -> Self {
        Self(stamp.generation, stamp.access.stamp, period_of(call.received))
    }
}

/// Everything that an answer depends on.
pub(super) struct CacheKey {
    epoch: CacheEpoch,
    text: Vec<u8>,
}

impl CacheKey {
    /// Returns the key of an operation's answer to a request; `None` when the answer cannot be
    /// cached.
    pub(super) fn new(
        epoch: CacheEpoch,
        operation: &Operation,
        head: &Parts,
        body: &Spool,
        caller: &Caller,
    ) -> Option<Self> {
        let headers = operation.cached_by?;
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
        // Links in the answer begin with it.
        if let Some(forwarded) = head.extensions.get::<Forwarded>() {
            add(forwarded.scheme().unwrap_or_default().as_bytes());
            add(forwarded.hosts().first().map_or(b"", |host| host.as_bytes()));
            add(forwarded.prefix().as_bytes());
        }
        if operation.route.is_shared {
            add(operation.name.as_bytes());
            // Last, because it may hold any byte.
            add(body.bytes().filter(|body| body.len() <= REQUEST_MAX)?);
        }
        Some(Self { epoch, text })
    }
}

/// The cached answers of one dialect.
pub(super) struct ResponseCache {
    entries: Mutex<Entries>,
    /// Hashes of keys whose answers were rendered once, in the slot of their remainder. A newer
    /// hash replaces an older one.
    seen: Vec<AtomicU64>,
    hashes: RandomState,
}

impl Default for ResponseCache {
    fn default() -> Self {
        let seen = (0..SEEN).map(|_| AtomicU64::new(0)).collect();
        Self { entries: Mutex::default(), seen, hashes: RandomState::new() }
    }
}

/// The answers of one epoch; the next epoch starts without any.
#[derive(Default)]
struct Entries {
    epoch: CacheEpoch,
    bytes: usize,
    answers: HashMap<Vec<u8>, Answer>,
}

impl Entries {
    /// Inserts an answer. Without room for it, or in a newer epoch, all others are dropped first.
    fn insert(&mut self, key: CacheKey, answer: Answer) {
        let size = key.text.len() + answer.body.len();
        if self.epoch != key.epoch || self.bytes + size > BYTES_MAX {
            *self = Self { epoch: key.epoch, ..Self::default() };
        }
        self.bytes += size;
        let key_len = key.text.len();
        // Two requests for the same answer may run at once.
        if let Some(replaced) = self.answers.insert(key.text, answer) {
            self.bytes -= key_len + replaced.body.len();
        }
    }
}

#[derive(Clone)]
struct Answer {
    media_type: Option<HeaderValue>,
    body: Bytes,
}

impl ResponseCache {
    /// Returns the cached answer of a key, if it is of the same epoch; `renew` may write the new
    /// request's id into its body.
    pub(super) fn get(
        &self,
        key: &CacheKey,
        renew: impl FnOnce(&Bytes) -> Bytes,
    ) -> Option<Response> {
        let answer = {
            let entries = self.entries();
            if entries.epoch != key.epoch {
                return None;
            }
            entries.answers.get(&key.text)?.clone()
        };
        let mut response = Response::new(Body::from(renew(&answer.body)));
        if let Some(media_type) = answer.media_type {
            response.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        Some(response)
    }

    /// Caches an answer that is rendered for the second time, and returns it.
    ///
    /// A client that walks through a long list requests each page once. These pages must not evict
    /// answers that are requested again.
    pub(super) async fn keep(&self, key: CacheKey, response: Response) -> Response {
        let size = http_body::Body::size_hint(response.body()).exact();
        let small = size.is_some_and(|size| size <= ANSWER_MAX as u64);
        if response.status() != StatusCode::OK || !small || !self.was_seen(&key) {
            return response;
        }
        let (head, body) = response.into_parts();
        // A body of known size is in memory and cannot fail.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let media_type = head.headers.get(CONTENT_TYPE).cloned();
        let mut entries = self.entries();
        if key.epoch >= entries.epoch {
            entries.insert(key, Answer { media_type, body: body.clone() });
        }
        drop(entries);
        Response::from_parts(head, Body::from(body))
    }

    /// Whether the answer was rendered lately; records that it is now.
    fn was_seen(&self, key: &CacheKey) -> bool {
        let hash = self.hashes.hash_one(&key.text);
        let slot = &self.seen[usize::try_from(hash % SEEN as u64).unwrap_or_default()];
        slot.swap(hash, Ordering::Relaxed) == hash
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8, len: usize) -> CacheKey {
        CacheKey { epoch: CacheEpoch::default(), text: vec![first; len] }
    }

    fn answer(len: usize) -> Answer {
        Answer { media_type: None, body: vec![b'x'; len].into() }
    }

    /// Returns the bytes of all keys and answers.
    fn held(entries: &Entries) -> usize {
        entries.answers.iter().map(|(key, answer)| key.len() + answer.body.len()).sum()
    }

    #[test]
    fn capacity_counts_keys_and_answers() {
        for (key_len, answer_len) in [(100_000, 10), (10, 100_000), (100_000, 100_000)] {
            let mut entries = Entries::default();
            for first in 0..200 {
                entries.insert(key(first, key_len), answer(answer_len));
                assert_eq!(entries.bytes, held(&entries));
                assert!(entries.bytes <= BYTES_MAX, "{} after {first}", entries.bytes);
            }
            assert!(entries.bytes > 0);
        }
    }

    #[test]
    fn a_replaced_answer_is_counted_once() {
        let mut entries = Entries::default();
        for len in [1000, 10, 500] {
            entries.insert(key(1, 20), answer(len));
            assert_eq!((entries.bytes, entries.answers.len()), (20 + len, 1));
        }
        let next = CacheKey { epoch: CacheEpoch(1, 0, 0), ..key(2, 30) };
        entries.insert(next, answer(40));
        assert_eq!((entries.bytes, entries.answers.len()), (70, 1));
    }
}
