//! Copies inside the inbox: of an object, and of bytes of an object into a part.

use std::ops::Range;

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use s3s::{S3ErrorCode, dto};

use super::Endpoint;
use super::conditions::Conditions;
use super::multiparts::read_number;
use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::wire;
use crate::domain::InboxObject;

/// Reads the conditions on the source of CopyObject or UploadPartCopy.
macro_rules! conditions {
    ($input:ident) => {
        Conditions {
            fits: $input.copy_source_if_match,
            fits_not: $input.copy_source_if_none_match,
            modified: $input.copy_source_if_modified_since,
            unmodified: $input.copy_source_if_unmodified_since,
        }
    };
}

pub(super) async fn copy(
    endpoint: &Endpoint,
    input: dto::CopyObjectInput,
) -> Result<dto::CopyObjectOutput, ApiError> {
    if [IF_MATCH, IF_NONE_MATCH].iter().any(|name| endpoint.headers.contains_key(name)) {
        return Err(ApiError::conditional());
    }
    let from = wire::copy_source(&endpoint.headers)?;
    let to = wire::read_ref(input.bucket, input.key)?;
    let about = match input.metadata_directive.as_ref().map(dto::MetadataDirective::as_str) {
        None | Some("COPY") => None,
        Some("REPLACE") => Some(wire::read_info(input.content_type, input.metadata)),
        Some(_) => return Err(ApiError::invalid("Unknown metadata directive.")),
    };
    if from == to && about.is_none() {
        let message = "This copy request is illegal because it is trying to copy an object to \
                       itself without changing the object's metadata";
        return Err(ApiError::new(S3ErrorCode::InvalidRequest, message));
    }
    let conditions = conditions!(input);
    // Where the file system has no links, the bytes are copied.
    let _permit = endpoint.app.start_upload().await?;
    let caller = endpoint.caller.clone();
    let copy = endpoint.app.blocking(move |catalog| {
        let check = |source: &_| conditions.check_copy(source);
        catalog.copy_object::<ApiError>(&caller, &from, to, about, check)
    });
    let object = copy.await?;
    let result = dto::CopyObjectResult {
        e_tag: Some(wire::etag(&object.etag)),
        last_modified: Some(wire::moment(object.stored)),
        ..Default::default()
    };
    Ok(dto::CopyObjectOutput {
        copy_object_result: Some(result),
        expiration: wire::expiration(&object),
        ..Default::default()
    })
}

pub(super) async fn copy_part(
    endpoint: &Endpoint,
    input: dto::UploadPartCopyInput,
) -> Result<dto::UploadPartCopyOutput, ApiError> {
    let from = wire::copy_source(&endpoint.headers)?;
    let at = wire::read_ref(input.bucket, input.key)?;
    let number = read_number(input.part_number)?;
    let range = input.copy_source_range.as_deref().map(read_range).transpose()?;
    let (conditions, id) = (conditions!(input), input.upload_id);
    let _permit = endpoint.app.start_upload().await?;
    let caller = endpoint.caller.clone();
    let copy = endpoint.app.blocking(move |catalog| {
        let choose = |source: &InboxObject| {
            conditions.check_copy(source)?;
            let range = range.clone().unwrap_or(0..source.size);
            if range.end > source.size {
                let size = source.size;
                let message =
                    format!("Range specified is not valid for source object of size: {size}");
                return Err(ApiError::invalid(message));
            }
            Ok(range)
        };
        catalog.copy_part(&caller, &from, choose, &at, &id, number)
    });
    let part = copy.await?;
    let result = dto::CopyPartResult {
        e_tag: Some(wire::etag(&part.etag)),
        last_modified: Some(wire::moment(part.stored)),
        ..Default::default()
    };
    Ok(dto::UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() })
}

/// Reads `bytes=first-last`, the only form that S3 takes here.
fn read_range(text: &str) -> Result<Range<u64>, ApiError> {
    match dto::Range::parse(text) {
        Ok(dto::Range::Int { first, last: Some(last) }) => Ok(first..last + 1),
        _ => Err(ApiError::invalid(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
             and last are the zero-based offsets of the first and last bytes to copy",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_the_source_has_both_ends() {
        assert_eq!(read_range("bytes=0-0").unwrap(), 0..1);
        assert_eq!(read_range("bytes=5-9").unwrap(), 5..10);
        let last = i64::MAX.cast_unsigned();
        assert_eq!(read_range(&format!("bytes=0-{last}")).unwrap(), 0..last + 1);
        for bad in [
            "",
            "bytes=",
            "bytes=-5",
            "bytes=5-",
            "bytes=9-5",
            "bytes=0-1,3-4",
            "0-5",
            "bytes=a-b",
            "bytes=0-18446744073709551615",
        ] {
            assert!(read_range(bad).is_err(), "{bad}");
        }
    }
}
