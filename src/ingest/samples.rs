//! Shared by the tests of this folder: known zips, noise, an incoming folder that can be listed.

use std::io::{self, Cursor, Read, Write};

use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::domain::Digests;
use crate::ingest::{Payload, Staging, UploadFolder};

/// Returns the bytes of an upload, which may be none and no archive.
pub(crate) fn bytes_of(staging: Staging) -> Vec<u8> {
    if staging.is_empty() {
        return Vec::new();
    }
    match &staging.as_text().finish().unwrap().payload {
        Payload::Memory(bytes) => bytes.to_vec(),
        Payload::File(file) => std::fs::read(file.path()).unwrap(),
    }
}

/// A zip from a dialect's reference, as in tencent.md section 4, with the digests printed there.
pub(crate) struct Sample {
    pub(crate) dialect: &'static str,
    pub(crate) base64: &'static str,
    pub(crate) size: u64,
    digests: &'static [(&'static str, &'static str)],
}

impl Sample {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        base64_simd::STANDARD.decode_to_vec(self.base64).unwrap()
    }

    pub(crate) fn assert_digests(&self, digests: &Digests) {
        for (algorithm, expected) in self.digests {
            let actual = match *algorithm {
                "sha256" => hex::encode(digests.sha256),
                "sha512" => hex::encode(digests.sha512),
                "md5" => hex::encode(digests.md5),
                _ => digests.crc64.to_string(),
            };
            assert_eq!(actual, *expected, "{algorithm} of {}", self.dialect);
        }
    }
}

pub(crate) const VECTORS: &[Sample] = &[
    Sample {
        dialect: "alibaba",
        base64: "UEsDBBQAAAAAAAAAIViHyjLQIgAAACIAAAAIAAAAaW5kZXgucHlkZWYgaGFuZGxlcihlLGMpOgogICAgcmV0dXJuICJoaSIKUEsBAhQDFAAAAAAAAAAhWIfKMtAiAAAAIgAAAAgAAAAAAAAAAAAAAIABAAAAAGluZGV4LnB5UEsFBgAAAAABAAEANgAAAEgAAAAAAA==",
        size: 148,
        digests: &[
            ("crc64", "1958513839837250936"),
            ("md5", "0e9fded3ddb97959c4b6f840de58e287"),
            ("sha256", "3e05ec6ffd365d7db429890cb193077714cda154b9e3d76f0d15319750e20389"),
        ],
    },
    Sample {
        dialect: "ctyun",
        base64: "UEsDBBQAAAAAAAAAIVpNfmG9DAAAAAwAAAAQAAAAcHl0aG9uL2hlbGxvLnR4dGhlbGxvIGxheWVyClBLAQIUAxQAAAAAAAAAIVpNfmG9DAAAAAwAAAAQAAAAAAAAAAAAAACkAQAAAABweXRob24vaGVsbG8udHh0UEsFBgAAAAABAAEAPgAAADoAAAAAAA==",
        size: 142,
        digests: &[
            ("md5", "80090567f507e0772ac6809a2830fcd0"),
            ("sha256", "008480e23faf62d558899bbf4993e94bf3cee0f11386ab20b6b408388a928129"),
        ],
    },
    Sample {
        dialect: "huawei",
        base64: "UEsDBBQAAAAAAAAAIQDL141fLQAAAC0AAAAIAAAAaW5kZXgucHlkZWYgaGFuZGxlcihldmVudCwgY29udGV4dCk6CiAgICByZXR1cm4gIm9rIgpQSwECFAMUAAAAAAAAACEAy9eNXy0AAAAtAAAACAAAAAAAAAAAAAAApIEAAAAAaW5kZXgucHlQSwUGAAAAAAEAAQA2AAAAUwAAAAAA",
        size: 159,
        digests: &[
            (
                "sha512",
                "0e376a6681b40fcc6cdf2f2d2d65d63912e19ecb6011f9ae3b2100fd3a2a2b340146dc517b3040fad979cccf1a6bb4d229c1ec31be5d92d49adda4caf64f8e27",
            ),
            ("md5", "559a740762054408474faaf047cdc000"),
        ],
    },
    Sample {
        dialect: "openyuanrong",
        base64: "UEsDBBQAAAAAAAAAIVg7ifaLBgAAAAYAAAAOAAAAcHl0aG9uL3V0aWwucHl4ID0gMQpQSwECFAMUAAAAAAAAACFYO4n2iwYAAAAGAAAADgAAAAAAAAAAAAAApAEAAAAAcHl0aG9uL3V0aWwucHlQSwUGAAAAAAEAAQA8AAAAMgAAAAAA",
        size: 132,
        digests: &[
            (
                "sha512",
                "19d84160c6d2b5129e9149b592a86351ecb495244b8fc46d4f15d7830991b0836b7fe4ae9d9798a85101b97df3e02119c7093bf892fceb69995d7d5488d29b02",
            ),
            ("sha256", "b21577efe9cacca9561dac5944fb886adafae47eebe2d4bb48f19fb9008436f2"),
        ],
    },
    Sample {
        dialect: "tencent",
        base64: "UEsDBBQAAAAAAIIYIlhE2VyuNQAAADUAAAAIAAAAaW5kZXgucHlkZWYgbWFpbl9oYW5kbGVyKGV2ZW50LCBjb250ZXh0KToKICAgIHJldHVybiAiaGVsbG8iClBLAQIUAxQAAAAAAIIYIlhE2VyuNQAAADUAAAAIAAAAAAAAAAAAAACkAQAAAABpbmRleC5weVBLBQYAAAAAAQABADYAAABbAAAAAAA=",
        size: 167,
        digests: &[("sha256", "8d842975f5ee66e38d8543db8763d75e40674cd1d2f0ed2cbde97d9c4de4dc44")],
    },
];

/// A zip of stored files.
pub(crate) fn stored_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Pseudo-random numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Bytes that do not repeat and do not compress.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    (0..len).map(|_| dice.roll(256) as u8).collect()
}

/// A folder for temporary files that lists its content.
pub(crate) struct Incoming {
    directory: TempDir,
    folder: UploadFolder,
}

impl Incoming {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let folder = UploadFolder::new(directory.path(), Some(0));
        Self { directory, folder }
    }

    pub(crate) fn folder(&self) -> &UploadFolder {
        &self.folder
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = self.directory.path().read_dir().unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub(crate) fn files(&self) -> usize {
        self.names().len()
    }
}

/// A reader that returns at most the given number of bytes at a time.
pub(crate) struct Trickle<'a>(pub(crate) &'a [u8], pub(crate) usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let take = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(take);
        buffer[..take].copy_from_slice(now);
        self.0 = later;
        Ok(take)
    }
}
