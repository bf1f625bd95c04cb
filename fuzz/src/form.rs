//! Forms: `ingest::form` must read the pairs that form_urlencoded reads, whatever the sizes of the
//! pieces.

use base64_simd::STANDARD;
use layerbase::domain::{ArchiveProblem, CatalogError, Field, RequestError};
use layerbase::ingest::Leniency;
use layerbase::ingest::form::read_form;

use super::uploads::{FIELDS_MAX, INPUT_MAX, Pieces, STEPS, bytes, writer};

const WANTED: [&str; 2] = ["Content.ZipFile", "ZipFile"];

/// The pairs, the code and its key, or the refusal.
type Outcome = Result<(Vec<(String, String)>, Option<Vec<u8>>, Option<usize>), RequestError>;

/// Checks a body.
pub fn check(data: &[u8]) {
    if data.len() > INPUT_MAX {
        return;
    }
    let spelled = STEPS.map(|step| {
        let outcome = read(data, step);
        compare(data, &outcome);
        format!("{outcome:?}")
    });
    assert!(spelled.iter().all(|other| *other == spelled[0]), "in other pieces: {spelled:?}");
}

fn read(data: &[u8], step: usize) -> Outcome {
    let reader = Pieces(data, step);
    let form = read_form(reader, &WANTED, Leniency::Strict, writer(), FIELDS_MAX)?;
    Ok((form.pairs, form.staging.map(bytes), form.found))
}

fn compare(data: &[u8], outcome: &Outcome) {
    let is_wanted = |key: &str| WANTED.contains(&key);
    let plain: Vec<(String, String)> = form_urlencoded::parse(data).into_owned().collect();
    let codes: Vec<&str> =
        plain.iter().filter(|(key, _)| is_wanted(key)).map(|(_, value)| value.as_str()).collect();
    match outcome {
        Ok((pairs, code, found)) => {
            let short = plain.iter().map(|(key, value)| {
                let value = if is_wanted(key) { "" } else { value };
                (key.clone(), value.to_owned())
            });
            assert_eq!(*pairs, short.collect::<Vec<_>>());
            let filled: Vec<&str> = codes.into_iter().filter(|text| !text.is_empty()).collect();
            let reference = filled.first().map(|text| STANDARD.decode_to_vec(text));
            let reference = reference.transpose().expect("it is base64");
            assert_eq!((filled.len() < 2, code), (true, &reference));
            let key = found.map(|at| WANTED[at]);
            let reference = plain.iter().find(|(key, value)| is_wanted(key) && !value.is_empty());
            assert_eq!(key, reference.map(|(key, _)| key.as_str()));
        }
        Err(RequestError::Catalog(CatalogError::BadArchive(ArchiveProblem::NotBase64))) => {
            let is_base64 = |text: &&str| STANDARD.decode_to_vec(text).is_ok();
            assert!(!codes.iter().all(is_base64), "it is base64: {codes:?}");
        }
        Err(RequestError::Catalog(CatalogError::InvalidValue { field: Field::Code, .. })) => {
            assert!(codes.len() > 1, "one code: {codes:?}");
        }
        Err(RequestError::Catalog(CatalogError::InvalidValue { field: Field::Form, .. })) => {
            assert!(plain.len() > 4096, "{} pairs", plain.len());
        }
        Err(other) => panic!("{other:?}"),
    }
}
