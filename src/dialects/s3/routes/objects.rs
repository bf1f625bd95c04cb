//! Objects: put, get, head, delete.

use std::ops::Range;

use axum::http::StatusCode;
use s3s::{S3ErrorCode, dto};

use super::Endpoint;
use super::conditions::Conditions;
use super::multiparts::read_number;
use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::wire;
use crate::domain::{InboxObject, ObjectPart};

/// Reads the object that GetObject or HeadObject asks for, the part of it, and the conditions.
macro_rules! wanted {
    ($input:ident) => {{
        wire::check_version($input.version_id.as_deref())?;
        if $input.part_number.is_some() && $input.range.is_some() {
            let message = "Cannot specify both Range header and partNumber query parameter";
            return Err(ApiError::new(S3ErrorCode::InvalidRequest, message));
        }
        let wanted = Wanted {
            part: $input.part_number.map(read_number).transpose()?,
            range: $input.range,
            conditions: Conditions {
                fits: $input.if_match,
                fits_not: $input.if_none_match,
                modified: $input.if_modified_since,
                unmodified: $input.if_unmodified_since,
            },
        };
        (wanted, wire::read_ref($input.bucket, $input.key)?)
    }};
}

/// Describes an object in the output of GetObject or HeadObject, and the bytes of it that follow.
macro_rules! described {
    ($output:ident, $object:ident, $chosen:ident) => {
        dto::$output {
            accept_ranges: Some("bytes".to_owned()),
            content_length: wire::number($chosen.range.end - $chosen.range.start),
            content_range: $chosen.content_range($object.size),
            parts_count: $chosen.parts_count.and_then(wire::number),
            content_type: Some(wire::media_type(&$object)),
            e_tag: Some(wire::etag(&$object.etag)),
            expiration: wire::expiration(&$object),
            last_modified: Some(wire::moment($object.stored)),
            metadata: wire::metadata(&$object),
            ..Default::default()
        }
    };
}

pub(super) async fn put(
    endpoint: &Endpoint,
    input: dto::PutObjectInput,
) -> Result<dto::PutObjectOutput, ApiError> {
    let is_part = input.write_offset_bytes.is_some();
    if input.if_match.is_some() || input.if_none_match.is_some() || is_part {
        return Err(ApiError::conditional());
    }
    let at = wire::read_ref(input.bucket, input.key)?;
    let about = wire::read_info(input.content_type, input.metadata);
    let file = endpoint.take_file().await?;
    let put = endpoint.blocking(move |catalog, by| catalog.put_object(by, at, about, file));
    let object = put.await?;
    Ok(dto::PutObjectOutput {
        e_tag: Some(wire::etag(&object.etag)),
        expiration: wire::expiration(&object),
        ..Default::default()
    })
}

pub(super) async fn get(
    endpoint: &Endpoint,
    input: dto::GetObjectInput,
) -> Result<dto::GetObjectOutput, ApiError> {
    let (wanted, at) = wanted!(input);
    let number = wanted.part;
    let open = endpoint.blocking(move |catalog, by| match number {
        None => {
            let (object, content) = catalog.open_object(by.tenant(), &at)?;
            Ok((object, None, content))
        }
        Some(number) => catalog.open_object_part(by.tenant(), &at, number),
    });
    let (object, part, content) = open.await?;
    wanted.conditions.check_read(&object)?;
    let chosen = wanted.choose(&object, part)?;
    let stream = endpoint.app.stream(content, chosen.range.clone()).await?;
    let body = Some(dto::StreamingBlob::wrap(stream));
    Ok(dto::GetObjectOutput { body, ..described!(GetObjectOutput, object, chosen) })
}

pub(super) async fn head(
    endpoint: &Endpoint,
    input: dto::HeadObjectInput,
) -> Result<dto::HeadObjectOutput, ApiError> {
    let (wanted, at) = wanted!(input);
    let tenant = endpoint.caller.tenant();
    let read = endpoint.app.read(|catalog| match wanted.part {
        None => Ok((catalog.get_object(tenant, &at)?, None)),
        Some(number) => catalog.get_object_part(tenant, &at, number),
    });
    let (object, part) = read.await?;
    wanted.conditions.check_read(&object)?;
    let chosen = wanted.choose(&object, part)?;
    Ok(described!(HeadObjectOutput, object, chosen))
}

/// Answers as for an object without tags.
pub(super) async fn tagging(
    endpoint: &Endpoint,
    input: dto::GetObjectTaggingInput,
) -> Result<dto::GetObjectTaggingOutput, ApiError> {
    wire::check_version(input.version_id.as_deref())?;
    let at = wire::read_ref(input.bucket, input.key)?;
    endpoint.app.read(|catalog| catalog.get_object(endpoint.caller.tenant(), &at)).await?;
    Ok(dto::GetObjectTaggingOutput { tag_set: Vec::new(), version_id: None })
}

/// Deletes an object; the answer is the same when there is none.
pub(super) async fn delete(
    endpoint: &Endpoint,
    input: dto::DeleteObjectInput,
) -> Result<dto::DeleteObjectOutput, ApiError> {
    wire::check_version(input.version_id.as_deref())?;
    let is_conditional = input.if_match.is_some()
        || input.if_match_last_modified_time.is_some()
        || input.if_match_size.is_some();
    if is_conditional {
        return Err(ApiError::conditional());
    }
    let at = wire::read_ref(input.bucket, input.key)?;
    endpoint.blocking(move |catalog, by| catalog.delete_object(by, &at)).await?;
    Ok(dto::DeleteObjectOutput::default())
}

pub(super) async fn delete_several(
    endpoint: &Endpoint,
    input: dto::DeleteObjectsInput,
) -> Result<dto::DeleteObjectsOutput, ApiError> {
    let (objects, is_quiet) = (input.delete.objects, input.delete.quiet == Some(true));
    if objects.is_empty() {
        return Err(ApiError::invalid("the body names no object to delete"));
    }
    let is_conditional = |object: &dto::ObjectIdentifier| {
        object.e_tag.is_some() || object.last_modified_time.is_some() || object.size.is_some()
    };
    if objects.iter().any(is_conditional) {
        return Err(ApiError::conditional());
    }
    objects.iter().try_for_each(|object| wire::check_version(object.version_id.as_deref()))?;
    let (mut good, mut deleted, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for dto::ObjectIdentifier { key, .. } in objects {
        match wire::read_ref(input.bucket.clone(), key.clone()) {
            Ok(at) => {
                good.push(at);
                deleted.push(dto::DeletedObject { key: Some(key), ..Default::default() });
            }
            Err(error) => {
                let error = ApiError::from(error).for_request(&endpoint.request_id);
                errors.push(dto::Error {
                    key: Some(key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                });
            }
        }
    }
    endpoint.blocking(move |catalog, by| catalog.delete_objects(by, &good)).await?;
    let deleted = Some(deleted).filter(|_| !is_quiet);
    Ok(dto::DeleteObjectsOutput { deleted, errors: Some(errors), ..Default::default() })
}

/// The bytes of an object that are asked for, by the number of a part or by a range, and the
/// conditions.
struct Wanted {
    part: Option<u16>,
    range: Option<dto::Range>,
    conditions: Conditions,
}

/// The bytes of an object that an answer has.
struct Chosen {
    range: Range<u64>,
    /// Whether they were asked for as a part or by a range, even if they are all.
    is_partial: bool,
    /// Number of the object's parts, when one of them was asked for.
    parts_count: Option<u64>,
}

impl Chosen {
    /// Returns the header `Content-Range`, which no empty range has.
    fn content_range(&self, size: u64) -> Option<String> {
        let Range { start, end } = self.range;
        let last = end.checked_sub(1).filter(|last| self.is_partial && start <= *last)?;
        Some(format!("bytes {start}-{last}/{size}"))
    }
}

impl Wanted {
    /// Chooses the bytes of an object: `part` is the part with the number that is asked for.
    fn choose(&self, object: &InboxObject, part: Option<ObjectPart>) -> Result<Chosen, ApiError> {
        match (part, self.part, &self.range) {
            (Some(ObjectPart { range, count }), _, _) => {
                Ok(Chosen { range, is_partial: true, parts_count: count })
            }
            (None, Some(number), _) => {
                let message = format!("the object has no part {number}");
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                Err(ApiError::with_status("InvalidPartNumber", status, message))
            }
            (None, None, Some(range)) => {
                let message = "the requested range is not satisfiable";
                let unsatisfiable = |_| ApiError::new(S3ErrorCode::InvalidRange, message);
                let range = range.check(object.size).map_err(unsatisfiable)?;
                Ok(Chosen { range, is_partial: true, parts_count: None })
            }
            (None, None, None) => {
                Ok(Chosen { range: 0..object.size, is_partial: false, parts_count: None })
            }
        }
    }
}
