//! `Offset` and `Limit` ↔ the catalog's windows (tencent.md section 6).

use super::errors::ApiError;
use super::wire::Input;
use crate::domain::Window;

const LIMIT_DEFAULT: u64 = 20;
const LIMIT_MAX: u64 = 1000;

/// Reads a page: an absent or zero `Limit` is 20, one above 1000 is 1000.
pub(super) fn window(input: &Input) -> Result<Window, ApiError> {
    let read = |name: &str, code| {
        let number = input.integer(name)?.unwrap_or(0);
        u64::try_from(number).map_err(|_| ApiError::bad_value(code, name, &number.to_string()))
    };
    let offset = read("Offset", "InvalidParameterValue.Offset")?;
    let limit = match read("Limit", "InvalidParameterValue.Limit")? {
        0 => LIMIT_DEFAULT,
        limit => limit.min(LIMIT_MAX),
    };
    Ok(Window { offset, limit })
}
