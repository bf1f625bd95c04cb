//! `limit`, `after` and the log's `subject` ↔ the catalog's pages.

use super::errors::ApiError;
use crate::dialects::params::Params;
use crate::domain::{Subject, TenantId};

const LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 1000;

/// Reads `limit`: 1 to 1000, 100 when absent.
pub(super) fn limit(params: &Params) -> Result<u64, ApiError> {
    let Some(text) = params.get("limit") else { return Ok(LIMIT_DEFAULT) };
    let number = text.parse().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
    number.ok_or_else(|| {
        ApiError::invalid("limit", format!("must be 1 to {LIMIT_MAX}, this is '{text}'"))
    })
}

/// Reads a token of a list that is ordered by number.
pub(super) fn position(params: &Params) -> Result<Option<u64>, ApiError> {
    let Some(text) = params.get("after") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| bad_token())
}

/// Reads a token of the list of functions: group and name, joined by a slash, which no name
/// contains.
pub(super) fn group_and_name(params: &Params) -> Result<Option<(&str, &str)>, ApiError> {
    let Some(text) = params.get("after") else { return Ok(None) };
    text.split_once('/').map(Some).ok_or_else(bad_token)
}

/// Reads the subject that the lines of the log are about, if the request names one.
pub(super) fn subject(tenant: &TenantId, params: &Params) -> Result<Option<Subject>, ApiError> {
    let Some(text) = params.get("subject") else { return Ok(None) };
    let subject = Subject::parse(tenant, text).map(Some);
    subject.ok_or_else(|| ApiError::invalid("subject", format!("must be {}", Subject::FORMS)))
}

fn bad_token() -> ApiError {
    ApiError::invalid("after", "must be the `next` of the page before, unchanged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_functions_is_group_and_name_or_refused() {
        let read = |text| {
            group_and_name(&Params::parse(text))
                .map_err(|_| ())
                .map(|pair| pair.map(|(group, name)| (group.to_owned(), name.to_owned())))
        };
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("after=g%2Fname"), Ok(Some(("g".to_owned(), "name".to_owned()))));
        assert_eq!(read("after=garbage"), Err(()));
    }
}
