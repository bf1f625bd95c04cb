//! Computes size, MD5, SHA-256, SHA-512 and CRC-64/XZ of uploaded bytes in one pass.
//!
//! Digests are returned as raw bytes; only dialects spell them. Must not know files or requests.

use std::io::{self, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

use crate::domain::Digests;

/// Bytes after which a second thread does half of the work; for fewer bytes, starting the thread
/// costs more than it saves.
pub const HELPER_FROM: u64 = 2 << 20;

/// The largest piece sent to the second thread, which bounds the queue's memory.
const PIECE: usize = 64 * 1024;

/// Pieces that may be queued for the second thread: half a mebibyte.
const WAITING: usize = 8;

/// Computes all four digests and the size of a stream of bytes.
///
/// Past [`HELPER_FROM`] bytes a second thread does about half of the work. The buffers are shared,
/// not copied. The thread ends when the digester is finished or dropped.
pub struct Digester {
    size: u64,
    helper_from: u64,
    md5_moves: bool,
    /// Updated only if MD5 does not move to the second thread.
    md5: Md5,
    sha512: Sha512,
    crc64: crc_fast::Digest,
    other_half: OtherHalf,
}

/// The digests that can move to the second thread.
#[derive(Clone)]
struct Movable {
    sha256: Sha256,
    md5_moves: bool,
    /// Updated only if MD5 moves to the second thread.
    md5: Md5,
}

impl Movable {
    fn update(&mut self, chunk: &[u8]) {
        // Both digests read the piece while it is in the processor's cache.
        for piece in chunk.chunks(PIECE) {
            self.sha256.update(piece);
            if self.md5_moves {
                self.md5.update(piece);
            }
        }
    }
}

/// Whether the processor has instructions for SHA-256.
///
/// With them SHA-256 is the cheapest of MD5, SHA-256 and SHA-512, so MD5 moves to the same thread.
/// Without them SHA-256 takes longer than the other two together.
fn has_fast_sha256() -> bool {
    #[cfg(target_arch = "x86_64")]
    let fast = std::arch::is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    let fast = std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let fast = false;
    fast
}

enum OtherHalf {
    Here(Movable),
    Helper(Helper),
}

struct Helper {
    /// `None` after closing, which ends the thread.
    pieces: Option<SyncSender<Bytes>>,
    /// `None` after joining.
    thread: Option<JoinHandle<Movable>>,
}

impl Helper {
    /// Moves the digests to a new thread; `None` when the thread cannot be started.
    fn start(mut digests: Movable) -> Option<Self> {
        let (pieces, waiting) = sync_channel::<Bytes>(WAITING);
        let work = move || {
            for piece in waiting {
                digests.update(&piece);
            }
            digests
        };
        let thread = thread::Builder::new().name("digest".into()).spawn(work).ok()?;
        Some(Self { pieces: Some(pieces), thread: Some(thread) })
    }

    fn update(&self, mut chunk: Bytes) {
        let Some(pieces) = &self.pieces else { return };
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(PIECE));
            // Sending fails only after the thread has panicked; `join` returns that panic.
            let _ = pieces.send(piece);
        }
    }

    fn join(&mut self) -> Option<thread::Result<Movable>> {
        self.pieces = None;
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // At most `WAITING` pieces are queued, so this takes milliseconds.
        let _ = self.join();
    }
}

impl Default for Digester {
    fn default() -> Self {
        Self::new()
    }
}

impl Digester {
    /// Creates a digester of no bytes.
    pub fn new() -> Self {
        Self::with(HELPER_FROM, has_fast_sha256())
    }

    fn with(helper_from: u64, md5_moves: bool) -> Self {
        let movable = Movable { sha256: Sha256::new(), md5_moves, md5: Md5::new() };
        Self {
            size: 0,
            helper_from,
            md5_moves,
            md5: Md5::new(),
            sha512: Sha512::new(),
            crc64: crc_fast::Digest::new(CrcAlgorithm::Crc64Xz),
            other_half: OtherHalf::Here(movable),
        }
    }

    /// Digests the next bytes; the buffer is released after both threads have read it.
    pub fn update(&mut self, chunk: Bytes) {
        self.size += chunk.len() as u64;
        if self.size > self.helper_from
            && let OtherHalf::Here(digests) = &self.other_half
        {
            match Helper::start(digests.clone()) {
                Some(helper) => self.other_half = OtherHalf::Helper(helper),
                None => self.helper_from = u64::MAX,
            }
        }
        match &mut self.other_half {
            OtherHalf::Here(digests) => digests.update(&chunk),
            OtherHalf::Helper(helper) => helper.update(chunk.clone()),
        }
        for piece in chunk.chunks(PIECE) {
            if !self.md5_moves {
                self.md5.update(piece);
            }
            self.sha512.update(piece);
            self.crc64.update(piece);
        }
    }

    /// Returns the number of bytes and their digests.
    pub fn finish(self) -> (u64, Digests) {
        let movable = match self.other_half {
            OtherHalf::Here(digests) => digests,
            OtherHalf::Helper(mut helper) => match helper.join() {
                Some(Ok(digests)) => digests,
                Some(Err(panic)) => resume_unwind(panic),
                None => unreachable!("a helper is joined only here and when dropped"),
            },
        };
        let md5 = if self.md5_moves { movable.md5 } else { self.md5 };
        let digests = Digests {
            sha256: movable.sha256.finalize().into(),
            sha512: self.sha512.finalize().into(),
            md5: md5.finalize().into(),
            crc64: self.crc64.finalize(),
        };
        (self.size, digests)
    }
}

/// Computes size and digests of everything that `bytes` returns.
pub fn digest(mut bytes: impl Read) -> io::Result<(u64, Digests)> {
    let mut digester = Digester::new();
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        if bytes.by_ref().take(PIECE as u64).read_to_end(&mut piece)? == 0 {
            return Ok(digester.finish());
        }
        digester.update(piece.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::samples;

    /// Digests with both ways to share the work, and asserts that the results are equal.
    fn digest(helper_from: u64, bytes: &[u8], step: usize) -> (u64, Digests) {
        let [one, other] = [false, true].map(|md5_moves| {
            let mut digester = Digester::with(helper_from, md5_moves);
            for chunk in bytes.chunks(step) {
                digester.update(Bytes::copy_from_slice(chunk));
            }
            digester.finish()
        });
        assert_eq!(one, other);
        one
    }

    #[test]
    fn check_values_of_the_algorithms() {
        for helper_from in [0, 4, u64::MAX] {
            let (size, digests) = digest(helper_from, b"123456789", 2);
            assert_eq!(size, 9);
            assert_eq!(digests.crc64, 0x995D_C9BB_DF19_39FA);
            assert_eq!(hex::encode(digests.md5), "25f9e794323b453885f5181f1b624d0b");
            assert_eq!(
                hex::encode(digests.sha256),
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
            );
            assert!(hex::encode(digests.sha512).starts_with("d9e6762dd1c8eaf6d61b3c6192fc408d"));
        }
        let (size, nothing) = digest(HELPER_FROM, b"", 1);
        assert_eq!((size, nothing.crc64), (0, 0));
        assert_eq!(hex::encode(nothing.md5), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn vectors_of_the_dialect_references() {
        for sample in samples::VECTORS {
            let (size, digests) = digest(HELPER_FROM, &sample.bytes(), 50);
            assert_eq!(size, sample.size, "{}", sample.dialect);
            sample.assert_digests(&digests);
        }
    }

    #[test]
    fn two_threads_compute_the_same_as_one() {
        let bytes = samples::noise(700_000);
        let alone = digest(u64::MAX, &bytes, bytes.len());
        for (helper_from, step) in [(0, 1000), (1, bytes.len()), (100_000, 65_537)] {
            assert_eq!(digest(helper_from, &bytes, step), alone);
        }
    }

    #[test]
    fn the_helper_ends_with_the_digester() {
        let mut digester = Digester::with(0, true);
        let chunk = Bytes::from(vec![7; 3 * PIECE]);
        digester.update(chunk.clone());
        assert!(matches!(digester.other_half, OtherHalf::Helper(_)));
        drop(digester);
        // The thread had the other references: a unique buffer shows that the thread has ended.
        assert!(chunk.is_unique());
    }
}
