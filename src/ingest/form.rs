//! Reads a form body as a stream: returns the short pairs and decodes the base64 text of the code.
//!
//! As in [`super::json`], the body is copied to a skeleton without the wanted value, and
//! form_urlencoded parses the skeleton. A form cannot be malformed; only its length and its code
//! can be refused. Must not know any dialect's keys.

use std::io::Read;

use memchr::{memchr, memchr2, memchr3};

use super::base64::{Base64Sink, Leniency};
use super::staging::{Staging, StagingWriter};
use crate::domain::{CatalogError, Field, RequestError};

/// Bytes of the body that are read at a time.
const CHUNK: usize = 64 * 1024;

/// Most pairs of a form; in memory, an empty pair is far larger than the three bytes it is sent as.
const PAIRS_MAX: usize = 4096;

/// The pairs and the code of a form.
#[derive(Debug)]
pub struct UploadForm {
    /// The pairs in the order of the form; the value of the code's pair is empty.
    pub pairs: Vec<(String, String)>,
    /// The code, not yet finished.
    pub staging: Option<Staging>,
    /// The wanted key that the code had.
    pub found: Option<usize>,
    /// Whether a wanted key was present but its value empty; then there is no staging.
    pub code_was_empty: bool,
}

/// Reads a form whose code is the value of one of the keys `wanted`.
///
/// The form without that value may be `fields_max` bytes long. Fails with `BadArchive(NotBase64)`,
/// with `InvalidValue` for `code` when there are two codes and for `form` past `PAIRS_MAX` pairs,
/// with a `Limit` of `BodySize` for the other pairs, and as [`StagingWriter::write`] does.
pub fn read_form<R: Read>(
    reader: R,
    wanted: &[&str],
    leniency: Leniency,
    staging: StagingWriter,
    fields_max: usize,
) -> Result<UploadForm, RequestError> {
    let mut sink = Base64Sink::new(staging, leniency);
    let mut found = None;
    let pairs = scan_form(reader, wanted, fields_max, |number, text| {
        if *found.get_or_insert(number) != number {
            return Err(CatalogError::invalid(Field::Code, "is given in two places"));
        }
        sink.push(text)
    })?;
    let has_key = pairs.iter().any(|(key, _)| wanted.contains(&key.as_str()));
    let staging = match found {
        Some(_) => Some(sink.finish()?).filter(|staging| !staging.is_empty()),
        None => None,
    };
    let found = found.filter(|_| staging.is_some());
    let code_was_empty = has_key && staging.is_none();
    Ok(UploadForm { pairs, staging, found, code_was_empty })
}

/// Reads a form and passes the wanted values to `take` in pieces, percent-decoded.
///
/// `take` gets the wanted key's index and the next bytes of its value, at least one. Thus a
/// signature over all values can be checked without the code in memory. Fails as `take` does, with
/// `InvalidValue` for `code` when a wanted key is repeated and for `form` past `PAIRS_MAX` pairs,
/// and with a `Limit` of `BodySize` when the rest of the form is longer than `fields_max` bytes.
pub fn scan_form<R: Read>(
    mut reader: R,
    wanted: &[&str],
    fields_max: usize,
    take: impl FnMut(usize, &[u8]) -> Result<(), CatalogError>,
) -> Result<Vec<(String, String)>, RequestError> {
    let mut scanner = Scanner {
        wanted,
        fields_max,
        take,
        skeleton: Vec::new(),
        state: ScanState::Key { start: 0 },
        met: Vec::new(),
    };
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = reader.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        scanner.scan(&chunk[..read])?;
    }
    scanner.end()?;
    let pairs = form_urlencoded::parse(&scanner.skeleton).into_owned();
    let pairs: Vec<_> = pairs.take(PAIRS_MAX + 1).collect();
    if pairs.len() > PAIRS_MAX {
        let reason = format!("may have at most {PAIRS_MAX} pairs");
        return Err(CatalogError::invalid(Field::Form, reason).into());
    }
    Ok(pairs)
}

struct Scanner<'w, F> {
    wanted: &'w [&'w str],
    fields_max: usize,
    take: F,
    /// The form without the wanted values.
    skeleton: Vec<u8>,
    state: ScanState,
    /// Indexes of the wanted keys so far.
    met: Vec<usize>,
}

/// Where the next byte is in the form.
enum ScanState {
    /// In a key that began at this offset of the skeleton.
    Key { start: usize },
    /// In a value that is copied.
    Copied,
    /// In a wanted value, after these bytes of an unfinished escape.
    Wanted { number: usize, escape: Vec<u8> },
}

impl<F: FnMut(usize, &[u8]) -> Result<(), CatalogError>> Scanner<'_, F> {
    fn scan(&mut self, piece: &[u8]) -> Result<(), RequestError> {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = match &self.state {
                ScanState::Key { start } => self.key(rest, *start)?,
                ScanState::Copied => self.copied(rest)?,
                ScanState::Wanted { .. } => self.wanted_value(rest)?,
            };
            rest = &rest[taken..];
        }
        Ok(())
    }

    fn copy(&mut self, text: &[u8]) -> Result<(), RequestError> {
        let (len, limit) = (self.skeleton.len() + text.len(), self.fields_max);
        if len > limit {
            return Err(RequestError::body_size(limit as u64, len as u64));
        }
        self.skeleton.extend_from_slice(text);
        Ok(())
    }

    fn key(&mut self, text: &[u8], start: usize) -> Result<usize, RequestError> {
        let Some(at) = memchr2(b'=', b'&', text) else {
            self.copy(text)?;
            return Ok(text.len());
        };
        self.copy(&text[..=at])?;
        let met = self.meet(start)?;
        self.state = match (text[at], met) {
            (b'&', _) => ScanState::Key { start: self.skeleton.len() },
            (_, Some(number)) => ScanState::Wanted { number, escape: Vec::new() },
            (_, None) => ScanState::Copied,
        };
        Ok(at + 1)
    }

    /// Ends the key that began at `start`, with or without a value, and returns its index if it is
    /// wanted.
    fn meet(&mut self, start: usize) -> Result<Option<usize>, RequestError> {
        let mut pairs = form_urlencoded::parse(&self.skeleton[start..]);
        let key = pairs.next().map(|(key, _)| key).unwrap_or_default();
        let Some(number) = self.wanted.iter().position(|wanted| *wanted == key) else {
            return Ok(None);
        };
        if self.met.contains(&number) {
            let reason = format!("key {key:?} is there twice");
            return Err(CatalogError::invalid(Field::Code, reason).into());
        }
        self.met.push(number);
        Ok(Some(number))
    }

    fn copied(&mut self, text: &[u8]) -> Result<usize, RequestError> {
        let Some(at) = memchr(b'&', text) else {
            self.copy(text)?;
            return Ok(text.len());
        };
        self.copy(&text[..=at])?;
        self.state = ScanState::Key { start: self.skeleton.len() };
        Ok(at + 1)
    }

    fn wanted_value(&mut self, text: &[u8]) -> Result<usize, RequestError> {
        let ScanState::Wanted { number, escape } = &mut self.state else { return Ok(0) };
        let number = *number;
        if !escape.is_empty() {
            // A byte that cannot continue the escape ends it, and is scanned again.
            if !text[0].is_ascii_hexdigit() {
                let plain = std::mem::take(escape);
                (self.take)(number, &plain)?;
                return Ok(0);
            }
            escape.push(text[0]);
            if let [_, high, low] = **escape {
                escape.clear();
                (self.take)(number, &[hex(high) << 4 | hex(low)])?;
            }
            return Ok(1);
        }
        let at = memchr3(b'&', b'%', b'+', text).unwrap_or(text.len());
        if at > 0 {
            (self.take)(number, &text[..at])?;
        }
        match text.get(at) {
            None => return Ok(at),
            Some(b'%') => escape.push(b'%'),
            Some(b'+') => (self.take)(number, b" ")?,
            Some(_) => {
                self.copy(b"&")?;
                self.state = ScanState::Key { start: self.skeleton.len() };
            }
        }
        Ok(at + 1)
    }

    /// Ends the last key or value; an incomplete escape is literal text.
    fn end(&mut self) -> Result<(), RequestError> {
        match &self.state {
            ScanState::Key { start } => self.meet(*start).map(drop),
            ScanState::Wanted { number, escape } if !escape.is_empty() => {
                Ok((self.take)(*number, escape)?)
            }
            ScanState::Copied | ScanState::Wanted { .. } => Ok(()),
        }
    }
}

/// Returns the value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ArtifactLimits;
    use crate::ingest::samples::{Dice, Incoming, Trickle, VECTORS, bytes_of, noise};

    const WANTED: &[&str] = &["Content.ZipFile", "ZipFile"];

    /// Pairs, code, its wanted key, whether it was empty.
    type Outcome = Result<(Vec<(String, String)>, Option<Vec<u8>>, Option<usize>, bool), String>;

    fn read_by(text: &str, step: usize) -> Outcome {
        let incoming = Incoming::new();
        let staging = StagingWriter::new(incoming.folder(), ArtifactLimits::default());
        let reader = Trickle(text.as_bytes(), step);
        let outcome = read_form(reader, WANTED, Leniency::Strict, staging, 1000)
            .map(|upload| {
                let code = upload.staging.map(bytes_of);
                (upload.pairs, code, upload.found, upload.code_was_empty)
            })
            .map_err(|error| format!("{error:?}"));
        assert_eq!(incoming.files(), 0);
        outcome
    }

    fn read(text: &str) -> Outcome {
        let whole = read_by(text, usize::MAX);
        for step in [1, 2, 3, 7] {
            assert_eq!(read_by(text, step), whole, "{text} by {step}");
        }
        whole
    }

    fn encoded(base64: &str) -> String {
        form_urlencoded::byte_serialize(base64.as_bytes()).collect()
    }

    #[test]
    fn vectors_come_out_and_the_other_pairs_stay() {
        for sample in VECTORS {
            let zip = encoded(sample.base64);
            let text = format!("Action=Publish+It&Content.ZipFile={zip}&Runtimes.0=P%C3%A9&x&=y");
            let (pairs, code, found, empty) = read(&text).unwrap();
            let names: Vec<_> = pairs.iter().map(|(key, value)| (&key[..], &value[..])).collect();
            let expected = [
                ("Action", "Publish It"),
                ("Content.ZipFile", ""),
                ("Runtimes.0", "Pé"),
                ("x", ""),
                ("", "y"),
            ];
            assert_eq!(names, expected);
            assert_eq!((code, found, empty), (Some(sample.bytes()), Some(0), false));
        }
    }

    #[test]
    fn wanted_keys_may_be_escaped_and_other_pairs_stay() {
        assert_eq!(read("Zip%46ile=aGk%3D").unwrap().1.unwrap(), b"hi");
        assert_eq!(read("ZipFile=aGk%3d&zipfile=x").unwrap().1.unwrap(), b"hi");
        for text in ["", "zipfile=aGk%3D", "ZipFil=a", "ZipFile", "ZipFile&a=b", "x=ZipFile=aGk="] {
            let (pairs, code, found, _) = read(text).unwrap();
            let plain: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            assert_eq!((pairs, code, found), (plain, None, None), "{text}");
        }
    }

    #[test]
    fn invalid_code_is_refused() {
        for text in ["ZipFile=aGk+", "ZipFile=a%", "ZipFile=aG%4", "ZipFile=%zz", "ZipFile=aGk%2"] {
            assert!(read(text).unwrap_err().contains("NotBase64"), "{text}");
        }
        for text in ["ZipFile=aGk%3D&ZipFile=", "ZipFile=aGk%3D&Content.ZipFile=aGk%3D"] {
            assert!(read(text).unwrap_err().contains("field: Code"), "{text}");
        }
        assert!(read("ZipFile=").unwrap().3);
        let long = format!("a={}", "b".repeat(1000));
        assert!(read_by(&long, 100).unwrap_err().contains("what: BodySize, limit: 1000"));
    }

    #[test]
    fn a_repeated_wanted_key_is_refused_with_or_without_a_value() {
        for text in [
            "ZipFile&ZipFile",
            "ZipFile&ZipFile&a=b",
            "ZipFile&a=b&Zip%46ile",
            "ZipFile&ZipFile=",
            "ZipFile=aGk%3D&ZipFile",
            "ZipFile=aGk%3D&ZipFile&a",
            &"&ZipFile".repeat(3000),
        ] {
            let refusal = read_by(text, 5).unwrap_err();
            assert!(refusal.contains("is there twice"), "{text}: {refusal}");
        }
        assert_eq!(read("ZipFile&Content.ZipFile=aGk%3D").unwrap().2, Some(0));
    }

    #[test]
    fn the_number_of_pairs_is_limited() {
        let scan = |pairs: usize| {
            let text = "a=&".repeat(pairs);
            scan_form(text.as_bytes(), WANTED, 1 << 20, |_, _| Ok(()))
        };
        assert_eq!(scan(PAIRS_MAX).unwrap().len(), PAIRS_MAX);
        let refused = format!("{:?}", scan(PAIRS_MAX + 1));
        assert!(refused.contains("field: Form"), "{refused}");
    }

    #[test]
    fn long_code_passes_beside_a_small_limit() {
        let bytes = noise(400_000);
        let zip = encoded(&base64_simd::STANDARD.encode_to_string(&bytes));
        for step in [1000, usize::MAX] {
            let text = format!("a=1&ZipFile={zip}&b=2");
            assert!(read_by(&text, step).unwrap().1.as_ref() == Some(&bytes));
        }
    }

    #[test]
    fn random_values_agree_with_form_urlencoded() {
        let mut dice = Dice(7);
        for _ in 0..5000 {
            let alphabet = b"aZ0%%%+=46fF";
            let value: String =
                (0..dice.roll(12)).map(|_| alphabet[dice.roll(12) as usize] as char).collect();
            let text = format!("ZipFile={value}&b={value}");
            let mut decoded = Vec::new();
            let step = dice.roll(4) as usize + 1;
            let pairs = scan_form(Trickle(text.as_bytes(), step), WANTED, 1000, |number, piece| {
                assert_eq!(number, 1);
                assert!(!piece.is_empty());
                decoded.extend_from_slice(piece);
                Ok(())
            });
            assert_eq!(pairs.unwrap()[1].1, String::from_utf8_lossy(&decoded), "{text}");
        }
    }
}
