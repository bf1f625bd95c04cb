//! The operations: `s3s` finds out which one a request asks for and reads its parameters, we do it.

mod buckets;
mod multiparts;
mod objects;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get, put};
use bytes::Bytes;
use memchr::memmem;
use percent_encoding::percent_decode_str;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::validation::NameValidation;
use s3s::{S3Request, S3Response, S3Result};

use super::errors::ApiError;
use super::wire::{checksums, chunked};
use super::{OBJECT_MAX, PREFIX};
use crate::app::App;
use crate::dialects::gate::Body;
use crate::dialects::{BodyRule, Call, Caller, Operation};
use crate::domain::inbox::PART_MAX;
use crate::domain::{ArchiveProblem, CatalogError, Limit, Role};
use crate::ingest::{Measure, Spool, SpoolWriter};

/// Bytes of an XML body, as much as the gate lets a POST have: a thousand keys to delete, or ten
/// thousand parts.
const XML_MAX: u64 = 1 << 20;

/// Objects that one request may delete.
const DELETE_MAX: usize = 1000;

/// Parts of one upload.
const PARTS_MAX: usize = PART_MAX as usize;

/// The operations in the order of their objects.
const OPERATIONS: [&str; 18] = [
    "ListBuckets",
    "CreateBucket",
    "HeadBucket",
    "DeleteBucket",
    "GetBucketLocation",
    "ListObjects",
    "ListObjectsV2",
    "PutObject",
    "GetObject",
    "HeadObject",
    "DeleteObject",
    "DeleteObjects",
    "CreateMultipartUpload",
    "UploadPart",
    "ListParts",
    "ListMultipartUploads",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
];

/// Operations of this dialect; all are reached through one handler and have none of their own.
pub(super) fn operations() -> Vec<Operation> {
    OPERATIONS.map(|name| Operation::new(name, PREFIX, MethodRouter::new())).into()
}

/// The two handlers behind all operations: only what is put may be large.
pub(super) fn dispatchers() -> Vec<Operation> {
    let others = get(dispatch).post(dispatch).delete(dispatch);
    let at = |handlers| {
        let mut operation = Operation::new("dispatch", PREFIX, handlers);
        operation.paths.push(format!("{PREFIX}/{{*path}}"));
        operation
    };
    vec![at(others), at(put(dispatch)).body(BodyRule::Object)]
}

async fn dispatch(
    State(app): State<App>,
    caller: Caller,
    call: Call,
    Body(body): Body,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut head, _) = request.into_parts();
    head.uri = below_the_door(&head.uri)?;
    // A form of a browser, which has its own signature inside.
    if head.method == Method::POST && head.headers.get(CONTENT_TYPE).is_some_and(is_form) {
        return Err(ApiError::invalid("uploads by forms are not taken: send PUT"));
    }
    if !head.method.is_safe() {
        caller.must_be(Role::Write)?;
    }
    let (file, xml) = match head.method == Method::PUT && names_object(head.uri.path()) {
        true => (Some(body), s3s::Body::empty()),
        false => (None, read_xml(&app, &body)?.into()),
    };
    let headers = without_signature(&mut head.headers);
    let door = Door {
        app,
        caller,
        request_id: call.request_id.simple().to_string(),
        headers,
        file: Mutex::new(file),
    };
    let mut builder = S3ServiceBuilder::new(door);
    builder.set_validation(AnyBucket);
    let answer = builder.build().call(axum::http::Request::from_parts(head, xml)).await;
    let answer = answer.map_err(|_| CatalogError::internal("an answer could not be written"))?;
    Ok(answer.map(HttpBody::new))
}

/// Whether a path has a key behind the bucket, once it is decoded: as `s3s` will see it.
fn names_object(path: &str) -> bool {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let below = path.strip_prefix('/').unwrap_or(&path);
    below.split_once('/').is_some_and(|(_, key)| !key.is_empty())
}

/// Takes a body that is XML, or none; refuses more entries than any operation has, for `s3s` makes
/// far more of each than its bytes.
fn read_xml(app: &App, body: &Spool) -> Result<Bytes, ApiError> {
    let xml = app.in_place(|| body.to_bytes(XML_MAX))?;
    for (tag, most) in [(&b"<Part"[..], PARTS_MAX), (b"<Object", DELETE_MAX)] {
        let ends =
            |at: usize| xml.get(at + tag.len()).is_some_and(|byte| !byte.is_ascii_alphabetic());
        let count = memmem::find_iter(&xml, tag).filter(|at| ends(*at)).count();
        if count > most {
            return Err(ApiError::invalid(format!("the body has {count} entries, at most {most}")));
        }
    }
    Ok(xml)
}

fn is_form(kind: &HeaderValue) -> bool {
    kind.as_bytes().to_ascii_lowercase().starts_with(b"multipart/")
}

/// The address as `s3s` knows it, without our prefix and without a presigned signature.
fn below_the_door(uri: &Uri) -> Result<Uri, ApiError> {
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let query = uri.query().unwrap_or_default().split('&');
    let query: Vec<&str> =
        query.filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-")).collect();
    let text = match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", query.join("&")),
    };
    text.parse().map_err(|_| ApiError::invalid("the address cannot be read"))
}

/// Takes away what the gate has dealt with, so that nobody looks at it again; returns all of them.
fn without_signature(headers: &mut HeaderMap) -> HeaderMap {
    let all = headers.clone();
    for name in ["authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"] {
        headers.remove(name);
    }
    all
}

/// Our own rule for buckets' names is wider than S3's, and is told by our own error.
struct AnyBucket;

impl NameValidation for AnyBucket {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

/// One request: who asks, and what came with it.
struct Door {
    app: App,
    caller: Caller,
    request_id: String,
    /// As they were sent.
    headers: HeaderMap,
    file: Mutex<Option<Spool>>,
}

impl Door {
    /// Most bytes of an object.
    fn object_max(&self) -> u64 {
        self.app.upload_limits(OBJECT_MAX).size
    }

    fn caller(&self, operation: &'static str) -> Caller {
        self.caller.clone().doing(operation)
    }

    /// Takes the file that was sent: out of its chunks, with all digests, compared with every
    /// checksum that was stated.
    async fn take_file(&self) -> Result<Spool, ApiError> {
        let body = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Never nothing in place of something.
        let body = body.ok_or_else(|| CatalogError::internal("an upload came without its file"))?;
        // What is a file is written or read once more.
        let _place = match body.bytes() {
            Some(_) => None,
            None => Some(self.app.start_upload().await?),
        };
        let limit = self.object_max();
        let headers = self.headers.clone();
        let is_chunked = is_chunked(&headers, self.app.verifies_signatures());
        let file = self.app.blocking(move |catalog| {
            let (file, trailers) = match is_chunked {
                true => chunked::unwrap(&body, catalog.incoming(), limit)?,
                false if body.is_empty() => {
                    let nothing = SpoolWriter::new(catalog.incoming(), limit, Measure::All);
                    (nothing.finish()?, Vec::new())
                }
                false => (body, Vec::new()),
            };
            check_size(&headers, &file, limit)?;
            checksums::check(&headers, &trailers, &file)?;
            Ok(file)
        });
        Ok(file.await?)
    }

    fn answer<T>(&self, result: Result<T, ApiError>) -> S3Result<S3Response<T>> {
        result.map(S3Response::new).map_err(|error| error.for_request(&self.request_id))
    }
}

/// Whether the body comes in chunks, signed or not. What is not signed has no say in how a signed
/// body is read.
fn is_chunked(headers: &HeaderMap, is_verified: bool) -> bool {
    let starts = |name: &str, start: &[u8]| {
        headers.get(name).is_some_and(|value| value.as_bytes().starts_with(start))
    };
    match headers.contains_key("x-amz-content-sha256") || is_verified {
        true => starts("x-amz-content-sha256", b"STREAMING-"),
        false => starts(CONTENT_ENCODING.as_str(), b"aws-chunked"),
    }
}

/// Compares the file's size with the limit, and with what was stated of a body in chunks.
fn check_size(headers: &HeaderMap, file: &Spool, limit: u64) -> Result<(), CatalogError> {
    let actual = file.len();
    if actual > limit {
        return Err(CatalogError::LimitExceeded { what: Limit::CodeSize, limit, actual });
    }
    let Some(stated) = headers.get("x-amz-decoded-content-length") else { return Ok(()) };
    match stated.to_str().ok().and_then(|stated| stated.parse::<u64>().ok()) {
        Some(stated) if stated == actual => Ok(()),
        _ => {
            let reason = format!("x-amz-decoded-content-length is {stated:?}, {actual} bytes came");
            Err(ArchiveProblem::Incomplete(reason).into())
        }
    }
}

/// Names each operation for the log, has it done, and words the outcome.
macro_rules! operations {
    ($($method:ident, $name:literal, $input:ident => $output:ident: $run:path;)*) => {
        #[async_trait]
        impl s3s::S3 for Door {
            $(async fn $method(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.answer($run(self, self.caller($name), request.input).await)
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
    list_objects, "ListObjects", ListObjectsInput => ListObjectsOutput: buckets::list_objects;
    list_objects_v2, "ListObjectsV2", ListObjectsV2Input => ListObjectsV2Output:
        buckets::list_objects_v2;
    put_object, "PutObject", PutObjectInput => PutObjectOutput: objects::put;
    get_object, "GetObject", GetObjectInput => GetObjectOutput: objects::get;
    head_object, "HeadObject", HeadObjectInput => HeadObjectOutput: objects::head;
    delete_object, "DeleteObject", DeleteObjectInput => DeleteObjectOutput: objects::delete;
    delete_objects, "DeleteObjects", DeleteObjectsInput => DeleteObjectsOutput:
        objects::delete_several;
    create_multipart_upload, "CreateMultipartUpload", CreateMultipartUploadInput =>
        CreateMultipartUploadOutput: multiparts::create;
    upload_part, "UploadPart", UploadPartInput => UploadPartOutput: multiparts::upload;
    list_parts, "ListParts", ListPartsInput => ListPartsOutput: multiparts::list_parts;
    list_multipart_uploads, "ListMultipartUploads", ListMultipartUploadsInput =>
        ListMultipartUploadsOutput: multiparts::list;
    complete_multipart_upload, "CompleteMultipartUpload", CompleteMultipartUploadInput =>
        CompleteMultipartUploadOutput: multiparts::complete;
    abort_multipart_upload, "AbortMultipartUpload", AbortMultipartUploadInput =>
        AbortMultipartUploadOutput: multiparts::abort;
}
