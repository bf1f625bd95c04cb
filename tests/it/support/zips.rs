//! Zip archives: the vectors of the references, and generated ones.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Returns the base64 text of a reference's vector: `alibaba`, `ctyun`, `huawei`, `openyuanrong`,
/// `tencent`.
pub fn vector_base64(name: &str) -> &'static str {
    let text = match name {
        "alibaba" => include_str!("../../golden/zips/alibaba.base64"),
        "ctyun" => include_str!("../../golden/zips/ctyun.base64"),
        "huawei" => include_str!("../../golden/zips/huawei.base64"),
        "openyuanrong" => include_str!("../../golden/zips/openyuanrong.base64"),
        "tencent" => include_str!("../../golden/zips/tencent.base64"),
        other => panic!("no vector is called {other}"),
    };
    text.trim_end()
}

/// Returns the bytes of a reference's vector.
pub fn vector(name: &str) -> Vec<u8> {
    decode(vector_base64(name))
}

/// Decodes base64.
pub fn decode(text: &str) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(text).unwrap()
}

/// Encodes bytes as base64.
pub fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Returns an uncompressed archive of the given entries; equal entries give equal bytes.
pub fn stored(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Returns an archive of one deflated entry of few bytes that declares to unpack to `size`.
pub fn declaring(size: u32) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a", options).unwrap();
    writer.write_all(&[b'x'; 200]).unwrap();
    let mut zip = writer.finish().unwrap().into_inner();
    // The declared sizes in the local header and in the directory.
    for (mark, at) in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)] {
        let place = zip.windows(4).position(|bytes| bytes == mark).unwrap() + at;
        zip[place..place + 4].copy_from_slice(&size.to_le_bytes());
    }
    zip
}
