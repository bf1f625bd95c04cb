//! Objects: put, get, head, delete.

use std::io::SeekFrom;

use s3s::dto::*;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::Door;
use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::wire;
use crate::domain::{Caller, CatalogError, InboxObject, ObjectRef, Role};

/// Bytes read from a file at a time.
const CHUNK: usize = 64 << 10;

pub(super) async fn put(
    door: &Door,
    caller: Caller,
    input: PutObjectInput,
) -> Result<PutObjectOutput, ApiError> {
    caller.must_be(Role::Write)?;
    let is_part = input.write_offset_bytes.is_some();
    if input.if_match.is_some() || input.if_none_match.is_some() || is_part {
        return Err(ApiError::conditional());
    }
    let at = wire::read_ref(input.bucket, input.key)?;
    let about = wire::read_info(input.content_type, input.metadata);
    let file = door.take_file().await?;
    let object =
        door.app.blocking(move |catalog| catalog.put_object(&caller, at, about, file)).await?;
    Ok(PutObjectOutput {
        e_tag: Some(wire::etag(&object.etag)),
        expiration: wire::expiration(&object),
        ..Default::default()
    })
}

pub(super) async fn get(
    door: &Door,
    caller: Caller,
    input: GetObjectInput,
) -> Result<GetObjectOutput, ApiError> {
    check_version(input.version_id.as_deref())?;
    let at = wire::read_ref(input.bucket, input.key)?;
    let open = door.app.blocking(move |catalog| catalog.open_object(caller.tenant(), &at));
    let (object, file) = open.await?;
    check_part(&object, input.part_number)?;
    let conditions = Conditions {
        fits: input.if_match,
        fits_not: input.if_none_match,
        modified: input.if_modified_since,
        unmodified: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    let range = input.range.map(|range| range.check(object.size));
    let range = range.transpose().map_err(|_| ApiError::out_of_range())?;
    let content_range = range
        .as_ref()
        .map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, object.size));
    let (start, length) = match range {
        Some(range) => (range.start, range.end - range.start),
        None => (0, object.size),
    };
    let mut file = tokio::fs::File::from_std(file);
    if start > 0 {
        file.seek(SeekFrom::Start(start)).await.map_err(CatalogError::from)?;
    }
    let stream = ReaderStream::with_capacity(file.take(length), CHUNK);
    Ok(GetObjectOutput {
        body: Some(StreamingBlob::wrap(stream)),
        accept_ranges: Some("bytes".to_owned()),
        content_length: wire::number(length),
        content_range,
        content_type: Some(wire::media_type(&object)),
        e_tag: Some(wire::etag(&object.etag)),
        expiration: wire::expiration(&object),
        last_modified: Some(wire::moment(object.stored)),
        metadata: wire::metadata(&object),
        ..Default::default()
    })
}

pub(super) async fn head(
    door: &Door,
    caller: Caller,
    input: HeadObjectInput,
) -> Result<HeadObjectOutput, ApiError> {
    check_version(input.version_id.as_deref())?;
    let at = wire::read_ref(input.bucket, input.key)?;
    let object = door.app.read(|catalog| catalog.get_object(caller.tenant(), &at))?;
    check_part(&object, input.part_number)?;
    let conditions = Conditions {
        fits: input.if_match,
        fits_not: input.if_none_match,
        modified: input.if_modified_since,
        unmodified: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    Ok(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: wire::number(object.size),
        content_type: Some(wire::media_type(&object)),
        e_tag: Some(wire::etag(&object.etag)),
        expiration: wire::expiration(&object),
        last_modified: Some(wire::moment(object.stored)),
        metadata: wire::metadata(&object),
        ..Default::default()
    })
}

/// That it is gone is the outcome, whether or not it was there.
pub(super) async fn delete(
    door: &Door,
    caller: Caller,
    input: DeleteObjectInput,
) -> Result<DeleteObjectOutput, ApiError> {
    check_version(input.version_id.as_deref())?;
    let is_conditional = input.if_match.is_some()
        || input.if_match_last_modified_time.is_some()
        || input.if_match_size.is_some();
    if is_conditional {
        return Err(ApiError::conditional());
    }
    let at = wire::read_ref(input.bucket, input.key)?;
    door.app.blocking(move |catalog| catalog.delete_object(&caller, &at)).await?;
    Ok(DeleteObjectOutput::default())
}

pub(super) async fn delete_several(
    door: &Door,
    caller: Caller,
    input: DeleteObjectsInput,
) -> Result<DeleteObjectsOutput, ApiError> {
    caller.must_be(Role::Write)?;
    let (objects, is_quiet) = (input.delete.objects, input.delete.quiet == Some(true));
    if objects.is_empty() {
        return Err(ApiError::invalid("the body names no object to delete"));
    }
    let is_conditional = |object: &ObjectIdentifier| {
        object.e_tag.is_some() || object.last_modified_time.is_some() || object.size.is_some()
    };
    if objects.iter().any(is_conditional) {
        return Err(ApiError::conditional());
    }
    objects.iter().try_for_each(|object| check_version(object.version_id.as_deref()))?;
    let named: Vec<(String, Result<ObjectRef, _>)> = objects
        .into_iter()
        .map(|object| {
            let at = wire::read_ref(input.bucket.clone(), object.key.clone());
            (object.key, at)
        })
        .collect();
    let good = named.iter().filter_map(|(_, at)| at.as_ref().ok());
    let good: Vec<ObjectRef> = good.cloned().collect();
    door.app.blocking(move |catalog| catalog.delete_objects(&caller, &good)).await?;
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (key, outcome) in named {
        match outcome {
            Ok(_) => deleted.push(DeletedObject { key: Some(key), ..Default::default() }),
            Err(error) => {
                let error = ApiError::from(error).for_request(&door.request_id);
                errors.push(Error {
                    key: Some(key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                });
            }
        }
    }
    let deleted = Some(deleted).filter(|_| !is_quiet);
    Ok(DeleteObjectsOutput { deleted, errors: Some(errors), ..Default::default() })
}

/// Refuses to do with the one object what is asked of another version; `null` is the one that is
/// there without versions.
fn check_version(version: Option<&str>) -> Result<(), ApiError> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(ApiError::no_versions()),
    }
}

/// Refuses a part by its number, unless the object is that part.
fn check_part(object: &InboxObject, part: Option<i32>) -> Result<(), ApiError> {
    match part {
        None => Ok(()),
        Some(1) if object.parts == 1 => Ok(()),
        Some(_) => Err(ApiError::no_parts()),
    }
}

/// On which condition an object is wanted (RFC 9110 section 13).
struct Conditions {
    fits: Option<ETagCondition>,
    fits_not: Option<ETagCondition>,
    modified: Option<Timestamp>,
    unmodified: Option<Timestamp>,
}

impl Conditions {
    fn check(&self, object: &InboxObject) -> Result<(), ApiError> {
        let is = |condition: &ETagCondition| match condition.as_etag() {
            Some(etag) => etag.value() == object.etag,
            None => true,
        };
        // Headers have whole seconds.
        let stored = object.stored.as_second();
        let second = |time: &Timestamp| wire::second(time);
        let later = |time: &Timestamp| stored > second(time);
        let is_unwanted = match (&self.fits, &self.unmodified) {
            (Some(fits), _) => !is(fits),
            (None, Some(unmodified)) => later(unmodified),
            (None, None) => false,
        };
        if is_unwanted {
            return Err(ApiError::precondition_failed());
        }
        let is_known = match (&self.fits_not, &self.modified) {
            (Some(fits_not), _) => is(fits_not),
            (None, Some(modified)) => !later(modified),
            (None, None) => false,
        };
        if is_known { Err(ApiError::not_modified(&object.etag)) } else { Ok(()) }
    }
}
