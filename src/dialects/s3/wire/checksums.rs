//! Checksums that a client states of a body: `Content-MD5` and `x-amz-checksum-…`, in the head or
//! behind the last chunk (Amazon S3 user guide, "Checking object integrity").

use std::io::Read;

use axum::http::HeaderMap;
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::Digest;

use super::chunked::Trailers;
use crate::dialects::signing;
use crate::domain::{CatalogError, Field};
use crate::ingest::Spool;

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// Compares the body with every checksum that the client states; for a blocking thread, because
/// most are computed only when they are stated.
///
/// Fails with `ChecksumMismatch` for the first that is not the body's, and with `InvalidValue` for
/// more than one `x-amz-checksum-`.
pub(in crate::dialects::s3) fn check(
    headers: &HeaderMap,
    trailers: &Trailers,
    body: &Spool,
) -> Result<(), CatalogError> {
    if let Some(stated) = header(headers, "content-md5") {
        compare("MD5", stated, body.digests().map_or(&[], |digests| &digests.md5[..]))?;
    }
    let stated = ALGORITHMS.iter().filter_map(|(name, algorithm, compute)| {
        let behind = trailers.iter().find(|(trailer, _)| trailer == name);
        let stated = header(headers, name).or(behind.map(|(_, value)| &**value))?;
        Some((algorithm, stated, compute))
    });
    let mut stated = stated.peekable();
    if let Some((algorithm, text, compute)) = stated.next() {
        // Each would read the body once more; S3 takes no more than one either.
        if stated.peek().is_some() {
            let rule = "there must be no more than one x-amz-checksum- header";
            return Err(CatalogError::invalid(Field::Checksum, rule));
        }
        compare(algorithm, text, &compute(body)?)?;
    }
    Ok(())
}

type Compute = fn(&Spool) -> Result<Vec<u8>, CatalogError>;

const ALGORITHMS: [(&str, &str, Compute); 5] = [
    ("x-amz-checksum-crc32", "CRC-32", |body| crc(body, CrcAlgorithm::Crc32IsoHdlc, 4)),
    ("x-amz-checksum-crc32c", "CRC-32C", |body| crc(body, CrcAlgorithm::Crc32Iscsi, 4)),
    ("x-amz-checksum-crc64nvme", "CRC-64/NVME", |body| crc(body, CrcAlgorithm::Crc64Nvme, 8)),
    ("x-amz-checksum-sha1", "SHA-1", |body| {
        let mut digest = Sha1::new();
        each(body, |bytes| digest.update(bytes))?;
        Ok(digest.finalize().to_vec())
    }),
    ("x-amz-checksum-sha256", "SHA-256", |body| {
        Ok(body.digests().map_or_else(Vec::new, |digests| digests.sha256.to_vec()))
    }),
];

/// Computes a checksum of the last `length` bytes of a 64-bit number.
fn crc(body: &Spool, algorithm: CrcAlgorithm, length: usize) -> Result<Vec<u8>, CatalogError> {
    let mut digest = crc_fast::Digest::new(algorithm);
    each(body, |bytes| digest.update(bytes))?;
    Ok(digest.finalize().to_be_bytes()[8 - length..].to_vec())
}

fn each(body: &Spool, mut take: impl FnMut(&[u8])) -> Result<(), CatalogError> {
    let (mut reader, mut buffer) = (body.reader()?, vec![0; CHUNK]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            read => take(&buffer[..read]),
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    // A value that is not text must not count as absent: `?` is no base64.
    headers.get(name).map(|value| value.to_str().unwrap_or("?").trim())
}

fn compare(algorithm: &'static str, stated: &str, actual: &[u8]) -> Result<(), CatalogError> {
    if signing::from_base64(stated) == actual {
        return Ok(());
    }
    let (stated, actual) = (stated.to_owned(), base64_simd::STANDARD.encode_to_string(actual));
    Err(CatalogError::ChecksumMismatch { algorithm, stated, actual })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::ingest::{Measure, SpoolWriter, UploadFolder};

    /// The check values of `123456789`, as the catalogues of checksums have them.
    const STATED: [(&str, &str); 6] = [
        ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-checksum-crc32c", "4waSgw=="),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
        ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ];

    #[test]
    fn each_checksum_is_compared_in_the_head_and_behind_the_body() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer =
            SpoolWriter::new(&UploadFolder::new(folder.path(), None), 100, Measure::All);
        writer.write(bytes::Bytes::from_static(b"123456789")).unwrap();
        let body = writer.finish().unwrap();
        for (name, stated) in STATED {
            for value in [stated, "AAAA", "", "\u{e4}"] {
                let is_right = value == stated;
                let mut headers = HeaderMap::new();
                let sent = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.insert(HeaderName::from_static(name), sent);
                let checked = check(&headers, &Vec::new(), &body);
                assert_eq!(checked.is_ok(), is_right, "{name}: {value}: {checked:?}");
                if name.starts_with("x-") {
                    let trailers = vec![(name.to_owned(), value.to_owned())];
                    assert_eq!(check(&HeaderMap::new(), &trailers, &body).is_ok(), is_right);
                }
            }
        }
    }
}
