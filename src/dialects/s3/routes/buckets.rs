//! Buckets: nobody makes them, they are there while something is in them.

use s3s::dto::*;

use super::Door;
use crate::dialects::s3::errors::ApiError;
use crate::dialects::s3::paging::{Listed, Listing};
use crate::dialects::s3::wire;
use crate::domain::{self, Caller, InboxObject};

pub(super) async fn list(
    door: &Door,
    caller: Caller,
    _input: ListBucketsInput,
) -> Result<ListBucketsOutput, ApiError> {
    let found =
        door.app.blocking(move |catalog| catalog.list_buckets(caller.tenant())).await?.into_iter();
    let buckets = found.map(|(name, since)| Bucket {
        name: Some(name.to_string()),
        creation_date: Some(wire::moment(since)),
        ..Bucket::default()
    });
    let owner = Some(Owner { id: Some(door.caller.tenant().to_string()), display_name: None });
    Ok(ListBucketsOutput { buckets: Some(buckets.collect()), owner, ..Default::default() })
}

pub(super) async fn create(
    _door: &Door,
    caller: Caller,
    input: CreateBucketInput,
) -> Result<CreateBucketOutput, ApiError> {
    caller.must_be(domain::Role::Write)?;
    let name = wire::read_bucket(input.bucket)?;
    Ok(CreateBucketOutput { location: Some(format!("/{name}")) })
}

pub(super) async fn head(
    door: &Door,
    _caller: Caller,
    input: HeadBucketInput,
) -> Result<HeadBucketOutput, ApiError> {
    wire::read_bucket(input.bucket)?;
    let bucket_region = Some(door.app.config().region.clone());
    Ok(HeadBucketOutput { bucket_region, ..Default::default() })
}

/// There is nothing to delete, but who deletes what is not empty has made a mistake.
pub(super) async fn delete(
    door: &Door,
    caller: Caller,
    input: DeleteBucketInput,
) -> Result<DeleteBucketOutput, ApiError> {
    caller.must_be(domain::Role::Write)?;
    let name = wire::read_bucket(input.bucket)?;
    match door.app.read(|catalog| catalog.has_bucket(caller.tenant(), &name))? {
        true => Err(ApiError::not_empty(&name)),
        false => Ok(DeleteBucketOutput {}),
    }
}

pub(super) async fn location(
    door: &Door,
    _caller: Caller,
    input: GetBucketLocationInput,
) -> Result<GetBucketLocationOutput, ApiError> {
    wire::read_bucket(input.bucket)?;
    let region = door.app.config().region.clone().into();
    Ok(GetBucketLocationOutput { location_constraint: Some(region) })
}

pub(super) async fn list_objects(
    door: &Door,
    caller: Caller,
    input: ListObjectsInput,
) -> Result<ListObjectsOutput, ApiError> {
    let listing = listing(input.prefix, input.delimiter, input.marker.clone(), input.max_keys)?;
    let (listed, listing) = read(door, &caller, input.bucket.clone(), listing).await?;
    let (contents, common_prefixes) = lines(&listed, input.encoding_type.as_ref());
    let name = |text: &String| wire::encoded(text, input.encoding_type.as_ref());
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(name(&listing.prefix)),
        marker: Some(input.marker.as_ref().map(name).unwrap_or_default()),
        max_keys: wire::number(listing.limit),
        is_truncated: Some(listed.next.is_some()),
        next_marker: listed.next.as_ref().map(name),
        delimiter: delimiter(&listing, input.encoding_type.as_ref()),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

pub(super) async fn list_objects_v2(
    door: &Door,
    caller: Caller,
    input: ListObjectsV2Input,
) -> Result<ListObjectsV2Output, ApiError> {
    // A token is the key behind which the page begins, spelled so that XML takes it as it is.
    let token = input.continuation_token.as_ref().map(|token| {
        let bytes = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        bytes.ok_or_else(|| ApiError::invalid("continuation-token is none of this server's"))
    });
    let after = token.transpose()?.or(input.start_after.clone());
    let listing = listing(input.prefix, input.delimiter, after, input.max_keys)?;
    let (listed, listing) = read(door, &caller, input.bucket.clone(), listing).await?;
    let (contents, common_prefixes) = lines(&listed, input.encoding_type.as_ref());
    let name = |text: &String| wire::encoded(text, input.encoding_type.as_ref());
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(name(&listing.prefix)),
        max_keys: wire::number(listing.limit),
        key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
        is_truncated: Some(listed.next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: listed.next.as_ref().map(hex::encode),
        start_after: input.start_after.as_ref().map(name),
        delimiter: delimiter(&listing, input.encoding_type.as_ref()),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

fn listing(
    prefix: Option<String>,
    delimiter: Option<String>,
    after: Option<String>,
    lines: Option<i32>,
) -> Result<Listing, ApiError> {
    let limit = Listing::lines(lines);
    Ok(Listing {
        prefix: prefix.unwrap_or_default(),
        delimiter: delimiter.unwrap_or_default(),
        after: after.filter(|after| !after.is_empty()),
        limit: limit.ok_or_else(|| ApiError::invalid("max-keys must not be below zero"))?,
    })
}

/// Every bucket is there for whoever asks, so that one that has nothing has an empty list.
async fn read(
    door: &Door,
    caller: &Caller,
    bucket: String,
    listing: Listing,
) -> Result<(Listed, Listing), ApiError> {
    let (tenant, bucket) = (caller.tenant().clone(), wire::read_bucket(bucket)?);
    let read = door.app.blocking(move |catalog| {
        let listed = listing.read(catalog, &tenant, &bucket)?;
        Ok((listed, listing))
    });
    Ok(read.await?)
}

fn lines(listed: &Listed, encoding: Option<&EncodingType>) -> (Vec<Object>, Vec<CommonPrefix>) {
    let line = |object: &InboxObject| Object {
        key: Some(wire::encoded(object.at.key.as_str(), encoding)),
        ..wire::listed(object)
    };
    let start = |prefix: &String| CommonPrefix { prefix: Some(wire::encoded(prefix, encoding)) };
    (listed.objects.iter().map(line).collect(), listed.prefixes.iter().map(start).collect())
}

fn delimiter(listing: &Listing, encoding: Option<&EncodingType>) -> Option<String> {
    Some(wire::encoded(&listing.delimiter, encoding)).filter(|delimiter| !delimiter.is_empty())
}
