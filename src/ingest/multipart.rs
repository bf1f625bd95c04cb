//! Reads the zip from a multipart body; a header has declared the zip's size.
//!
//! A small scanner for bodies in a spool: the one crate for multipart is asynchronous. Must not
//! know the headers that carry the boundary and the declared size.

use std::io::Read;

use bytes::Bytes;
use memchr::memmem::{self, Finder};

use super::staging::{Staging, StagingWriter};
use crate::domain::{ArchiveProblem, CatalogError};

/// Bytes of the body that are read at a time.
const CHUNK: usize = 64 * 1024;

/// The longest head of a part, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// The longest accepted boundary, in bytes; RFC 2046 allows 70 characters.
const BOUNDARY_MAX: usize = 200;

/// Reads the first part named `field` into `staging`: exactly `declared` bytes of it.
///
/// A longer part is silently cut off there, as openYuanrong does. The rest of the body is read to
/// its closing boundary: a body without one was cut on its way. Fails with `BadArchive`: `Missing`
/// without such a part, `Incomplete` when the part is shorter than declared or the body has no end.
/// Fails as [`StagingWriter::write`] does.
pub fn read_multipart<R: Read>(
    reader: R,
    boundary: &str,
    field: &str,
    declared: u64,
    mut staging: StagingWriter,
) -> Result<Staging, CatalogError> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_MAX {
        return Err(incomplete("the boundary is empty or too long"));
    }
    // The first delimiter may lack its line break, so the window begins with one.
    let mut body = Body { reader, window: b"\r\n".to_vec(), at: 0, ended: false };
    let delimiter = Finder::new(&["\r\n--", boundary].concat()).into_owned();
    body.skip_past(&delimiter, |_| Ok(()))?;
    while body.begins_part()? {
        if body.head()?.as_deref() != Some(field) {
            body.skip_past(&delimiter, |_| Ok(()))?;
            continue;
        }
        let mut missing = declared;
        body.skip_past(&delimiter, |piece| {
            let wanted = piece.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
            missing -= wanted as u64;
            staging.write(Bytes::copy_from_slice(&piece[..wanted]))?;
            Ok(())
        })?;
        if missing > 0 {
            let arrived = declared - missing;
            return Err(incomplete(format!("{arrived} of {declared} declared bytes arrived")));
        }
        while body.begins_part()? {
            body.skip_past(&delimiter, |_| Ok(()))?;
        }
        return Ok(staging.end());
    }
    Err(ArchiveProblem::Missing.into())
}

/// The body, read through a sliding window.
struct Body<R> {
    reader: R,
    window: Vec<u8>,
    /// First byte of the window that is not consumed yet.
    at: usize,
    ended: bool,
}

impl<R: Read> Body<R> {
    fn seen(&self) -> &[u8] {
        &self.window[self.at..]
    }

    /// Reads more of the body into the window; sets `ended` at the end of the body.
    fn more(&mut self) -> Result<(), CatalogError> {
        self.window.drain(..self.at);
        self.at = 0;
        let len = self.window.len();
        self.window.resize(len + CHUNK, 0);
        let read = self.reader.read(&mut self.window[len..])?;
        self.window.truncate(len + read);
        self.ended = read == 0;
        Ok(())
    }

    /// Passes the bytes before the next delimiter to `take` in pieces, then consumes the delimiter.
    ///
    /// Fails with `Incomplete` when the body ends before a delimiter.
    fn skip_past(
        &mut self,
        delimiter: &Finder<'_>,
        mut take: impl FnMut(&[u8]) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        loop {
            let found = delimiter.find(self.seen());
            // The last bytes of the window may be the start of a delimiter.
            let unsure = if self.ended { 0 } else { delimiter.needle().len() - 1 };
            let before = found.unwrap_or(self.seen().len().saturating_sub(unsure));
            take(&self.seen()[..before])?;
            self.at += before;
            if found.is_some() {
                self.at += delimiter.needle().len();
                return Ok(());
            }
            if self.ended {
                return Err(incomplete("the body ends without its closing boundary"));
            }
            self.more()?;
        }
    }

    /// Whether a part follows the delimiter just consumed; otherwise it was the closing one.
    fn begins_part(&mut self) -> Result<bool, CatalogError> {
        while self.seen().len() < 2 && !self.ended {
            self.more()?;
        }
        Ok(!self.seen().starts_with(b"--"))
    }

    /// Consumes the rest of the delimiter's line and a part's head; returns the part's name.
    fn head(&mut self) -> Result<Option<String>, CatalogError> {
        let end = loop {
            if let Some(end) = memmem::find(self.seen(), b"\r\n\r\n") {
                break end;
            }
            if self.ended || self.seen().len() > HEAD_MAX {
                return Err(incomplete("the head of a part does not end"));
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.seen()[..end]);
        let name = head.split("\r\n").skip(1).find_map(part_name);
        self.at += end + 4;
        Ok(name)
    }
}

/// Returns the name in a `Content-Disposition: form-data; name="…"` line.
fn part_name(line: &str) -> Option<String> {
    let (header, value) = line.split_once(':')?;
    if !header.trim().eq_ignore_ascii_case("content-disposition") {
        return None;
    }
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = parameter(after.trim_start());
        if key.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case("name") {
            return Some(value);
        }
        rest = after;
    }
}

/// Returns a parameter's value, quoted or not, and the text after it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let (mut value, mut characters) = (String::new(), quoted.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    (value, characters.as_str())
}

fn incomplete(reason: impl Into<String>) -> CatalogError {
    ArchiveProblem::Incomplete(reason.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ArtifactLimits;
    use crate::ingest::samples::{Incoming, Trickle, VECTORS, bytes_of, noise};

    fn read_by(body: &[u8], step: usize, declared: u64) -> Result<Vec<u8>, String> {
        let incoming = Incoming::new();
        let staging = StagingWriter::new(incoming.folder(), ArtifactLimits::default());
        let outcome = read_multipart(Trickle(body, step), "XX", "file", declared, staging)
            .map(bytes_of)
            .map_err(|error| format!("{error:?}"));
        assert_eq!(incoming.files(), 0);
        outcome
    }

    fn read(body: &[u8], declared: u64) -> Result<Vec<u8>, String> {
        let whole = read_by(body, usize::MAX, declared);
        for step in [1, 2, 3, 7] {
            assert_eq!(read_by(body, step, declared), whole);
        }
        whole
    }

    fn body(head: &str, content: &[u8]) -> Vec<u8> {
        let mut body = format!("--XX\r\n{head}\r\n\r\n").into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--XX--\r\n");
        body
    }

    const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a.zip\"";

    #[test]
    fn vectors_are_read_at_their_declared_size() {
        for sample in VECTORS {
            let bytes = sample.bytes();
            assert_eq!(read(&body(FILE, &bytes), sample.size), Ok(bytes.clone()));
            let cut = read(&body(FILE, &bytes), sample.size - 10).unwrap();
            assert_eq!(cut, bytes[..bytes.len() - 10]);
            let refused = read(&body(FILE, &bytes), sample.size + 1).unwrap_err();
            assert!(refused.contains("Incomplete"), "{refused}");
        }
    }

    #[test]
    fn the_first_part_with_the_name_is_read() {
        let other = "Content-Disposition: form-data; name=\"x\"; filename=\"; name=file\"";
        let end = b"--XX--\r\n";
        let parts = [body(other, b"no"), body(FILE, b"yes"), body(FILE, b"later")].concat();
        let mut parts: Vec<u8> = String::from_utf8(parts).unwrap().replace("--XX--\r\n", "").into();
        assert!(read(&parts, 3).unwrap_err().contains("closing boundary"));
        parts.extend_from_slice(end);
        assert_eq!(read(&parts, 3), Ok(b"yes".to_vec()));
        assert!(read(&parts, 4).unwrap_err().contains("3 of 4"));
    }

    #[test]
    fn forms_of_the_head() {
        for head in [
            "content-disposition:form-data;name=file",
            "Content-Type: application/zip\r\nContent-Disposition: form-data; filename=x; name=file",
            "Content-Disposition: form-data; NAME = \"fi\\le\" ; a=b",
            "Content-Disposition: form-data; filename=\"a\\\";name=b\"; name=\"file\"\r\nX: y",
        ] {
            assert_eq!(read(&body(head, b"ok"), 2), Ok(b"ok".to_vec()), "{head}");
        }
        for head in ["X: y", "Content-Disposition: form-data", "name=file", "X: a; name=file"] {
            assert!(read(&body(head, b"ok"), 2).unwrap_err().contains("Missing"), "{head}");
        }
    }

    #[test]
    fn preamble_padding_and_lines_that_look_like_boundaries() {
        let content = b"\r\n--X\r\n--\r\n-XX--XX\r\n";
        let mut long = b"preamble\r\n--XX  \r\n".to_vec();
        long.extend_from_slice(FILE.as_bytes());
        long.extend_from_slice(b"\r\n\r\n");
        long.extend_from_slice(content);
        long.extend_from_slice(b"\r\n--XX--");
        assert_eq!(read(&long, content.len() as u64), Ok(content.to_vec()));
        assert_eq!(read(&body(FILE, b""), 0), Ok(Vec::new()));
    }

    #[test]
    fn broken_bodies() {
        let whole = body(FILE, b"content");
        // Only the last line break may be missing.
        for len in 0..whole.len() - 2 {
            assert!(read_by(&whole[..len], len % 9 + 1, 7).is_err(), "{len} bytes");
        }
        assert!(read(b"--XX--\r\n", 1).unwrap_err().contains("Missing"));
        assert!(read(b"nothing here", 1).unwrap_err().contains("Incomplete"));
        let endless = [b"--XX\r\n".to_vec(), vec![b'a'; 200_000]].concat();
        assert!(read_by(&endless, 1000, 1).unwrap_err().contains("does not end"));
    }

    #[test]
    fn long_parts_pass() {
        let content = noise(500_000);
        let long = body(FILE, &content);
        for step in [1000, 65_537, usize::MAX] {
            assert!(read_by(&long, step, 500_000).unwrap() == content);
            assert!(read_by(&long, step, 400_000).unwrap() == content[..400_000]);
        }
    }
}
