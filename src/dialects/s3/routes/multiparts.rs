//! Objects that come in parts.

use s3s::dto::*;

use super::Door;
use crate::catalog::Catalog;
use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::wire;
use crate::domain::{self, Caller, Role};

/// Lines of one page.
const PAGE_MAX: u64 = 1000;

pub(super) async fn create(
    door: &Door,
    caller: Caller,
    input: CreateMultipartUploadInput,
) -> Result<CreateMultipartUploadOutput, ApiError> {
    let at = wire::read_ref(input.bucket.clone(), input.key.clone())?;
    let about = wire::read_info(input.content_type, input.metadata);
    let start = door.app.blocking(move |catalog| catalog.start_multipart(&caller, at, about));
    Ok(CreateMultipartUploadOutput {
        upload_id: Some(start.await?),
        bucket: Some(input.bucket),
        key: Some(input.key),
        ..Default::default()
    })
}

pub(super) async fn upload(
    door: &Door,
    caller: Caller,
    input: UploadPartInput,
) -> Result<UploadPartOutput, ApiError> {
    caller.must_be(Role::Write)?;
    let at = wire::read_ref(input.bucket, input.key)?;
    let number = read_number(input.part_number)?;
    let file = door.take_file().await?;
    let upload = input.upload_id;
    let put = move |catalog: &Catalog| catalog.put_part(&caller, &at, &upload, number, file);
    let part = door.app.blocking(put).await?;
    Ok(UploadPartOutput { e_tag: Some(wire::etag(&part.etag)), ..Default::default() })
}

pub(super) async fn list_parts(
    door: &Door,
    caller: Caller,
    input: ListPartsInput,
) -> Result<ListPartsOutput, ApiError> {
    let at = wire::read_ref(input.bucket.clone(), input.key.clone())?;
    let after = input.part_number_marker.unwrap_or_default();
    let bad = || ApiError::invalid("part-number-marker must be 0 to 10000");
    let behind = u16::try_from(after).map_err(|_| bad())?;
    let limit = limit(input.max_parts)?;
    let upload = input.upload_id.clone();
    let list =
        move |catalog: &Catalog| catalog.list_parts(caller.tenant(), &at, &upload, behind, limit);
    let page = door.app.blocking(list).await?;
    let parts = page.items.iter().map(|part| Part {
        part_number: Some(part.number.into()),
        e_tag: Some(wire::etag(&part.etag)),
        size: wire::number(part.size),
        last_modified: Some(wire::moment(part.stored)),
        ..Default::default()
    });
    let is_truncated = page.more;
    let last = page.items.last().map(|part| part.number.into());
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after),
        next_part_number_marker: last.filter(|_| is_truncated),
        max_parts: wire::number(limit),
        is_truncated: Some(is_truncated),
        parts: Some(parts.collect()),
        ..Default::default()
    })
}

pub(super) async fn list(
    door: &Door,
    caller: Caller,
    input: ListMultipartUploadsInput,
) -> Result<ListMultipartUploadsOutput, ApiError> {
    // Who lists folders lists objects.
    if input.delimiter.is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(ApiError::no_delimiter());
    }
    let bucket = wire::read_bucket(input.bucket.clone())?;
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let range = domain::MultipartRange {
        prefix: input.prefix.clone().unwrap_or_default(),
        from: match (some(&input.key_marker), some(&input.upload_id_marker)) {
            (Some(key), Some(id)) => domain::MultipartFrom::After(key, id),
            (Some(key), None) => domain::MultipartFrom::AfterKey(key),
            (None, _) => domain::MultipartFrom::Start,
        },
        limit: limit(input.max_uploads)?,
    };
    let limit = range.limit;
    let list = move |catalog: &Catalog| catalog.list_multiparts(caller.tenant(), &bucket, range);
    let found = door.app.blocking(list).await?;
    let encoding = input.encoding_type.as_ref();
    let uploads = found.items.iter().map(|upload| MultipartUpload {
        key: Some(wire::encoded(upload.at.key.as_str(), encoding)),
        upload_id: Some(upload.id.clone()),
        initiated: Some(wire::moment(upload.started)),
        ..Default::default()
    });
    let last = found.items.last().filter(|_| found.more);
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: input.prefix.map(|prefix| wire::encoded(&prefix, encoding)),
        key_marker: input.key_marker.map(|marker| wire::encoded(&marker, encoding)),
        upload_id_marker: input.upload_id_marker,
        next_key_marker: last.map(|last| wire::encoded(last.at.key.as_str(), encoding)),
        next_upload_id_marker: last.map(|last| last.id.clone()),
        max_uploads: wire::number(limit),
        is_truncated: Some(found.more),
        uploads: Some(uploads.collect()),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

pub(super) async fn complete(
    door: &Door,
    caller: Caller,
    input: CompleteMultipartUploadInput,
) -> Result<CompleteMultipartUploadOutput, ApiError> {
    caller.must_be(Role::Write)?;
    if input.if_match.is_some() || input.if_none_match.is_some() {
        return Err(ApiError::conditional());
    }
    let at = wire::read_ref(input.bucket.clone(), input.key.clone())?;
    let stated = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let part = |part: CompletedPart| {
        let number = read_number(part.part_number.unwrap_or_default())?;
        let etag = part.e_tag.ok_or_else(|| ApiError::invalid("each part needs its ETag"))?;
        Ok((number, etag.value().to_owned()))
    };
    let parts = stated.into_iter().map(part).collect::<Result<Vec<_>, ApiError>>()?;
    if parts.is_empty() {
        return Err(ApiError::invalid("the upload needs at least one part"));
    }
    let (upload, limit) = (input.upload_id, door.object_max());
    let complete =
        move |catalog: &Catalog| catalog.complete_multipart(&caller, &at, &upload, parts, limit);
    // All parts are copied.
    let _place = door.app.start_upload().await?;
    let object = door.app.blocking(complete).await?;
    Ok(CompleteMultipartUploadOutput {
        location: Some(format!("/{}", object.at)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(wire::etag(&object.etag)),
        expiration: wire::expiration(&object),
        ..Default::default()
    })
}

pub(super) async fn abort(
    door: &Door,
    caller: Caller,
    input: AbortMultipartUploadInput,
) -> Result<AbortMultipartUploadOutput, ApiError> {
    let at = wire::read_ref(input.bucket, input.key)?;
    let upload = input.upload_id;
    door.app.blocking(move |catalog| catalog.abort_multipart(&caller, &at, &upload)).await?;
    Ok(AbortMultipartUploadOutput::default())
}

fn read_number(number: i32) -> Result<u16, ApiError> {
    // What does not fit is as wrong as 0.
    let number = u16::try_from(number).unwrap_or_default();
    domain::Part::check_number(number)?;
    Ok(number)
}

fn limit(lines: Option<i32>) -> Result<u64, ApiError> {
    let lines = lines.map_or(Ok(PAGE_MAX), u64::try_from);
    let lines = lines.map_err(|_| ApiError::invalid("a number of lines must not be below zero"))?;
    Ok(lines.min(PAGE_MAX))
}
