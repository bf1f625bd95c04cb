//! The part of the object store that uploads need (alibaba.md section 3.3). Requests come here by
//! [`objects::reroute`] alone.

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, head, put};
use jiff::fmt::rfc2822;
use md5::{Digest, Md5};
use tokio_util::io::ReaderStream;

use crate::app::App;
use crate::dialects::alibaba::OBJECT_MAX;
use crate::dialects::alibaba::errors::StoreError;
use crate::dialects::alibaba::wire::objects::{self, OBJECT, Said, Target};
use crate::dialects::gate::Body;
use crate::dialects::{BodyRule, Caller, Operation, answer};
use crate::domain::InboxObject;

const CRC64: HeaderName = HeaderName::from_static("x-oss-hash-crc64ecma");

/// Bytes that are read from a file at a time.
const CHUNK: usize = 128 << 10;

pub(super) fn operations() -> Vec<Operation> {
    let put = Operation::new("PutObject", OBJECT, put(put_object));
    vec![
        put.body(BodyRule::Raw).upload_max(OBJECT_MAX),
        Operation::new("GetObject", OBJECT, get(get_object)),
        Operation::new("HeadObject", OBJECT, head(head_object)),
        Operation::new("DeleteObject", OBJECT, delete(delete_object)),
    ]
}

async fn put_object(
    State(app): State<App>,
    caller: Caller,
    Target(at): Target,
    said: Said,
    Body(body): Body,
) -> Result<Response, StoreError> {
    // What has no bytes was not measured.
    said.check(&body.md5().unwrap_or_else(|| Md5::digest(b"").into()))?;
    let about = said.about;
    let object = app.blocking(move |catalog| catalog.put_object(&caller, at, about, body)).await?;
    let mut response = answer::empty(StatusCode::OK);
    insert_digests(&mut response, &object);
    Ok(response)
}

async fn get_object(
    State(app): State<App>,
    caller: Caller,
    Target(at): Target,
) -> Result<Response, StoreError> {
    let (object, file) = app.read(|catalog| catalog.open_object(caller.tenant(), &at))?;
    let bytes = ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK);
    Ok(described(&object, HttpBody::from_stream(bytes)))
}

async fn head_object(
    State(app): State<App>,
    caller: Caller,
    Target(at): Target,
) -> Result<Response, StoreError> {
    let object = app.read(|catalog| catalog.get_object(caller.tenant(), &at))?;
    Ok(described(&object, HttpBody::empty()))
}

/// Answers the same whether there was an object or not, as the store does.
async fn delete_object(
    State(app): State<App>,
    caller: Caller,
    Target(at): Target,
) -> Result<Response, StoreError> {
    app.blocking(move |catalog| catalog.delete_object(&caller, &at)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// An object, or its head alone.
fn described(object: &InboxObject, body: HttpBody) -> Response {
    let mut response = Response::new(body);
    objects::write_info(response.headers_mut(), &object.about);
    insert_digests(&mut response, object);
    let stored = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&object.stored);
    if let Some(stored) = stored.ok().and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(LAST_MODIFIED, stored);
    }
    response.headers_mut().insert(CONTENT_LENGTH, object.size.into());
    response
}

/// The entity tag is in upper case here, the CRC-64 a decimal.
fn insert_digests(response: &mut Response, object: &InboxObject) {
    answer::insert_id(response, ETAG, &format!("\"{}\"", object.etag.to_uppercase()));
    answer::insert_id(response, CRC64, &object.digests.crc64.to_string());
}
