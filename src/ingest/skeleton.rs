//! Copies a JSON document without the text of its code, which goes to a decoder.
//!
//! The scanner knows just enough JSON to distinguish keys, values and strings, in pieces that may
//! end anywhere. It validates nothing: malformed text is copied to the skeleton, where serde_json
//! reports it. A string outside the code is copied unchanged. When the code's text is not base64,
//! the rest of it is copied too, so that serde_json validates its escapes. [`super::json`] has the
//! tests.

use memchr::memchr2;

use super::base64::Base64Sink;
use crate::domain::{ArchiveProblem, CatalogError, Field, RequestError};

/// More nesting than serde_json parses: a deeper document is malformed in any case.
const DEPTH_MAX: usize = 130;

/// Longest wanted key in bytes, with its quotes and escapes.
const KEY_MAX: usize = 1024;

/// The parts of a scanned document.
pub(super) struct Scanned {
    /// The document without the code's text.
    pub(super) skeleton: Vec<u8>,
    /// The first error that is not an error of the JSON.
    pub(super) refusal: Option<CatalogError>,
    /// The wanted path that the code is at.
    pub(super) found: Option<usize>,
    /// Whether a wanted value was a string, empty or not.
    pub(super) has_text: bool,
    /// The decoder of the code's text, not yet finished.
    pub(super) sink: Base64Sink,
}

/// Scans a document piece by piece.
pub(super) struct Scanner<'w> {
    wanted: &'w [&'w [&'w str]],
    fold_keys: bool,
    fields_max: usize,
    out: Scanned,
    state: ScanState,
    expect: Expect,
    /// Open containers, outermost first.
    open: Vec<Container>,
    /// The wanted paths that match up to the last key, as a set of bits.
    key_matches: u32,
    /// Wanted path and depth of each matching key so far: a repeated key would drop or double the
    /// code.
    met: Vec<(usize, usize)>,
}

/// Where the next byte is in the document.
enum ScanState {
    Outside,
    /// In a string that is copied; a key has the skeleton's offset at which it began.
    Copied {
        key_start: Option<usize>,
    },
    /// The same, after a backslash.
    CopiedEscape {
        key_start: Option<usize>,
    },
    /// In the code's text.
    Code,
    /// In an escape of the code's text, with its bytes so far.
    CodeEscape(Vec<u8>),
}

/// What is expected next outside of strings.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Key,
    Colon,
    Value,
    End,
}

struct Container {
    is_object: bool,
    /// The wanted paths that lead into the container, as a set of bits.
    matches: u32,
}

impl<'w> Scanner<'w> {
    pub(super) fn new(
        wanted: &'w [&'w [&'w str]],
        fold_keys: bool,
        sink: Base64Sink,
        fields_max: usize,
    ) -> Self {
        let skeleton = Vec::new();
        let out = Scanned { skeleton, refusal: None, found: None, has_text: false, sink };
        let (state, expect) = (ScanState::Outside, Expect::Value);
        let (open, met, key_matches) = (Vec::new(), Vec::new(), 0);
        Self { wanted, fold_keys, fields_max, out, state, expect, open, key_matches, met }
    }

    /// Scans the next piece; returns `false` when the rest of the document makes no difference.
    ///
    /// Fails when the fields are too long or the staging fails.
    pub(super) fn scan(&mut self, piece: &[u8]) -> Result<bool, RequestError> {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = match std::mem::replace(&mut self.state, ScanState::Outside) {
                ScanState::Outside => self.outside(rest)?,
                ScanState::Copied { key_start } => self.copied(rest, key_start)?,
                ScanState::CopiedEscape { key_start } => {
                    self.state = ScanState::Copied { key_start };
                    self.copy(&rest[..1])?;
                    1
                }
                ScanState::Code => self.code(rest)?,
                ScanState::CodeEscape(escape) => self.code_escape(rest[0], escape)?,
            };
            if self.open.len() > DEPTH_MAX {
                return Ok(false);
            }
            rest = &rest[taken..];
        }
        Ok(true)
    }

    /// Ends the document. If it ends inside the code, the skeleton ends inside a string.
    pub(super) fn finish(mut self) -> Scanned {
        match self.state {
            ScanState::Code => self.out.skeleton.push(b'"'),
            ScanState::CodeEscape(escape) => {
                self.out.skeleton.push(b'"');
                self.out.skeleton.extend(escape);
            }
            ScanState::Outside | ScanState::Copied { .. } | ScanState::CopiedEscape { .. } => {}
        }
        self.out
    }

    fn copy(&mut self, text: &[u8]) -> Result<(), RequestError> {
        let len = self.out.skeleton.len() + text.len();
        if len > self.fields_max {
            // An earlier error comes first: the refused text may make the skeleton too long.
            return Err(match self.out.refusal.take() {
                Some(refusal) => refusal.into(),
                None => RequestError::body_size(self.fields_max as u64, len as u64),
            });
        }
        self.out.skeleton.extend_from_slice(text);
        Ok(())
    }

    /// Scans up to and including the next quote.
    fn outside(&mut self, text: &[u8]) -> Result<usize, RequestError> {
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'"' => {
                    self.copy(&text[..at])?;
                    self.begin_string()?;
                    return Ok(at + 1);
                }
                b'{' | b'[' => {
                    self.begin_container(*byte == b'{');
                    if self.open.len() > DEPTH_MAX {
                        self.copy(&text[..=at])?;
                        return Ok(at + 1);
                    }
                }
                b'}' | b']' => {
                    self.open.pop();
                    self.expect = Expect::End;
                }
                b':' if self.expect == Expect::Colon => self.expect = Expect::Value,
                b',' => {
                    let in_object = self.open.last().is_some_and(|container| container.is_object);
                    self.expect = if in_object { Expect::Key } else { Expect::Value };
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.expect = Expect::End,
            }
        }
        self.copy(text)?;
        Ok(text.len())
    }

    fn begin_container(&mut self, is_object: bool) {
        let matches = match (is_object, self.open.is_empty()) {
            (false, _) => 0,
            (true, true) => u32::MAX,
            (true, false) => self.value_matches(),
        };
        self.open.push(Container { is_object, matches });
        self.expect = if is_object { Expect::Key } else { Expect::Value };
    }

    /// Returns the wanted paths that lead to the value that begins here.
    fn value_matches(&self) -> u32 {
        let in_object = self.open.last().is_some_and(|container| container.is_object);
        if in_object && self.expect == Expect::Value { self.key_matches } else { 0 }
    }

    fn begin_string(&mut self) -> Result<(), RequestError> {
        let key_start = (self.expect == Expect::Key).then_some(self.out.skeleton.len());
        let matches = self.value_matches();
        let depth = self.open.len();
        let wanted = bits(matches).find(|number| self.wanted[*number].len() == depth);
        self.expect = if key_start.is_some() { Expect::Colon } else { Expect::End };
        if let (Some(number), None) = (wanted, &self.out.refusal) {
            self.out.has_text = true;
            if self.out.found.is_none() {
                self.out.found = Some(number);
                self.state = ScanState::Code;
                return Ok(());
            }
            self.out.refusal = Some(CatalogError::invalid(Field::Code, "is given in two places"));
        }
        self.state = ScanState::Copied { key_start };
        self.copy(b"\"")
    }

    fn copied(&mut self, text: &[u8], key_start: Option<usize>) -> Result<usize, RequestError> {
        let Some(at) = memchr2(b'"', b'\\', text) else {
            self.state = ScanState::Copied { key_start };
            self.copy(text)?;
            return Ok(text.len());
        };
        self.copy(&text[..=at])?;
        if text[at] == b'\\' {
            self.state = ScanState::CopiedEscape { key_start };
        } else if let Some(start) = key_start {
            self.end_key(start);
        }
        Ok(at + 1)
    }

    fn end_key(&mut self, start: usize) {
        self.key_matches = 0;
        let depth = self.open.len();
        let matches = self.open.last().map_or(0, |container| container.matches);
        let raw = &self.out.skeleton[start..];
        if matches == 0 || raw.len() > KEY_MAX {
            return;
        }
        let Ok(key) = serde_json::from_slice::<String>(raw) else { return };
        for (number, path) in self.wanted.iter().enumerate().take(32) {
            let is_next = path.get(depth - 1).is_some_and(|wanted| {
                *wanted == key || self.fold_keys && wanted.eq_ignore_ascii_case(&key)
            });
            if matches & 1 << number == 0 || !is_next {
                continue;
            }
            self.key_matches |= 1 << number;
            if self.met.contains(&(number, depth)) {
                let refusal =
                    || CatalogError::invalid(Field::Code, format!("key {key:?} is there twice"));
                self.out.refusal.get_or_insert_with(refusal);
            }
            self.met.push((number, depth));
        }
    }

    /// Decodes the code's text up to and including the next quote or backslash.
    fn code(&mut self, text: &[u8]) -> Result<usize, RequestError> {
        let at = memchr2(b'"', b'\\', text).unwrap_or(text.len());
        self.state = ScanState::Code;
        // JSON forbids control characters in a string; lenient base64 would skip white space. Other
        // bytes than ASCII must be UTF-8.
        let is_unfit = |byte: &u8| byte.wrapping_sub(b' ') >= 0x80 - b' ';
        if text[..at].iter().fold(0, |found, byte| found | u8::from(is_unfit(byte))) != 0 {
            self.spoil(&text[..at])?;
        } else {
            self.decode(&text[..at], &text[..at])?;
        }
        if !matches!(self.state, ScanState::Code) || at == text.len() {
            return Ok(at);
        }
        if text[at] == b'\\' {
            self.state = ScanState::CodeEscape(vec![b'\\']);
        } else {
            self.end_code()?;
        }
        Ok(at + 1)
    }

    fn end_code(&mut self) -> Result<(), RequestError> {
        self.state = ScanState::Outside;
        if self.out.sink.has_text() {
            return self.copy(b"null");
        }
        self.out.found = None;
        self.copy(b"\"\"")
    }

    /// Takes one byte of an escape in the code's text.
    fn code_escape(&mut self, byte: u8, mut escape: Vec<u8>) -> Result<usize, RequestError> {
        if escape.len() > 1 && !byte.is_ascii_hexdigit() {
            self.spoil(&escape)?;
            return Ok(0);
        }
        escape.push(byte);
        let character = match (escape.len(), byte) {
            (2, b'u') | (3..6, _) => {
                self.state = ScanState::CodeEscape(escape);
                return Ok(1);
            }
            (2, b'n') => Some(b'\n'),
            (2, b'r') => Some(b'\r'),
            (2, b't') => Some(b'\t'),
            (2, b'/') => Some(b'/'),
            (2, _) => None,
            _ => std::str::from_utf8(&escape[2..])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
        };
        self.state = ScanState::Code;
        match character {
            Some(character) => self.decode(&[character], &escape)?,
            None => self.spoil(&escape)?,
        }
        Ok(1)
    }

    /// Decodes characters of the code; `raw` is their spelling in the document.
    fn decode(&mut self, characters: &[u8], raw: &[u8]) -> Result<(), RequestError> {
        match self.out.sink.push(characters) {
            Err(CatalogError::BadArchive(_)) => self.spoil(raw),
            other => Ok(other?),
        }
    }

    /// Records that the text is not base64 from `raw` on, and copies the rest of it.
    ///
    /// The error is returned only if the JSON is well formed.
    fn spoil(&mut self, raw: &[u8]) -> Result<(), RequestError> {
        self.out.refusal.get_or_insert(ArchiveProblem::NotBase64.into());
        self.state = ScanState::Copied { key_start: None };
        self.copy(b"\"")?;
        self.copy(raw)
    }
}

/// Returns the positions of the bits that are set.
fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let number = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (number < 32).then_some(number as usize)
    })
}
