//! Multipart bodies: an input is read as a body, and as the content of a part.
//!
//! The first line of an input is the declared size. The boundary is `XX`, the part is `file`.

use layerbase::domain::{ArchiveProblem, CatalogError};
use layerbase::ingest::multipart::read_multipart;

use super::uploads::{INPUT_MAX, Pieces, bytes, writer};

/// The sizes of pieces in which an input is read.
const STEPS: [usize; 3] = [usize::MAX, 13, 40];

const DELIMITER: &[u8] = b"\r\n--XX";

/// Checks a size and a body.
pub fn check(data: &[u8]) {
    if data.len() > INPUT_MAX {
        return;
    }
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let declared = std::str::from_utf8(&data[..line]).ok().and_then(|text| text.parse().ok());
    check_body(&data[(line + 1).min(data.len())..], declared.unwrap_or(5));
    check_content(data);
}

/// The part's bytes are those between its head and the next delimiter, up to the declared size.
fn check_body(body: &[u8], declared: u64) {
    let outcome = read_alike(body, declared);
    let framed = [b"\r\n", body].concat();
    match outcome {
        Ok(part) => {
            assert_eq!(part.len() as u64, declared);
            let starts = find_all(&framed, b"\r\n\r\n").into_iter().map(|at| at + 4);
            let mut starts = starts.filter(|at| framed[*at..].starts_with(&part));
            assert!(starts.next().is_some(), "the bytes follow no head");
            assert!(find_all(&part, DELIMITER).is_empty(), "the part is two");
            assert!(!find_all(&framed, DELIMITER).is_empty(), "there is no delimiter");
        }
        Err(CatalogError::BadArchive(ArchiveProblem::Missing | ArchiveProblem::Incomplete(_))) => {}
        Err(other) => panic!("{other:?}"),
    }
}

/// Whatever a part contains but the delimiter, all of it comes out.
fn check_content(content: &[u8]) {
    // A content that begins with the delimiter's end would be one with the break before it.
    if !find_all(&[b"\r\n", content, b"\r\n--X"].concat(), DELIMITER).is_empty() {
        return;
    }
    let head = b"--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let body = [head, content, b"\r\n--XX--\r\n"].concat();
    let size = content.len() as u64;
    assert_eq!(read_alike(&body, size).expect("a part"), content);
    let refused = read_alike(&body, size + 1).expect_err("one byte more is declared");
    assert!(matches!(refused, CatalogError::BadArchive(ArchiveProblem::Incomplete(_))));
}

/// Reads in pieces of several sizes; the outcomes must be the same.
fn read_alike(body: &[u8], declared: u64) -> Result<Vec<u8>, CatalogError> {
    let read = |step| {
        let staging = read_multipart(Pieces(body, step), "XX", "file", declared, writer());
        staging.map(bytes)
    };
    let outcomes = STEPS.map(read);
    let spelled = outcomes.each_ref().map(|outcome| format!("{outcome:?}"));
    assert!(spelled.iter().all(|other| *other == spelled[0]), "in other pieces: {spelled:?}");
    let [first, ..] = outcomes;
    first
}

fn find_all(text: &[u8], wanted: &[u8]) -> Vec<usize> {
    let places = text.windows(wanted.len()).enumerate();
    places.filter(|(_, piece)| *piece == wanted).map(|(at, _)| at).collect()
}
