//! Multipart uploads: objects that come in parts.

use s3s::dto;

use super::Endpoint;
use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::paging::page_limit;
use crate::dialects::s3::wire;
use crate::domain;

/// What a refusal calls the number of lines that a client asks for.
const LINES: &str = "a number of lines";

pub(super) async fn create(
    endpoint: &Endpoint,
    input: dto::CreateMultipartUploadInput,
) -> Result<dto::CreateMultipartUploadOutput, ApiError> {
    let at = wire::read_ref(input.bucket.clone(), input.key.clone())?;
    let about = wire::read_info(input.content_type, input.metadata);
    let start = endpoint.blocking(move |catalog, by| catalog.start_multipart(by, at, about));
    Ok(dto::CreateMultipartUploadOutput {
        upload_id: Some(start.await?),
        bucket: Some(input.bucket),
        key: Some(input.key),
        ..Default::default()
    })
}

pub(super) async fn upload(
    endpoint: &Endpoint,
    input: dto::UploadPartInput,
) -> Result<dto::UploadPartOutput, ApiError> {
    let at = wire::read_ref(input.bucket, input.key)?;
    let number = read_number(input.part_number)?;
    let file = endpoint.take_file().await?;
    let id = input.upload_id;
    let put = endpoint.blocking(move |catalog, by| catalog.put_part(by, &at, &id, number, file));
    let part = put.await?;
    Ok(dto::UploadPartOutput { e_tag: Some(wire::etag(&part.etag)), ..Default::default() })
}

pub(super) async fn list_parts(
    endpoint: &Endpoint,
    input: dto::ListPartsInput,
) -> Result<dto::ListPartsOutput, ApiError> {
    let at = wire::read_ref(input.bucket.clone(), input.key.clone())?;
    let after = input.part_number_marker.unwrap_or_default();
    let bad = || ApiError::invalid("part-number-marker must be 0 to 10000");
    let behind = u16::try_from(after).map_err(|_| bad())?;
    let limit = page_limit(input.max_parts, LINES)?;
    let id = input.upload_id.clone();
    let list = endpoint
        .blocking(move |catalog, by| catalog.list_parts(by.tenant(), &at, &id, behind, limit));
    let page = list.await?;
    let parts = page.items.iter().map(|part| dto::Part {
        part_number: Some(part.number.into()),
        e_tag: Some(wire::etag(&part.etag)),
        size: wire::number(part.size),
        last_modified: Some(wire::moment(part.stored)),
        ..Default::default()
    });
    let last = page.items.last().filter(|_| page.more);
    Ok(dto::ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after),
        next_part_number_marker: last.map(|last| last.number.into()),
        max_parts: wire::number(limit),
        is_truncated: Some(page.more),
        parts: Some(parts.collect()),
        ..Default::default()
    })
}

pub(super) async fn list(
    endpoint: &Endpoint,
    input: dto::ListMultipartUploadsInput,
) -> Result<dto::ListMultipartUploadsOutput, ApiError> {
    // Clients list folders of objects, not of unfinished uploads.
    if input.delimiter.is_some_and(|delimiter| !delimiter.is_empty()) {
        let message = "a delimiter is not implemented for unfinished uploads";
        return Err(ApiError::not_implemented(message));
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
        limit: page_limit(input.max_uploads, LINES)?,
    };
    let limit = range.limit;
    let list =
        endpoint.blocking(move |catalog, by| catalog.list_multiparts(by.tenant(), &bucket, range));
    let found = list.await?;
    let encoding = input.encoding_type.as_ref();
    let uploads = found.items.iter().map(|upload| dto::MultipartUpload {
        key: Some(wire::encoded(upload.at.key.as_str(), encoding)),
        upload_id: Some(upload.id.clone()),
        initiated: Some(wire::moment(upload.started)),
        ..Default::default()
    });
    let last = found.items.last().filter(|_| found.more);
    Ok(dto::ListMultipartUploadsOutput {
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
    endpoint: &Endpoint,
    input: dto::CompleteMultipartUploadInput,
) -> Result<dto::CompleteMultipartUploadOutput, ApiError> {
    if input.if_match.is_some() || input.if_none_match.is_some() {
        return Err(ApiError::conditional());
    }
    let at = wire::read_ref(input.bucket.clone(), input.key.clone())?;
    let stated = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let part = |part: dto::CompletedPart| {
        let number = read_number(part.part_number.unwrap_or_default())?;
        let etag = part.e_tag.ok_or_else(|| ApiError::invalid("each part needs its ETag"))?;
        Ok((number, etag.value().to_owned()))
    };
    let parts = stated.into_iter().map(part).collect::<Result<Vec<_>, ApiError>>()?;
    if parts.is_empty() {
        return Err(ApiError::invalid("the upload needs at least one part"));
    }
    let (id, limit) = (input.upload_id, endpoint.object_max());
    // All parts are copied.
    let _permit = endpoint.app.start_upload().await?;
    let complete = endpoint
        .blocking(move |catalog, by| catalog.complete_multipart(by, &at, &id, parts, limit));
    let object = complete.await?;
    Ok(dto::CompleteMultipartUploadOutput {
        location: Some(format!("/{}", object.at)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(wire::etag(&object.etag)),
        expiration: wire::expiration(&object),
        ..Default::default()
    })
}

pub(super) async fn abort(
    endpoint: &Endpoint,
    input: dto::AbortMultipartUploadInput,
) -> Result<dto::AbortMultipartUploadOutput, ApiError> {
    let at = wire::read_ref(input.bucket, input.key)?;
    let id = input.upload_id;
    endpoint.blocking(move |catalog, by| catalog.abort_multipart(by, &at, &id)).await?;
    Ok(dto::AbortMultipartUploadOutput::default())
}

/// Reads the number of a part.
pub(super) fn read_number(number: i32) -> Result<u16, ApiError> {
    // A number that does not fit becomes 0, which is refused.
    let number = u16::try_from(number).unwrap_or_default();
    domain::Part::check_number(number)?;
    Ok(number)
}
