//! The operations on one object (alibaba.md section 3.3). Only [`wire::reroute`] leads here.

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use jiff::fmt::rfc2822;
use md5::{Digest, Md5};

use super::wire::{self, OBJECT, Said, Target};
use crate::app::App;
use crate::dialects::answer;
use crate::dialects::extract::Body;
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::refusal::Refused;
use crate::domain::{Caller, InboxObject, Noun};

const CRC64: HeaderName = HeaderName::from_static("x-oss-hash-crc64ecma");

/// Returns the operations on one object.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::write("PutObject", Noun::Object, Route::put(OBJECT), put_object)
            .body(BodyRule::Raw),
        Operation::read("GetObject", Noun::Object, Route::get(OBJECT), get_object),
        Operation::read("HeadObject", Noun::Object, Route::head(OBJECT), head_object),
        Operation::write("DeleteObject", Noun::Object, Route::delete(OBJECT), delete_object),
    ]
}

async fn put_object(
    State(app): State<App>,
    caller: Caller,
    Target(at): Target,
    said: Said,
    Body(body): Body,
) -> Result<Response, Refused> {
    // An empty body was not measured.
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
) -> Result<Response, Refused> {
    let (object, content) = app.read(|catalog| catalog.open_object(caller.tenant(), &at)).await?;
    let bytes = app.stream(content, 0..object.size).await?;
    Ok(described(&object, HttpBody::from_stream(bytes)))
}

async fn head_object(
    State(app): State<App>,
    caller: Caller,
    Target(at): Target,
) -> Result<Response, Refused> {
    let object = app.read(|catalog| catalog.get_object(caller.tenant(), &at)).await?;
    Ok(described(&object, HttpBody::empty()))
}

/// The answer is the same for an object that does not exist, as the vendor's is.
async fn delete_object(
    State(app): State<App>,
    caller: Caller,
    Target(at): Target,
) -> Result<Response, Refused> {
    app.blocking(move |catalog| catalog.delete_object(&caller, &at)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Returns an object, or its headers alone.
fn described(object: &InboxObject, body: HttpBody) -> Response {
    let mut response = Response::new(body);
    wire::write_info(response.headers_mut(), &object.about);
    answer::guard_object(response.headers_mut());
    insert_digests(&mut response, object);
    let stored = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&object.stored);
    if let Some(stored) = stored.ok().and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(LAST_MODIFIED, stored);
    }
    response.headers_mut().insert(CONTENT_LENGTH, object.size.into());
    response
}

/// Adds the entity tag, here in upper case, and the CRC-64 as a decimal.
fn insert_digests(response: &mut Response, object: &InboxObject) {
    answer::insert_id(response, ETAG, &format!("\"{}\"", object.etag.to_uppercase()));
    answer::insert_id(response, CRC64, &object.digests.crc64.to_string());
}
