//! Bodies in signed or unsigned chunks, `Content-Encoding: aws-chunked` (Amazon S3 API reference,
//! "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks"
//! and its variants with trailers).

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::dialects::signing;
use crate::domain::{ArchiveProblem, CatalogError, RequestError};
use crate::ingest::{Spool, SpoolWriter};

/// Bytes of one line at most: a chunk's size with its signature, or a trailer.
const LINE_MAX: u64 = 1024;

/// Trailers of one body at most; clients send a checksum and its signature.
const TRAILERS_MAX: usize = 16;

/// Bytes of a chunk that are read at a time: clients choose a chunk's size.
const PIECE: usize = 64 << 10;

/// The trailer with the signature of the trailers before it.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// A part of such a body.
enum Piece<'b> {
    /// Bytes of a chunk.
    Bytes(&'b [u8]),
    /// The end of a chunk, with its signature if it has one. The last chunk has no bytes.
    End(Option<&'b str>),
    /// A trailer, its name in lower case.
    Trailer(&'b str, &'b str),
}

/// Names and values that came after the last chunk.
pub(in crate::dialects::s3) type Trailers = Vec<(String, String)>;

/// Reads a body to its end and passes each piece to `take`.
fn read(
    body: impl Read,
    mut take: impl FnMut(Piece<'_>) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
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
            return Err(broken("a chunk is longer than it says").into());
        }
    }
}

fn read_trailers(
    body: &mut impl BufRead,
    mut take: impl FnMut(Piece<'_>) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    let mut count = 0;
    // Some clients write an empty line after the trailers, some two, some none.
    while let Some(line) = read_line(body)? {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a trailer has no ':'"))?;
        count += 1;
        if count > TRAILERS_MAX {
            return Err(broken("there are too many trailers").into());
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

/// Whether every chunk is signed, and the trailers if there are any; for a thread that may wait for
/// the disk.
///
/// The signature of each chunk covers the one before it; the first covers `seed`, the request's own
/// in hexadecimal. `key` is the signing key of the day; `place` has the time of signing and the
/// scope, a line each.
pub(in crate::dialects::s3) fn is_signed(
    body: &Spool,
    key: &[u8; 32],
    place: &str,
    seed: String,
) -> Result<bool, RequestError> {
    let nothing = signing::hex_sha256(b"");
    let is_link = |kind: &str, before: &str, digests: &str, given: &str| {
        let text = format!("AWS4-HMAC-SHA256-{kind}\n{place}\n{before}\n{digests}");
        signing::is_hmac_sha256(key, text.as_bytes(), &signing::from_hex(given))
    };
    let (mut chunk, mut trailers) = (Sha256::new(), Sha256::new());
    let (mut before, mut is_good, mut owes_trailer) = (seed, true, false);
    read(body.reader()?, |piece| {
        match piece {
            Piece::Bytes(bytes) => chunk.update(bytes),
            Piece::End(signature) => {
                let digests = format!("{nothing}\n{}", hex::encode(chunk.finalize_reset()));
                let given = signature.unwrap_or_default();
                is_good &= is_link("PAYLOAD", &before, &digests, given);
                before = given.to_owned();
            }
            Piece::Trailer(TRAILER_SIGNATURE, given) => {
                let digest = hex::encode(trailers.finalize_reset());
                is_good &= is_link("TRAILER", &before, &digest, given);
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

/// Takes the bytes out of their chunks into `writer`; for a blocking thread.
///
/// Fails with a `Limit` of `BodySize` past the writer's limit.
pub(in crate::dialects::s3) fn unwrap(
    body: &Spool,
    mut writer: SpoolWriter,
) -> Result<(Spool, Trailers), RequestError> {
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
    use crate::ingest::{Measure, UploadFolder};

    fn spool(bytes: impl Into<Bytes>) -> Spool {
        Spool::from_bytes(bytes.into())
    }

    fn writer(folder: &tempfile::TempDir, limit: u64) -> SpoolWriter {
        SpoolWriter::new(&UploadFolder::new(folder.path(), None), limit, Measure::All)
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

    #[test]
    fn only_the_vendors_example_is_signed() {
        let secret = b"AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let place = "20130524T000000Z\n20130524/us-east-1/s3/aws4_request";
        let key = ["us-east-1", "s3", "aws4_request"]
            .iter()
            .fold(signing::hmac_sha256(secret, b"20130524"), |key, part| {
                signing::hmac_sha256(&key, part.as_bytes())
            });
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let is_good =
            |body: Vec<u8>| is_signed(&spool(body), &key, place, seed.to_owned()).unwrap();
        let good = example(SIGNATURES);
        assert!(is_good(good.clone()));
        let mut changed = good.clone();
        changed[1000] = b'b';
        let [first, second, third] = SIGNATURES;
        let unsigned = String::from_utf8(good.clone()).unwrap();
        let unsigned = unsigned.replace(&format!(";chunk-signature={first}"), "");
        let trailed = [&good[..good.len() - 2], b"x-amz-checksum-crc32:AAAA\r\n"].concat();
        for (what, body) in [
            ("another byte", changed),
            ("another order", example([second, first, third])),
            ("a chunk with an empty signature", example([first, second, ""])),
            ("a chunk without a signature", unsigned.into_bytes()),
            ("a trailer without a signature", trailed),
        ] {
            assert!(!is_good(body), "{what}");
        }
    }

    #[test]
    fn bytes_come_out_of_their_chunks_with_the_trailers() {
        let folder = tempfile::tempdir().unwrap();
        let body = spool("5\r\nhello\r\n3\r\n  !\r\n0\r\nX-Amz-Checksum-CRC32: abc= \r\n\r\n");
        let (bytes, trailers) = unwrap(&body, writer(&folder, 8)).unwrap();
        assert_eq!(bytes.bytes().unwrap(), "hello  !");
        assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "abc=".to_owned())]);
        let refused = unwrap(&body, writer(&folder, 7)).unwrap_err();
        assert!(matches!(refused, RequestError::Limit { limit: 7, .. }));
    }

    #[test]
    fn a_broken_body_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let many = format!("0\r\n{}", "a:b\r\n".repeat(TRAILERS_MAX + 1));
        let long = "1".repeat(2000);
        for body in [
            "",
            "hello",
            "5\r\nhell",
            "5\r\nhello",
            "5\r\nhello\r\n",
            "5\r\nhello\r\nA\r\n 0123456789",
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
            let refused = unwrap(&spool(body.to_owned()), writer(&folder, 100)).unwrap_err();
            let is_broken = matches!(refused, RequestError::Catalog(CatalogError::BadArchive(_)));
            assert!(is_broken, "{body:.40}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
