//! Buckets and the listings of their objects. Every bucket exists, and is listed while it has
//! objects.

use s3s::{S3ErrorCode, dto};

use super::Endpoint;
use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::paging::{Listing, page_limit};
use crate::dialects::s3::wire::{self, THE_VERSION};

pub(super) async fn list(
    endpoint: &Endpoint,
    _input: dto::ListBucketsInput,
) -> Result<dto::ListBucketsOutput, ApiError> {
    let owner = endpoint.caller.tenant().to_string();
    let list = endpoint.blocking(|catalog, by| catalog.list_buckets(by.tenant()));
    let buckets = list.await?.into_iter().map(|(name, since)| dto::Bucket {
        name: Some(name.to_string()),
        creation_date: Some(wire::moment(since)),
        ..Default::default()
    });
    Ok(dto::ListBucketsOutput {
        buckets: Some(buckets.collect()),
        owner: Some(dto::Owner { id: Some(owner), display_name: None }),
        ..Default::default()
    })
}

pub(super) async fn create(
    _endpoint: &Endpoint,
    input: dto::CreateBucketInput,
) -> Result<dto::CreateBucketOutput, ApiError> {
    let name = wire::read_bucket(input.bucket)?;
    Ok(dto::CreateBucketOutput { location: Some(format!("/{name}")) })
}

pub(super) async fn head(
    endpoint: &Endpoint,
    input: dto::HeadBucketInput,
) -> Result<dto::HeadBucketOutput, ApiError> {
    wire::read_bucket(input.bucket)?;
    let bucket_region = Some(endpoint.app.config().region.clone());
    Ok(dto::HeadBucketOutput { bucket_region, ..Default::default() })
}

/// Deletes nothing, and refuses a bucket with objects: the client takes it for empty.
pub(super) async fn delete(
    endpoint: &Endpoint,
    input: dto::DeleteBucketInput,
) -> Result<dto::DeleteBucketOutput, ApiError> {
    let name = wire::read_bucket(input.bucket)?;
    if endpoint.app.read(|catalog| catalog.has_bucket(endpoint.caller.tenant(), &name)).await? {
        let message = format!("the bucket {name} has objects");
        return Err(ApiError::new(S3ErrorCode::BucketNotEmpty, message));
    }
    Ok(dto::DeleteBucketOutput {})
}

pub(super) async fn location(
    endpoint: &Endpoint,
    input: dto::GetBucketLocationInput,
) -> Result<dto::GetBucketLocationOutput, ApiError> {
    wire::read_bucket(input.bucket)?;
    let region = endpoint.app.config().region.clone().into();
    Ok(dto::GetBucketLocationOutput { location_constraint: Some(region) })
}

/// Answers as for a bucket that never had versions.
pub(super) async fn versioning(
    _endpoint: &Endpoint,
    input: dto::GetBucketVersioningInput,
) -> Result<dto::GetBucketVersioningOutput, ApiError> {
    wire::read_bucket(input.bucket)?;
    Ok(dto::GetBucketVersioningOutput::default())
}

/// Lists objects; a page of this kind begins behind a key.
pub(super) async fn list_objects(
    endpoint: &Endpoint,
    input: dto::ListObjectsInput,
) -> Result<dto::ListObjectsOutput, ApiError> {
    let (page, next) = read(endpoint, input.into()).await?;
    Ok(dto::ListObjectsOutput {
        name: page.name,
        prefix: page.prefix,
        marker: Some(page.start_after.unwrap_or_default()),
        max_keys: page.max_keys,
        is_truncated: page.is_truncated,
        next_marker: next.map(|next| wire::encoded(&next, page.encoding_type.as_ref())),
        delimiter: page.delimiter,
        contents: page.contents,
        common_prefixes: page.common_prefixes,
        encoding_type: page.encoding_type,
        ..Default::default()
    })
}

/// Lists objects; a page of this kind begins behind a token.
pub(super) async fn list_objects_v2(
    endpoint: &Endpoint,
    input: dto::ListObjectsV2Input,
) -> Result<dto::ListObjectsV2Output, ApiError> {
    Ok(read(endpoint, input).await?.0)
}

/// Lists objects, each with its only version; a page of this kind begins behind a key.
pub(super) async fn list_versions(
    endpoint: &Endpoint,
    input: dto::ListObjectVersionsInput,
) -> Result<dto::ListObjectVersionsOutput, ApiError> {
    let (marker, version) = (&input.key_marker, &input.version_id_marker);
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match some(version) {
        Some(_) if some(marker).is_none() => {
            return Err(ApiError::invalid("version-id-marker needs a key-marker"));
        }
        Some(version) if version != THE_VERSION => {
            let rule = format!("version-id-marker must be '{THE_VERSION}', this is '{version}'");
            return Err(ApiError::invalid(rule));
        }
        Some(_) | None => {}
    }
    let objects = dto::ListObjectsInput {
        bucket: input.bucket,
        delimiter: input.delimiter,
        encoding_type: input.encoding_type,
        marker: some(marker),
        max_keys: input.max_keys,
        prefix: input.prefix,
        ..Default::default()
    };
    let (page, next) = read(endpoint, objects.into()).await?;
    let owner = dto::Owner { id: Some(endpoint.caller.tenant().to_string()), display_name: None };
    let versions = page.contents.unwrap_or_default().into_iter().map(|object| dto::ObjectVersion {
        key: object.key,
        version_id: Some(THE_VERSION.to_owned()),
        is_latest: Some(true),
        e_tag: object.e_tag,
        last_modified: object.last_modified,
        size: object.size,
        storage_class: Some(dto::ObjectVersionStorageClass::from_static("STANDARD")),
        owner: Some(owner.clone()),
        ..Default::default()
    });
    let next = next.map(|next| wire::encoded(&next, page.encoding_type.as_ref()));
    // The page ends behind an object or behind a common start of keys, which has no version.
    let is_start = |next: &String| {
        let prefixes = page.common_prefixes.iter().flatten();
        prefixes.last().is_some_and(|last| last.prefix.as_ref() == Some(next))
    };
    let next_version_id_marker =
        next.as_ref().filter(|next| !is_start(next)).map(|_| THE_VERSION.to_owned());
    Ok(dto::ListObjectVersionsOutput {
        name: page.name,
        prefix: page.prefix,
        key_marker: Some(page.start_after.unwrap_or_default()),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        max_keys: page.max_keys,
        is_truncated: page.is_truncated,
        next_key_marker: next,
        next_version_id_marker,
        delimiter: page.delimiter,
        versions: Some(versions.collect()),
        common_prefixes: page.common_prefixes,
        encoding_type: page.encoding_type,
        ..Default::default()
    })
}

/// Reads a page of any kind, and the key behind which the next page begins. The page of a bucket
/// without objects is empty.
async fn read(
    endpoint: &Endpoint,
    input: dto::ListObjectsV2Input,
) -> Result<(dto::ListObjectsV2Output, Option<String>), ApiError> {
    // A token is the key behind which the page begins, in hexadecimal, which XML carries as it is.
    let token = input.continuation_token.as_ref().map(|token| {
        let bytes = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        bytes.ok_or_else(|| ApiError::invalid("continuation-token is none of this server's"))
    });
    let after = token.transpose()?.or(input.start_after.clone());
    let listing = Listing {
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after: after.filter(|after| !after.is_empty()),
        limit: page_limit(input.max_keys, "max-keys")?,
    };
    let bucket = wire::read_bucket(input.bucket.clone())?;
    let encoding = input.encoding_type.clone();
    let name = |text: &str| Some(wire::encoded(text, encoding.as_ref()));
    let mut output = dto::ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: name(&listing.prefix),
        max_keys: wire::number(listing.limit),
        continuation_token: input.continuation_token,
        start_after: input.start_after.as_deref().and_then(name),
        delimiter: name(&listing.delimiter).filter(|delimiter| !delimiter.is_empty()),
        encoding_type: input.encoding_type,
        ..Default::default()
    };
    let read = endpoint.blocking(move |catalog, by| listing.read(catalog, by.tenant(), &bucket));
    let listed = read.await?;
    let objects = listed.objects.iter().map(|object| dto::Object {
        key: name(object.at.key.as_str()),
        e_tag: Some(wire::etag(&object.etag)),
        last_modified: Some(wire::moment(object.stored)),
        size: wire::number(object.size),
        storage_class: Some(dto::ObjectStorageClass::from_static("STANDARD")),
        ..Default::default()
    });
    let prefixes = listed.prefixes.iter().map(|start| dto::CommonPrefix { prefix: name(start) });
    output.contents = Some(objects.collect());
    output.common_prefixes = Some(prefixes.collect());
    output.key_count = i32::try_from(listed.objects.len() + listed.prefixes.len()).ok();
    output.is_truncated = Some(listed.next.is_some());
    output.next_continuation_token = listed.next.as_ref().map(hex::encode);
    Ok((output, listed.next))
}
