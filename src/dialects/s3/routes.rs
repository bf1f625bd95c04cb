//! The operations. The gate names the operation of a request; `s3s` reads its parameters and calls
//! the [`Endpoint`].

mod buckets;
mod conditions;
mod copies;
mod multiparts;
mod objects;

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::MethodFilter;
use bytes::Bytes;
use memchr::memmem;
use s3s::dto;
use s3s::service::S3ServiceBuilder;
use s3s::validation::NameValidation;
use s3s::{S3Request, S3Response, S3Result};

use super::errors::{self, ApiError};
use super::wire::{self, COPY_SOURCE, Named, checksums, chunked};
use super::{OBJECT_MAX, PREFIX};
use crate::app::App;
use crate::catalog::Catalog;
use crate::dialects::answer;
use crate::dialects::call::Call;
use crate::dialects::extract::Body;
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::inbox::PART_MAX;
use crate::domain::{ArchiveProblem, Caller, CatalogError, Limit, Noun, RequestError};
use crate::ingest::{Measure, Spool};

/// Bytes of an XML body at most, as the gate reads of a POST: a thousand keys to delete, or ten
/// thousand parts.
const XML_MAX: u64 = 1 << 20;

/// XML elements that `s3s` reads into lists, and how many a body may have: parts of an upload, and
/// objects to delete.
const ELEMENTS: [(&[u8], usize); 2] = [(b"<Part", PART_MAX as usize), (b"<Object", 1000)];

/// Parameters that make XML about an object of the body of a PUT: no such operation is served.
const ABOUT_OBJECT: [&str; 4] = ["acl", "legal-hold", "retention", "tagging"];

/// Returns the operations, grouped by what they are about.
pub(super) fn operations() -> Vec<Operation> {
    let on = |methods| Route::action(methods, &[PREFIX, "/s3/{*path}"]);
    let read = |name, noun, methods| Operation::read(name, noun, on(methods), serve);
    let write = |name, noun, methods| Operation::write(name, noun, on(methods), serve);
    let (head, get, put) = (MethodFilter::HEAD, MethodFilter::GET, MethodFilter::PUT);
    let (post, delete) = (MethodFilter::POST, MethodFilter::DELETE);
    vec![
        read("ListBuckets", Noun::Bucket, get),
        write("CreateBucket", Noun::Bucket, put).unlogged(),
        read("HeadBucket", Noun::Bucket, head),
        write("DeleteBucket", Noun::Bucket, delete).unlogged(),
        read("GetBucketLocation", Noun::Bucket, get),
        read("GetBucketVersioning", Noun::Bucket, get),
        read("ListObjects", Noun::Object, get),
        read("ListObjectsV2", Noun::Object, get),
        read("ListObjectVersions", Noun::Object, get),
        write("PutObject", Noun::Object, put).body(BodyRule::Object),
        write("CopyObject", Noun::Object, put),
        read("GetObject", Noun::Object, get),
        read("HeadObject", Noun::Object, head),
        read("GetObjectTagging", Noun::Object, get),
        write("DeleteObject", Noun::Object, delete),
        write("DeleteObjects", Noun::Object, post),
        write("CreateMultipartUpload", Noun::Multipart, post).unlogged(),
        write("UploadPart", Noun::Multipart, put).body(BodyRule::Object).unlogged(),
        write("UploadPartCopy", Noun::Multipart, put).unlogged(),
        read("ListParts", Noun::Multipart, get),
        read("ListMultipartUploads", Noun::Multipart, get),
        write("CompleteMultipartUpload", Noun::Multipart, post),
        write("AbortMultipartUpload", Noun::Multipart, delete),
    ]
}

/// Names the operation of a request as `s3s` does; [`Endpoint::check_name`] compares the two names.
///
/// A request for an operation that is not served gets the name of a similar one; `s3s` then refuses
/// it, unless the key's role does not cover the similar one.
pub(super) fn resolve(head: &Parts) -> Option<Cow<'_, str>> {
    let query = Params::parse(head.uri.query().unwrap_or_default());
    let has = |name| query.raw(name).is_some();
    let named = Named::by(wire::path_below(head.uri.path()));
    let name = match (head.method.as_str(), named) {
        ("HEAD", Named::Object) => "HeadObject",
        ("HEAD", _) => "HeadBucket",
        ("GET", Named::Root) => "ListBuckets",
        ("GET", Named::Bucket) if has("location") => "GetBucketLocation",
        ("GET", Named::Bucket) if has("versioning") => "GetBucketVersioning",
        ("GET", Named::Bucket) if has("uploads") => "ListMultipartUploads",
        ("GET", Named::Bucket) if has("versions") => "ListObjectVersions",
        ("GET", Named::Bucket) if query.all("list-type") == ["2"] => "ListObjectsV2",
        ("GET", Named::Bucket) => "ListObjects",
        ("GET", Named::Object) if has("tagging") => "GetObjectTagging",
        ("GET", Named::Object) if has("uploadId") => "ListParts",
        ("GET", Named::Object) => "GetObject",
        ("PUT", Named::Object) if has("partNumber") && has("uploadId") => {
            if head.headers.contains_key(COPY_SOURCE) { "UploadPartCopy" } else { "UploadPart" }
        }
        ("PUT", Named::Object) if head.headers.contains_key(COPY_SOURCE) => "CopyObject",
        ("PUT", Named::Object) => "PutObject",
        ("PUT", _) => "CreateBucket",
        ("POST", Named::Object) if has("uploads") => "CreateMultipartUpload",
        ("POST", Named::Object) => "CompleteMultipartUpload",
        ("POST", _) => "DeleteObjects",
        ("DELETE", Named::Object) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", Named::Object) => "DeleteObject",
        ("DELETE", _) => "DeleteBucket",
        _ => return None,
    };
    Some(name.into())
}

/// Serves every operation.
async fn serve(
    State(app): State<App>,
    caller: Caller,
    call: Call,
    Body(body): Body,
    request: Request,
) -> Result<Response, Refused> {
    let (mut head, _) = request.into_parts();
    head.uri = uri_below(&head.uri)?;
    // A browser's form has its own signature inside.
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    if head.method == Method::POST && kind.to_ascii_lowercase().starts_with(b"multipart/") {
        return Err(ApiError::invalid("uploads by forms are not taken: send PUT").into());
    }
    let is_copy = head.headers.contains_key(COPY_SOURCE);
    let is_put = head.method == Method::PUT && Named::by(head.uri.path()) == Named::Object;
    let query = Params::parse(head.uri.query().unwrap_or_default());
    let is_about_object = ABOUT_OBJECT.iter().any(|name| query.raw(name).is_some());
    let is_file = is_put && !is_copy && !is_about_object;
    let (file, xml) = if is_file {
        (Some(body), s3s::Body::empty())
    } else {
        (None, read_xml(&app, &body)?.into())
    };
    let headers = head.headers.clone();
    // The gate has verified the signature; `s3s` must not look for it.
    for name in ["authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"] {
        head.headers.remove(name);
    }
    // A range that cannot be read is ignored (RFC 9110 section 14.2); `s3s` would refuse it.
    if !has_readable_range(&head.headers) {
        head.headers.remove(RANGE);
    }
    // `wire` reads the source: `s3s` knows S3's buckets alone, whose names have narrower rules.
    if is_copy {
        head.headers.insert(COPY_SOURCE, HeaderValue::from_static("any-bucket/any-key"));
    }
    let is_object = matches!(caller.audit_context().operation, "GetObject" | "HeadObject");
    let request_id = errors::request_id(&call);
    let endpoint = Endpoint { app, caller, request_id, headers, file: Mutex::new(file) };
    let mut builder = S3ServiceBuilder::new(endpoint);
    builder.set_validation(AnyBucket);
    let answer = builder.build().call(axum::http::Request::from_parts(head, xml)).await;
    let answer = answer.map_err(|_| CatalogError::internal("an answer could not be written"))?;
    let mut answer = answer.map(HttpBody::new);
    // The query of a GET may replace the media type: its answer is judged, not the object.
    if is_object && answer.status().is_success() {
        answer::guard_object(answer.headers_mut());
        // `s3s` does so for GET alone.
        if answer.headers().contains_key(CONTENT_RANGE) {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
    }
    Ok(answer)
}

/// Reads a body that is XML, or none. Refuses more elements than any operation has: each takes far
/// more memory in `s3s` than it has bytes.
fn read_xml(app: &App, body: &Spool) -> Result<Bytes, ApiError> {
    let xml = app.in_place(|| body.to_bytes(XML_MAX))?;
    for (tag, most) in ELEMENTS {
        let ends =
            |at: usize| xml.get(at + tag.len()).is_some_and(|byte| !byte.is_ascii_alphabetic());
        let count = memmem::find_iter(&xml, tag).filter(|at| ends(*at)).count();
        if count > most {
            return Err(ApiError::invalid(format!("the body has {count} entries, at most {most}")));
        }
    }
    Ok(xml)
}

/// Returns the address as `s3s` knows it, without the prefix and without a presigned signature.
fn uri_below(uri: &Uri) -> Result<Uri, ApiError> {
    let path = wire::path_below(uri.path());
    let query = uri.query().unwrap_or_default().split('&');
    let query: Vec<&str> =
        query.filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-")).collect();
    let text =
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) };
    text.parse().map_err(|_| ApiError::invalid("the address cannot be read"))
}

/// The rule by which `s3s` checks a bucket's name: the catalog's own rule is wider than S3's, and
/// has its own error.
struct AnyBucket;

impl NameValidation for AnyBucket {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

/// The endpoint that `s3s` calls, for one request.
struct Endpoint {
    app: App,
    caller: Caller,
    request_id: String,
    /// The headers as they were sent.
    headers: HeaderMap,
    file: Mutex<Option<Spool>>,
}

impl Endpoint {
    /// Returns the most bytes that an object may have.
    fn object_max(&self) -> u64 {
        self.app.upload_limits(OBJECT_MAX).size
    }

    /// Runs work for the caller on a blocking thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog, &Caller) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let caller = self.caller.clone();
        Ok(self.app.blocking(move |catalog| work(catalog, &caller)).await?)
    }

    /// Refuses an operation that the gate gave another name than `s3s`: the gate has checked the
    /// role that its name needs.
    fn check_name(&self, called: &str) -> Result<(), CatalogError> {
        let named = self.caller.audit_context().operation;
        if named == called {
            return Ok(());
        }
        Err(CatalogError::internal(format!("the gate named {named}, s3s called {called}")))
    }

    /// Takes the file that was sent: without its chunks, with all digests, and compared with every
    /// stated checksum.
    async fn take_file(&self) -> Result<Spool, ApiError> {
        let body = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A lost file must not become an empty object.
        let body = body.ok_or_else(|| CatalogError::internal("an upload came without its file"))?;
        // A body on the disk is written or read once more.
        let _permit = match body.bytes() {
            Some(_) => None,
            None => Some(self.app.start_upload().await?),
        };
        let limit = self.object_max();
        let headers = self.headers.clone();
        let is_chunked = is_chunked(&headers, self.app.verifies_signatures());
        let file = self.app.blocking(move |catalog| {
            let (file, trailers) = if is_chunked {
                chunked::unwrap(&body, catalog.spool(limit, Measure::All))?
            } else if body.is_empty() {
                (catalog.spool(limit, Measure::All).finish()?, Vec::new())
            } else {
                (body, Vec::new())
            };
            check_size(&headers, &file, limit)?;
            checksums::check(&headers, &trailers, &file)?;
            Ok::<_, RequestError>(file)
        });
        Ok(file.await?)
    }
}

/// Whether the body is in chunks, signed or not. Where signatures are verified, the header that is
/// always signed decides.
fn is_chunked(headers: &HeaderMap, is_verified: bool) -> bool {
    let starts = |name: &str, start: &[u8]| {
        headers.get(name).is_some_and(|value| value.as_bytes().starts_with(start))
    };
    if headers.contains_key("x-amz-content-sha256") || is_verified {
        starts("x-amz-content-sha256", b"STREAMING-")
    } else {
        starts(CONTENT_ENCODING.as_str(), b"aws-chunked")
    }
}

/// Compares the file's size with the limit, and with the stated size of a body in chunks.
fn check_size(headers: &HeaderMap, file: &Spool, limit: u64) -> Result<(), CatalogError> {
    let actual = file.len();
    if actual > limit {
        return Err(CatalogError::LimitExceeded { what: Limit::CodeSize, limit, actual });
    }
    let Some(stated) = headers.get("x-amz-decoded-content-length") else { return Ok(()) };
    if stated.to_str().ok().and_then(|stated| stated.parse().ok()) == Some(actual) {
        return Ok(());
    }
    let reason = format!("x-amz-decoded-content-length is {stated:?}, {actual} bytes came");
    Err(ArchiveProblem::Incomplete(reason).into())
}

/// Runs the function of each operation, and words the outcome.
macro_rules! operations {
    ($($method:ident, $name:literal, $input:ident => $output:ident: $run:path;)*) => {
        #[async_trait]
        impl s3s::S3 for Endpoint {
            $(async fn $method(
                &self,
                request: S3Request<dto::$input>,
            ) -> S3Result<S3Response<dto::$output>> {
                let run = async {
                    self.check_name($name)?;
                    $run(self, request.input).await
                };
                let outcome = run.await.map(S3Response::new);
                outcome.map_err(|error: ApiError| error.for_request(&self.request_id))
            })*
        }
    };
}

operations! {
    list_buckets, "ListBuckets", ListBucketsInput => ListBucketsOutput: buckets::list;
    create_bucket, "CreateBucket", CreateBucketInput => CreateBucketOutput: buckets::create;
    head_bucket, "HeadBucket", HeadBucketInput => HeadBucketOutput: buckets::head;
    delete_bucket, "DeleteBucket", DeleteBucketInput => DeleteBucketOutput: buckets::delete;
    get_bucket_location, "GetBucketLocation", GetBucketLocationInput => GetBucketLocationOutput:
        buckets::location;
    get_bucket_versioning, "GetBucketVersioning", GetBucketVersioningInput =>
        GetBucketVersioningOutput: buckets::versioning;
    list_objects, "ListObjects", ListObjectsInput => ListObjectsOutput: buckets::list_objects;
    list_objects_v2, "ListObjectsV2", ListObjectsV2Input => ListObjectsV2Output:
        buckets::list_objects_v2;
    list_object_versions, "ListObjectVersions", ListObjectVersionsInput =>
        ListObjectVersionsOutput: buckets::list_versions;
    put_object, "PutObject", PutObjectInput => PutObjectOutput: objects::put;
    copy_object, "CopyObject", CopyObjectInput => CopyObjectOutput: copies::copy;
    get_object, "GetObject", GetObjectInput => GetObjectOutput: objects::get;
    head_object, "HeadObject", HeadObjectInput => HeadObjectOutput: objects::head;
    get_object_tagging, "GetObjectTagging", GetObjectTaggingInput => GetObjectTaggingOutput:
        objects::tagging;
    delete_object, "DeleteObject", DeleteObjectInput => DeleteObjectOutput: objects::delete;
    delete_objects, "DeleteObjects", DeleteObjectsInput => DeleteObjectsOutput:
        objects::delete_several;
    create_multipart_upload, "CreateMultipartUpload", CreateMultipartUploadInput =>
        CreateMultipartUploadOutput: multiparts::create;
    upload_part, "UploadPart", UploadPartInput => UploadPartOutput: multiparts::upload;
    upload_part_copy, "UploadPartCopy", UploadPartCopyInput => UploadPartCopyOutput:
        copies::copy_part;
    list_parts, "ListParts", ListPartsInput => ListPartsOutput: multiparts::list_parts;
    list_multipart_uploads, "ListMultipartUploads", ListMultipartUploadsInput =>
        ListMultipartUploadsOutput: multiparts::list;
    complete_multipart_upload, "CompleteMultipartUpload", CompleteMultipartUploadInput =>
        CompleteMultipartUploadOutput: multiparts::complete;
    abort_multipart_upload, "AbortMultipartUpload", AbortMultipartUploadInput =>
        AbortMultipartUploadOutput: multiparts::abort;
}

/// Whether a request has one range of bytes, whose ends are in order.
fn has_readable_range(headers: &HeaderMap) -> bool {
    let mut stated = headers.get_all(RANGE).iter();
    let (Some(range), None) = (stated.next(), stated.next()) else { return false };
    let range = range.to_str().ok().and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return false };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    match (number(first), number(last)) {
        (Some(first), Some(last)) => first <= last,
        (Some(_), None) => last.is_empty(),
        (None, Some(_)) => first.is_empty(),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests;
