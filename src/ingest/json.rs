//! Reads a JSON body as a stream: returns the small fields and decodes the base64 text of the code.
//!
//! `skeleton.rs` copies the body to a skeleton that lacks only the code's text, and serde_json
//! parses the skeleton. Thus serde_json alone decides whether a body is JSON. Must not know any
//! dialect's fields.

use std::io::Read;

use serde_json::Value;

use super::base64::{Base64Sink, Leniency};
use super::skeleton::Scanner;
use super::staging::{Staging, StagingWriter};
use crate::domain::RequestError;

/// Bytes of the body that are read at a time.
const CHUNK: usize = 64 * 1024;

/// Options for reading a body.
#[derive(Clone, Copy, Debug)]
pub struct JsonOptions {
    /// Whether the wanted keys match regardless of ASCII case.
    pub fold_keys: bool,
    /// Which base64 text is accepted.
    pub leniency: Leniency,
}

/// The fields and the code of a body.
#[derive(Debug)]
pub struct UploadJson {
    /// The document with `null` in place of the code's text.
    pub fields: Value,
    /// The code, not yet finished: the fields may decide whether it must be a zip.
    pub staging: Option<Staging>,
    /// The wanted path that the code was at.
    pub found: Option<usize>,
    /// Whether a wanted string was present but empty; then there is no staging.
    pub code_was_empty: bool,
}

/// The error of [`read_json`].
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The body is not JSON; the reason is serde_json's.
    #[error("{0}")]
    Malformed(String),
    /// The body is JSON but its content is refused, or reading failed.
    #[error(transparent)]
    Refused(#[from] RequestError),
}

/// Reads a JSON document whose code is the string at one of the paths `wanted` (at most 32).
///
/// A wanted value that is not a string stays in the fields. The document without the code's text
/// may be `fields_max` bytes long.
///
/// Fails with `Malformed` when the document is not JSON. Otherwise fails with
/// `BadArchive(NotBase64)`, with `InvalidValue` for `code` when there are two codes or a key on the
/// path to one is repeated, with a `Limit` of `BodySize` for the fields, and as
/// [`StagingWriter::write`] does.
pub fn read_json<R: Read>(
    mut reader: R,
    wanted: &[&[&str]],
    options: JsonOptions,
    staging: StagingWriter,
    fields_max: usize,
) -> Result<UploadJson, JsonError> {
    let sink = Base64Sink::new(staging, options.leniency);
    let mut scanner = Scanner::new(wanted, options.fold_keys, sink, fields_max);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = reader.read(&mut chunk).map_err(RequestError::from)?;
        if read == 0 || !scanner.scan(&chunk[..read])? {
            break;
        }
    }
    let scanned = scanner.finish();
    let fields = serde_json::from_slice(&scanned.skeleton).map_err(malformed)?;
    if let Some(refusal) = scanned.refusal {
        return Err(RequestError::from(refusal).into());
    }
    let staging = match scanned.found {
        Some(_) => Some(scanned.sink.finish().map_err(RequestError::from)?)
            .filter(|staging| !staging.is_empty()),
        None => None,
    };
    let found = scanned.found.filter(|_| staging.is_some());
    let code_was_empty = scanned.has_text && staging.is_none();
    Ok(UploadJson { fields, staging, found, code_was_empty })
}

/// Parses a small JSON document, with the same error as [`read_json`].
pub fn parse_json(text: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice(text).map_err(malformed)
}

/// Removes line and column from the reason: they would be positions in the skeleton.
fn malformed(error: serde_json::Error) -> JsonError {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    JsonError::Malformed(text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::json;

    use super::*;
    use crate::domain::{ArtifactLimits, CatalogError, Limit};
    use crate::ingest::samples::{Dice, Incoming, Trickle, VECTORS, bytes_of, noise};

    const WANTED: &[&[&str]] = &[&["Content", "ZipFile"], &["ZipFile"]];
    const EXACT: JsonOptions = JsonOptions { fold_keys: false, leniency: Leniency::Strict };
    const FOLDED: JsonOptions = JsonOptions { fold_keys: true, leniency: Leniency::Strict };

    /// The result in comparable form: fields, code, its wanted path, whether it was empty.
    type Outcome = Result<(Value, Option<Vec<u8>>, Option<usize>, bool), String>;

    fn read_by(text: &[u8], step: usize, options: JsonOptions, fields_max: usize) -> Outcome {
        let incoming = Incoming::new();
        let staging = StagingWriter::new(incoming.folder(), ArtifactLimits::default());
        let outcome = read_json(Trickle(text, step), WANTED, options, staging, fields_max)
            .map(|upload| {
                let code = upload.staging.map(bytes_of);
                (upload.fields, code, upload.found, upload.code_was_empty)
            })
            .map_err(|error| format!("{error:?}"));
        assert_eq!(incoming.files(), 0);
        outcome
    }

    /// Reads in one piece and in small pieces, and asserts that the results are equal.
    fn read_with(text: &str, options: JsonOptions) -> Outcome {
        let whole = read_by(text.as_bytes(), usize::MAX, options, 1 << 20);
        for step in [1, 2, 3, 5, 7] {
            let stepped = read_by(text.as_bytes(), step, options, 1 << 20);
            assert_eq!(stepped, whole, "{text} by {step}");
        }
        whole
    }

    fn read(text: &str) -> Outcome {
        read_with(text, EXACT)
    }

    #[test]
    fn vectors_come_out_and_the_other_fields_stay() {
        for sample in VECTORS {
            let text = format!(
                r#"{{"LayerName":"l","Content":{{"ZipFile":"{}","x":[1]}},"Runtimes":["a"]}}"#,
                sample.base64
            );
            let (fields, code, found, empty) = read(&text).unwrap();
            assert_eq!(
                fields,
                json!({"LayerName":"l","Content":{"ZipFile":null,"x":[1]},"Runtimes":["a"]})
            );
            assert_eq!((code, found, empty), (Some(sample.bytes()), Some(0), false));
        }
    }

    #[test]
    fn splitting_at_any_byte_changes_nothing() {
        let text =
            r#" { "a" : "\"Zip\\" , "Z\u0069pFile" : "aGV\u0073bG\u0038\/\u002bA==" , "b":null } "#;
        let whole = read(text).unwrap();
        assert_eq!(whole.0, json!({"a":"\"Zip\\","ZipFile":null,"b":null}));
        assert_eq!(whole.2, Some(1));
        for at in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            let incoming = Incoming::new();
            let staging = StagingWriter::new(incoming.folder(), ArtifactLimits::default());
            let upload = read_json(head.chain(tail), WANTED, EXACT, staging, 1 << 20).unwrap();
            assert_eq!(upload.fields, whole.0);
            assert_eq!(upload.staging.map(bytes_of), whole.1);
        }
    }

    #[test]
    fn only_the_wanted_path_is_code() {
        for text in [
            r#"{"zipfile":"aGk="}"#,
            r#"{"Content":[{"ZipFile":"aGk="}]}"#,
            r#"{"Content":{"x":{"ZipFile":"aGk="}}}"#,
            r#"{"x":{"ZipFile":"aGk="}}"#,
            r#"[{"ZipFile":"aGk="}]"#,
            r#"{"x":"ZipFile","y":"aGk="}"#,
            r#"{"ZipFile":{"ZipFile":"aGk="}}"#,
            r#"{"ZipFile":["aGk="]}"#,
            r#"{"ZipFile":null}"#,
            r#"{"ZipFile":12,"Content":"aGk="}"#,
            r#""ZipFile""#,
            "[]",
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text), Ok((plain, None, None, false)), "{text}");
        }
        let folded = read_with(r#"{"content":{"x":[{}],"zipFILE":"aGk="}}"#, FOLDED).unwrap();
        assert_eq!((folded.1.unwrap(), folded.2), (b"hi".to_vec(), Some(0)));
    }

    #[test]
    fn an_empty_text_is_no_code() {
        let (fields, code, found, empty) = read(r#"{"ZipFile":""}"#).unwrap();
        assert_eq!((fields, code, found, empty), (json!({"ZipFile":""}), None, None, true));
        let other = read(r#"{"ZipFile":"","Content":{"ZipFile":"aGk="}}"#).unwrap();
        assert_eq!((other.1, other.2, other.3), (Some(b"hi".to_vec()), Some(0), false));
    }

    #[test]
    fn two_codes_are_refused() {
        for text in [
            r#"{"ZipFile":"aGk=","ZipFile":"aGk="}"#,
            r#"{"ZipFile":null,"ZipFile":"aGk="}"#,
            r#"{"ZipFile":"aGk=","Z\u0069pFile":null}"#,
            r#"{"ZipFile":"aGk=","Content":{"ZipFile":"aGk="}}"#,
            r#"{"Content":{"ZipFile":"aGk="},"Content":{}}"#,
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains("InvalidValue { field: Code"), "{text}: {refused}");
        }
        assert!(read_with(r#"{"zipfile":"aGk=","ZIPFILE":"aGk="}"#, FOLDED).is_err());
    }

    #[test]
    fn malformed_json_has_the_reason_of_serde_json() {
        for text in [
            "",
            " ",
            "{",
            "{}}",
            r#"{"ZipFile""#,
            r#"{"ZipFile":"#,
            r#"{"ZipFile":"aGk="#,
            r#"{"ZipFile":"aGk=""#,
            r#"{"ZipFile":"aGk="}x"#,
            r#"{"ZipFile":"aGk=",}"#,
            r#"{"ZipFile":"aG\k="}"#,
            r#"{"ZipFile":"aG\u00zz"}"#,
            r#"{"ZipFile":"aG\"#,
            r#"{"ZipFile":"aG\u12"#,
            "{\"ZipFile\":\"aG\nk=\"}",
            r#"{"ZipFile":"\ud800"}"#,
            r#"{"ZipFile":"\ud800AAAA\udc00"}"#,
            r#"{"ZipFile":1"aGk="}"#,
            r#"{"ZipFile" "aGk="}"#,
            r#"{"ZipFile":nul"aGk="}"#,
            r#"{"ZipFile":"aGk=""aGk="}"#,
            r#"{"ZipFile":"aGk="]"#,
            r#"{"ZipFile":"*", "x"}"#,
            r#"{ZipFile:"aGk="}"#,
            "{'ZipFile':'aGk='}",
            "]{",
            "{,",
            r#"{"ZipFile":"aGk=","ZipFile":"aGk=",}"#,
        ] {
            let plain = serde_json::from_str::<Value>(text).unwrap_err().to_string();
            let reason = &plain[..plain.rfind(" at line ").unwrap()];
            assert_eq!(read(text), Err(format!("Malformed({reason:?})")), "{text}");
        }
        for text in [&b"{\"ZipFile\":\"aGk\xad=\"}"[..], b"{\"ZipFile\":\"\xe6\x97QUJD\"}"] {
            for step in [1, 3, usize::MAX] {
                let refused = read_by(text, step, EXACT, 1000).unwrap_err();
                assert_eq!(refused, "Malformed(\"invalid unicode code point\")");
            }
        }
        let deep = format!("{}\"ZipFile\"", "[".repeat(5000));
        assert!(read(&deep).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn not_base64_is_reported_when_the_json_is_well_formed() {
        for text in
            ["*", "aGk", "aGk=\\n", "\\ud83d\\ude00", "日本", "a\\\"", "\\u0000", "aGk=aGk="]
        {
            let text = format!(r#"{{"ZipFile":"{text}","after":"x"}}"#);
            let refused = read(&text).unwrap_err();
            assert_eq!(refused, "Refused(Catalog(BadArchive(NotBase64)))", "{text}");
        }
        let lenient = JsonOptions { leniency: Leniency::SpacesAndMissingPadding, ..EXACT };
        let spaced = read_with(r#"{"ZipFile":"aG\r\nVs bG8"}"#, lenient).unwrap();
        assert_eq!(spaced.1.unwrap(), b"hello");
    }

    #[test]
    fn long_code_and_its_limits() {
        let bytes = noise(700_000);
        let mut text = base64_simd::STANDARD.encode_to_string(&bytes);
        let body = |text: &str| format!(r#"{{"a":1,"ZipFile":"{text}","b":2}}"#);
        for step in [1000, 65_536, usize::MAX] {
            let (fields, code, ..) = read_by(body(&text).as_bytes(), step, EXACT, 100).unwrap();
            assert_eq!(fields, json!({"a":1,"ZipFile":null,"b":2}));
            assert!(code.as_ref() == Some(&bytes));
        }
        let escaped = text.replace('/', "\\/").replace('+', "\\u002b");
        assert!(read_by(body(&escaped).as_bytes(), 65_536, EXACT, 100).unwrap().1 == Some(bytes));

        text.replace_range(400_000..400_001, "*");
        let refused = read_by(body(&text).as_bytes(), 65_536, EXACT, 100).unwrap_err();
        assert!(refused.contains("NotBase64"), "{refused}");
        let fields = format!(r#"{{"a":"{}"}}"#, "x".repeat(2000));
        let refused = read_by(fields.as_bytes(), 100, EXACT, 1000).unwrap_err();
        assert!(refused.contains("what: BodySize, limit: 1000"), "{refused}");

        let incoming = Incoming::new();
        let limits = ArtifactLimits { size: 500_000, ..ArtifactLimits::default() };
        let staging = StagingWriter::new(incoming.folder(), limits);
        let body = body(&base64_simd::STANDARD.encode_to_string(noise(600_000)));
        let refused = read_json(body.as_bytes(), WANTED, EXACT, staging, 100);
        assert!(matches!(
            refused,
            Err(JsonError::Refused(RequestError::Catalog(CatalogError::LimitExceeded {
                what: Limit::CodeSize,
                ..
            })))
        ));
        assert_eq!(incoming.files(), 0);
    }

    /// Writes a random document; its strings are often wanted keys or base64.
    fn random_json(dice: &mut Dice, depth: u64, text: &mut String) {
        const TEXTS: &[&str] = &[
            "ZipFile",
            "Content",
            "a",
            "",
            "aGk=",
            "aG\\u006B=",
            "\\ud83d\\ude00",
            "\\\"",
            "\\\\",
            "日",
            "QUJD",
            "*",
            "Zip\\u0046ile",
            "{",
            "],\\t",
        ];
        let string = |dice: &mut Dice| TEXTS[dice.roll(TEXTS.len() as u64) as usize];
        let space = |dice: &mut Dice| ["", "", " ", "\n\t"][dice.roll(4) as usize];
        text.push_str(space(dice));
        match dice.roll(if depth > 4 { 6 } else { 12 }) {
            0 => text.push_str("null"),
            1 => write!(text, "{}.5e-3", dice.roll(1000)).unwrap(),
            2 => text.push_str("true"),
            3..6 => write!(text, "\"{}\"", string(dice)).unwrap(),
            6 => {
                text.push('[');
                for i in 0..dice.roll(4) {
                    text.push_str(if i > 0 { "," } else { "" });
                    random_json(dice, depth + 1, text);
                }
                text.push(']');
            }
            _ => {
                text.push('{');
                for i in 0..dice.roll(5) {
                    text.push_str(if i > 0 { "," } else { "" });
                    write!(text, "{}\"{}\"{}:", space(dice), string(dice), space(dice)).unwrap();
                    random_json(dice, depth + 1, text);
                }
                text.push('}');
            }
        }
        text.push_str(space(dice));
    }

    #[test]
    fn random_documents_agree_with_serde_json() {
        let (mut dice, mut with_code, mut broken, mut refused) = (Dice(42), 0, 0, 0);
        for _ in 0..8000 {
            let mut text = String::new();
            random_json(&mut dice, 0, &mut text);
            if dice.roll(4) == 0 {
                let at = (0..=text.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap();
                let cut = dice.roll(at as u64 + 1) as usize;
                if text.is_char_boundary(cut) {
                    match dice.roll(3) {
                        0 => text.truncate(cut),
                        1 => {
                            text.insert(cut, ['"', '\\', ',', '}', ':', '1'][dice.roll(6) as usize])
                        }
                        _ => text.insert_str(cut, "\"QUJD\""),
                    }
                }
            }
            let step = [1, 2, 3, 1000][dice.roll(4) as usize];
            let ours = read_by(text.as_bytes(), step, EXACT, 1 << 20);
            match (serde_json::from_str::<Value>(&text), ours) {
                (Err(plain), Err(ours)) => {
                    let plain = plain.to_string();
                    let reason = &plain[..plain.rfind(" at line ").unwrap()];
                    assert_eq!(ours, format!("Malformed({reason:?})"), "{text}");
                    broken += 1;
                }
                (Ok(plain), Ok((fields, code, found, _))) => {
                    let mut expected = plain;
                    let paths = ["/Content/ZipFile", "/ZipFile"];
                    let value = found.and_then(|at| expected.pointer_mut(paths[at]));
                    let encoded = value.map(|value| value.take().as_str().unwrap().to_owned());
                    let encoded =
                        encoded.map(|text| base64_simd::STANDARD.decode_to_vec(text).unwrap());
                    assert_eq!(code, encoded, "{text}");
                    assert_eq!(fields, expected, "{text}");
                    with_code += u32::from(code.is_some());
                }
                (Ok(_), Err(reason)) => {
                    let known = reason == "Refused(Catalog(BadArchive(NotBase64)))"
                        || reason.contains("field: Code");
                    assert!(known, "{text}: {reason}");
                    refused += 1;
                }
                (Err(error), Ok(_)) => panic!("{text}: serde_json says {error}"),
            }
        }
        assert!(with_code > 20 && broken > 200 && refused > 20, "{with_code} {broken} {refused}");
    }
}
