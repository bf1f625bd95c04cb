//! Incompressible archives of any size, generated while they are sent, never wholly in memory.

use crc_fast::{CrcAlgorithm, Digest};

/// Name of the only entry.
const NAME: &[u8] = b"data.bin";

const LOCAL_HEADER: u64 = 30 + NAME.len() as u64;
const TRAILER: u64 = 46 + NAME.len() as u64 + 22;

/// Bytes that [`Zip::read`] returns at a time: a multiple of three, so that base64 needs no state.
pub const PIECE: usize = 48 << 10;

/// A stored archive of exactly `size` bytes with one entry of noise.
pub struct Zip {
    seed: u64,
    size: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
    at: u64,
    noise: Noise,
}

impl Zip {
    /// Creates an archive; different seeds give different contents.
    pub fn new(seed: u64, size: u64) -> Self {
        let data = size - LOCAL_HEADER - TRAILER;
        let (head, tail) = frame(data, checksum(seed, data));
        Self { seed, size, head, tail, at: 0, noise: Noise::new(seed) }
    }

    /// Returns the length of the archive.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns to the start.
    pub fn rewind(&mut self) {
        (self.at, self.noise) = (0, Noise::new(self.seed));
    }

    /// Reads the next [`PIECE`] bytes into `piece`: fewer at the end, none after it.
    pub fn read(&mut self, piece: &mut Vec<u8>) {
        piece.clear();
        if self.at == 0 {
            piece.extend_from_slice(&self.head);
        }
        let tail_from = self.size - TRAILER;
        let room = PIECE - piece.len();
        let begun = self.at + piece.len() as u64;
        let data = (tail_from.saturating_sub(begun)).min(room as u64) as usize;
        self.noise.extend(piece, data);
        let end = self.at + piece.len() as u64;
        if end >= tail_from {
            let from = (end - tail_from) as usize;
            let to = self.tail.len().min(from + PIECE - piece.len());
            piece.extend_from_slice(&self.tail[from..to]);
        }
        self.at += piece.len() as u64;
    }

    /// Returns all bytes, for small archives.
    pub fn bytes(mut self) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::with_capacity(self.size as usize), Vec::new());
        loop {
            self.read(&mut piece);
            if piece.is_empty() {
                return all;
            }
            all.extend_from_slice(&piece);
        }
    }
}

fn checksum(seed: u64, length: u64) -> u32 {
    let (mut noise, mut digest) = (Noise::new(seed), Digest::new(CrcAlgorithm::Crc32IsoHdlc));
    let (mut piece, mut left) = (Vec::with_capacity(PIECE), length);
    while left > 0 {
        piece.clear();
        noise.extend(&mut piece, left.min(PIECE as u64) as usize);
        digest.update(&piece);
        left -= piece.len() as u64;
    }
    digest.finalize() as u32
}

/// Returns the local header, and the directory with its end record (APPNOTE.TXT sections 4.3.7,
/// 4.3.12, 4.3.16).
fn frame(length: u64, checksum: u32) -> (Vec<u8>, Vec<u8>) {
    let length = u32::try_from(length).expect("below 4 GiB no ZIP64 is needed");
    let mut common = Vec::new();
    common.extend(20_u16.to_le_bytes()); // version needed
    common.extend(0_u16.to_le_bytes()); // flags
    common.extend(0_u16.to_le_bytes()); // stored
    common.extend(0_u16.to_le_bytes()); // time
    common.extend(33_u16.to_le_bytes()); // 1980-01-01
    common.extend(checksum.to_le_bytes());
    common.extend(length.to_le_bytes());
    common.extend(length.to_le_bytes());
    common.extend((NAME.len() as u16).to_le_bytes());
    common.extend(0_u16.to_le_bytes()); // extra field
    let head = [b"PK\x03\x04", &common[..], NAME].concat();
    let mut tail = [b"PK\x01\x02", &20_u16.to_le_bytes()[..], &common].concat();
    tail.extend([0; 2 + 2 + 2 + 4 + 4]); // comment, disk, attributes, offset
    tail.extend_from_slice(NAME);
    let directory = tail.len() as u32;
    tail.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    tail.extend(directory.to_le_bytes());
    tail.extend((LOCAL_HEADER as u32 + length).to_le_bytes());
    tail.extend(0_u16.to_le_bytes()); // comment
    (head, tail)
}

/// Pseudo-random bytes, several gigabytes per second (xorshift64*).
struct Noise {
    state: u64,
    /// The last word, and how many of its bytes are used.
    rest: ([u8; 8], usize),
}

impl Noise {
    fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, rest: ([0; 8], 8) }
    }

    fn word(&mut self) -> [u8; 8] {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
    }

    fn extend(&mut self, bytes: &mut Vec<u8>, mut count: usize) {
        let (word, used) = self.rest;
        let left = count.min(8 - used);
        bytes.extend_from_slice(&word[used..used + left]);
        self.rest.1 += left;
        count -= left;
        for _ in 0..count / 8 {
            let word = self.word();
            bytes.extend_from_slice(&word);
        }
        if !count.is_multiple_of(8) {
            self.rest = (self.word(), count % 8);
            bytes.extend_from_slice(&self.rest.0[..count % 8]);
        }
    }
}
