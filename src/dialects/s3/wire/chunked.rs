//! Bodies in signed or unsigned chunks, `Content-Encoding: aws-chunked` (Amazon S3 API reference,
//! "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks"
//! and its variants with trailers).

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::dialects::signing;
use crate::domain::{ArchiveProblem, CatalogError};
use crate::ingest::{Measure, Spool, SpoolWriter};

/// Bytes of one line: a chunk's size with its signature, or a trailer.
const LINE_MAX: u64 = 1024;

/// Trailers of one body; clients send a checksum and its signature.
const TRAILERS_MAX: usize = 16;

/// Bytes of a chunk that are taken at a time: clients choose a chunk's size.
const PIECE: usize = 64 << 10;

/// The trailer that signs the ones before it.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// What such a body consists of.
enum Piece<'b> {
    /// Bytes of a chunk.
    Bytes(&'b [u8]),
    /// A chunk is over; its signature, if it has one. The last chunk has no bytes.
    End(Option<&'b str>),
    /// A trailer, its name in lower case.
    Trailer(&'b str, &'b str),
}

/// Names and values that came after the last chunk.
pub(in crate::dialects::s3) type Trailers = Vec<(String, String)>;

/// Reads a body to its end and has `take` see each piece.
fn read(
    body: impl Read,
    mut take: impl FnMut(Piece<'_>) -> Result<(), CatalogError>,
) -> Result<(), CatalogError> {
    let mut body = BufReader::with_capacity(PIECE, body);
    let mut buffer = vec![0; PIECE];
    loop {
        let line = read_line(&mut body)?.ok_or_else(|| broken("the last chunk is missing"))?;
        let (size, signature) = match line.split_once(';') {
            Some((size, extension)) => {
                let signature = extension.trim().strip_prefix("chunk-signature=");
                (size, Some(signature.ok_or_else(|| broken("a chunk has an unknown extension"))?))
            }
            None => (&*line, None),
        };
        let is_size = (1..=15).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| is_size);
        let mut left = size.ok_or_else(|| broken("a chunk's size is not a hexadecimal number"))?;
        let is_last = left == 0;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = &mut buffer[..most];
            body.read_exact(piece).map_err(|_| broken("a chunk is shorter than it says"))?;
            take(Piece::Bytes(piece))?;
            left -= most as u64;
        }
        take(Piece::End(signature))?;
        if is_last {
            return read_trailers(&mut body, take);
        }
        if read_line(&mut body)?.as_deref() != Some("") {
            return Err(broken("a chunk is longer than it says"));
        }
    }
}

fn read_trailers(
    body: &mut impl BufRead,
    mut take: impl FnMut(Piece<'_>) -> Result<(), CatalogError>,
) -> Result<(), CatalogError> {
    let mut count = 0;
    // Some clients write an empty line after the trailers, some two, some none.
    while let Some(line) = read_line(body)? {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a trailer has no ':'"))?;
        count += 1;
        if count > TRAILERS_MAX {
            return Err(broken("there are too many trailers"));
        }
        take(Piece::Trailer(&name.trim().to_ascii_lowercase(), value.trim()))?;
    }
    Ok(())
}

/// Reads a line without its end; `None` at the body's end.
fn read_line(body: &mut impl BufRead) -> Result<Option<String>, CatalogError> {
    let mut line = Vec::new();
    body.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let text = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n"));
    let text = text.ok_or_else(|| broken("a line is cut off or too long"))?;
    String::from_utf8(text.to_vec()).map(Some).map_err(|_| broken("a line is not UTF-8"))
}

fn broken(reason: &str) -> CatalogError {
    ArchiveProblem::Incomplete(format!("the body in chunks is broken: {reason}")).into()
}

/// What the signatures of chunks are made with: each covers the one before it.
pub(in crate::dialects::s3) struct Chain<'s> {
    /// The signing key of the day.
    pub(in crate::dialects::s3) key: &'s [u8; 32],
    /// The time of signing and the scope, a line each.
    pub(in crate::dialects::s3) place: &'s str,
    /// The request's own signature, in hexadecimal.
    pub(in crate::dialects::s3) seed: String,
}

impl Chain<'_> {
    /// Tells whether every chunk, and the trailers if there are any, is signed; for a thread that
    /// may wait for the disk.
    pub(in crate::dialects::s3) fn verify(self, body: &Spool) -> Result<bool, CatalogError> {
        let (mut chunk, mut trailers) = (Sha256::new(), Sha256::new());
        let (mut before, mut is_good, mut owes_trailer) = (self.seed, true, false);
        read(body.reader()?, |piece| {
            match piece {
                Piece::Bytes(bytes) => chunk.update(bytes),
                Piece::End(signature) => {
                    let digests = format!(
                        "{}\n{}",
                        signing::hex_sha256(b""),
                        hex::encode(chunk.finalize_reset())
                    );
                    let given = signature.unwrap_or_default();
                    is_good &= is_link(self.key, "PAYLOAD", self.place, [&before, &digests], given);
                    before = given.to_owned();
                }
                Piece::Trailer(TRAILER_SIGNATURE, given) => {
                    let digest = hex::encode(trailers.finalize_reset());
                    is_good &= is_link(self.key, "TRAILER", self.place, [&before, &digest], given);
                    owes_trailer = false;
                }
                Piece::Trailer(name, value) => {
                    trailers.update(format!("{name}:{value}\n"));
                    owes_trailer = true;
                }
            }
            Ok(())
        })?;
        Ok(is_good && !owes_trailer)
    }
}

fn is_link(key: &[u8; 32], kind: &str, place: &str, parts: [&str; 2], given: &str) -> bool {
    let [before, digests] = parts;
    let text = format!("AWS4-HMAC-SHA256-{kind}\n{place}\n{before}\n{digests}");
    signing::is_hmac_sha256(key, text.as_bytes(), &signing::from_hex(given))
}

/// Takes the bytes out of their chunks, with all digests; for a blocking thread.
///
/// `LimitExceeded` past `limit` bytes.
pub(in crate::dialects::s3) fn unwrap(
    body: &Spool,
    incoming: &Path,
    limit: u64,
) -> Result<(Spool, Trailers), CatalogError> {
    let mut writer = SpoolWriter::new(incoming, limit, Measure::All);
    let mut trailers = Trailers::new();
    read(body.reader()?, |piece| {
        match piece {
            Piece::Bytes(bytes) => writer.write(Bytes::copy_from_slice(bytes))?,
            Piece::End(_) => {}
            Piece::Trailer(name, value) => trailers.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    })?;
    Ok((writer.finish()?, trailers))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "20130524T000000Z\n20130524/us-east-1/s3/aws4_request";

    fn key() -> [u8; 32] {
        let secret = b"AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let mut key = signing::hmac_sha256(secret, b"20130524");
        for part in ["us-east-1", "s3", "aws4_request"] {
            key = signing::hmac_sha256(&key, part.as_bytes());
        }
        key
    }

    fn spool(bytes: Vec<u8>) -> Spool {
        Spool::from_bytes(bytes.into())
    }

    /// The vendor's published example: 65 KiB of `a` in chunks of 64 KiB, 1 KiB and none.
    fn example(signatures: [&str; 3]) -> Vec<u8> {
        let mut body = Vec::new();
        for (size, signature) in [65536_usize, 1024, 0].into_iter().zip(signatures) {
            body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
            body.extend(std::iter::repeat_n(b'a', size));
            body.extend_from_slice(b"\r\n");
        }
        body
    }

    const SIGNATURES: [&str; 3] = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];

    fn is_signed(body: Vec<u8>) -> Result<bool, CatalogError> {
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".to_owned();
        Chain { key: &key(), place: PLACE, seed }.verify(&spool(body))
    }

    #[test]
    fn the_vendors_example_is_signed_and_nothing_else_is() {
        assert!(is_signed(example(SIGNATURES)).unwrap());
        let mut changed = example(SIGNATURES);
        changed[1000] = b'b';
        assert!(!is_signed(changed).unwrap());
        let [first, second, third] = SIGNATURES;
        assert!(!is_signed(example([second, first, third])).unwrap());
        assert!(!is_signed(example([first, second, ""])).unwrap());
        let unsigned = String::from_utf8(example(SIGNATURES)).unwrap();
        let unsigned = unsigned.replace(&format!(";chunk-signature={first}"), "");
        assert!(!is_signed(unsigned.into_bytes()).unwrap());
        let mut trailed = example(SIGNATURES);
        trailed.truncate(trailed.len() - 2);
        trailed.extend_from_slice(b"x-amz-checksum-crc32:AAAA\r\n");
        assert!(!is_signed(trailed).unwrap(), "a trailer that nobody signed");
    }

    #[test]
    fn bytes_come_out_of_their_chunks_with_the_trailers() {
        let folder = tempfile::tempdir().unwrap();
        let body = b"5\r\nhello\r\nA\r\n 0123456789"[..].to_vec();
        let refused = unwrap(&spool(body), folder.path(), 100);
        assert!(matches!(refused, Err(CatalogError::BadArchive(_))));
        let body = b"5\r\nhello\r\n3\r\n  !\r\n0\r\nX-Amz-Checksum-CRC32: abc= \r\n\r\n".to_vec();
        let (bytes, trailers) = unwrap(&spool(body.clone()), folder.path(), 8).unwrap();
        assert_eq!(bytes.bytes().unwrap(), "hello  !");
        assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "abc=".to_owned())]);
        let refused = unwrap(&spool(body), folder.path(), 7).unwrap_err();
        assert!(matches!(refused, CatalogError::LimitExceeded { limit: 7, .. }));
    }

    #[test]
    fn what_is_no_such_body_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let many = format!("0\r\n{}", "a:b\r\n".repeat(TRAILERS_MAX + 1));
        let long = "1".repeat(2000);
        for body in [
            "",
            "hello",
            "5\r\nhell",
            "5\r\nhello",
            "5\r\nhello\r\n",
            "5\r\nhelloo\r\n0\r\n",
            "-5\r\nhello\r\n0\r\n",
            "+5\r\nhello\r\n0\r\n",
            "ffffffffffffffff\r\nhello\r\n0\r\n",
            "5;what=x\r\nhello\r\n0\r\n",
            "0\r\nno trailer\r\n",
            "0\r\na:\u{ff}",
            &many,
            &long,
        ] {
            let refused = unwrap(&spool(body.into()), folder.path(), 100);
            assert!(matches!(refused, Err(CatalogError::BadArchive(_))), "{body:.40}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
