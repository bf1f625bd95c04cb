//! Random changes of signed requests, for the tests of all verifiers.
//!
//! The numbers are the same in every run. Knows no dialect.

use std::fmt;

use axum::http::Request;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::dialects::Call;
use crate::domain::Timestamp;

/// A request's bytes, not yet checked.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::dialects) struct Sample {
    pub(in crate::dialects) method: Vec<u8>,
    pub(in crate::dialects) path: Vec<u8>,
    /// Without its `?`; empty: none.
    pub(in crate::dialects) query: Vec<u8>,
    pub(in crate::dialects) headers: Vec<(&'static str, Vec<u8>)>,
    pub(in crate::dialects) body: Vec<u8>,
}

impl fmt::Debug for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, path) = (self.method.escape_ascii(), self.path.escape_ascii());
        writeln!(formatter, "{method} {path}?{}", self.query.escape_ascii())?;
        for (name, value) in &self.headers {
            writeln!(formatter, "{name}: {}", value.escape_ascii())?;
        }
        write!(formatter, "{}", self.body.escape_ascii())
    }
}

/// The changed part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialects) enum ChangedPart {
    Method,
    Path,
    Query,
    Body,
    Header(&'static str),
}

impl Sample {
    /// Makes a request from a method, a path with its query, headers and a body.
    pub(in crate::dialects) fn new(
        method: &str,
        target: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: headers.iter().map(|(name, value)| (*name, (*value).into())).collect(),
            body: body.into(),
        }
    }

    /// The same with a header added or replaced.
    pub(in crate::dialects) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|header| header.0 != name);
        self.headers.push((name, value.into()));
        self
    }

    /// The same without a header.
    pub(in crate::dialects) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|header| header.0 != name);
        self
    }

    /// The head as the server receives it; `None` for a request that HTTP does not allow.
    pub(in crate::dialects) fn head(&self) -> Option<Parts> {
        let mut target = self.path.clone();
        if !self.query.is_empty() {
            target.push(b'?');
            target.extend(&self.query);
        }
        // HTTP removes the blanks around a header's value.
        let mut request = Request::builder().method(self.method.as_slice()).uri(target);
        for (name, value) in &self.headers {
            request = request.header(*name, value.trim_ascii());
        }
        Some(request.body(()).ok()?.into_parts().0)
    }

    /// The SHA-256 of the body.
    pub(in crate::dialects) fn body_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }

    /// The first value of a header.
    pub(in crate::dialects) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|header| header.0 == name);
        found.map(|(_, value)| value.trim_ascii())
    }

    /// The facts that the answer to a request needs.
    pub(in crate::dialects) fn call(head: &Parts, client_id: Option<&str>) -> Call {
        Call {
            request_id: Uuid::nil(),
            received: Timestamp::UNIX_EPOCH,
            method: head.method.clone(),
            uri: head.uri.clone(),
            client_id: client_id.and_then(|name| head.headers.get(name)).cloned(),
        }
    }
}

/// Makes 10,000 requests with one change each; returns the numbers of refused and accepted ones.
///
/// `check` must accept the originals, and a changed request only if `is_ignored` says that the
/// signature does not cover the change. `refused` gets each refusal.
pub(in crate::dialects) fn mutate_all<E: fmt::Debug>(
    random: &mut Random,
    originals: &[Sample],
    check: impl Fn(&Sample) -> Result<(), E>,
    is_ignored: impl Fn(ChangedPart, &Sample, &Sample) -> bool,
    refused: impl Fn(E, &Parts),
) -> (usize, usize) {
    for original in originals {
        check(original).unwrap();
    }
    let (mut refusals, mut accepted) = (0, 0);
    for round in 0..10_000 {
        let original = &originals[round % originals.len()];
        let mut sample = original.clone();
        let part = random.mutate(&mut sample);
        let Some(head) = sample.head() else { continue };
        match check(&sample) {
            Ok(()) => {
                assert!(is_ignored(part, original, &sample), "{part:?} {sample:?}");
                accepted += 1;
            }
            Err(refusal) => {
                refused(refusal, &head);
                refusals += 1;
            }
        }
    }
    (refusals, accepted)
}

/// Numbers that are the same in every run (SplitMix64).
pub(in crate::dialects) struct Random(pub(in crate::dialects) u64);

impl Random {
    /// The next number below `end`.
    pub(in crate::dialects) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    /// Changes one part of a request, and returns which.
    pub(in crate::dialects) fn mutate(&mut self, sample: &mut Sample) -> ChangedPart {
        let original = sample.clone();
        loop {
            let part = self.change_one(sample);
            if *sample != original {
                return part;
            }
        }
    }

    fn change_one(&mut self, sample: &mut Sample) -> ChangedPart {
        // Half of the changes are to headers, which hold most signed values.
        match self.below(8) {
            0 => {
                self.change(&mut sample.method);
                ChangedPart::Method
            }
            1 => {
                self.change(&mut sample.path);
                ChangedPart::Path
            }
            2 => {
                self.change(&mut sample.query);
                ChangedPart::Query
            }
            3 => {
                self.change(&mut sample.body);
                ChangedPart::Body
            }
            _ => {
                let at = self.below(sample.headers.len());
                let name = sample.headers[at].0;
                match self.below(40) {
                    0 => {
                        sample.headers.remove(at);
                    }
                    1 => {
                        let other = self.below(sample.headers.len());
                        sample.headers[at].1 = sample.headers[other].1.clone();
                    }
                    2 => sample.headers[at].1.clear(),
                    _ => self.change(&mut sample.headers[at].1),
                }
                ChangedPart::Header(name)
            }
        }
    }

    /// Changes, removes or inserts a byte; most inserted bytes have a meaning in HTTP.
    pub(in crate::dialects) fn change(&mut self, bytes: &mut Vec<u8>) {
        const MEANINGFUL: &[u8] = b" /%&=?;:,.+-_~*{}\"\\\t\r\n\0aZ09";
        let byte = match self.below(4) {
            0 => self.below(256) as u8,
            _ => MEANINGFUL[self.below(MEANINGFUL.len())],
        };
        let kind = self.below(5);
        if bytes.is_empty() || kind == 0 {
            bytes.insert(self.below(bytes.len() + 1), byte);
            return;
        }
        let at = self.below(bytes.len());
        match kind {
            1 => {
                bytes.remove(at);
            }
            2 => bytes[at] = byte,
            3 => bytes[at] ^= 1 << self.below(8),
            _ => bytes.truncate(at),
        }
    }
}
