//! How a request names its action and carries its parameters (tencent.md sections 0 and 1).

use std::borrow::Cow;
use std::pin::Pin;

use axum::extract::FromRequestParts;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, Method};
use bytes::Bytes;
use uuid::Uuid;

use crate::app::App;
use crate::dialects::call::Call;
use crate::dialects::dialect::Parsed;
use crate::dialects::extract::Once;
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::dialects::tencent::errors::ApiError;
use crate::dialects::tencent::wire::Input;
use crate::dialects::tencent::{UNPACKED_MAX, ZIP_MAX, auth};
use crate::dialects::upload::{self, CodeField};
use crate::ingest::{Leniency, Spool, Staging};

/// The API version, which clients state in `X-TC-Version` or `Version`.
const VERSION: &str = "2018-04-16";

/// The media type of a form.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The length of the text after the request's id in every answer.
const END: usize = "\"}}".len();

/// The code, in a layer's `Content`.
const CODE: CodeField = CodeField {
    paths: &[&["Content", "ZipFile"]],
    fold_keys: false,
    leniency: Leniency::Strict,
    vendor_limit: ZIP_MAX,
    unpacked_max: UNPACKED_MAX,
};

/// The parameters of an action, and the zip among them.
pub(super) struct Parameters {
    pub(super) input: Input,
    pub(super) code: Option<Staging>,
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, Refused> {
        Once::take(head)
    }
}

/// Names the action by the head alone: the parameter of a GET, else the header.
pub(crate) fn resolve(head: &Parts) -> Option<Cow<'_, str>> {
    if head.method == Method::GET {
        let query = Params::parse(head.uri.query().unwrap_or_default());
        if let Some(action) = query.get("Action") {
            return Some(action.to_owned().into());
        }
    }
    header(head, "x-tc-action").map(Cow::Borrowed)
}

/// Reads the parameters, which may include action and version.
pub(crate) fn parse<'a>(
    app: &'a App,
    head: &'a Parts,
    body: Spool,
) -> Pin<Box<dyn Future<Output = Result<Parsed, Refused>> + Send + 'a>> {
    Box::pin(async move {
        let parameters = read(app, head, body).await?;
        let input = &parameters.input;
        // Parameters take precedence: they are signed, and these headers are not.
        let name = input.text("Action")?.or(header(head, "x-tc-action"));
        let name = name.ok_or_else(|| ApiError::missing("Action"))?.to_owned();
        match input.text("Version")?.or(header(head, "x-tc-version")) {
            Some(VERSION) => {}
            Some(other) => return Err(ApiError::wrong_version(other).into()),
            None => return Err(ApiError::missing("Version").into()),
        }
        let mut extensions = Extensions::new();
        extensions.insert(Once::new(parameters));
        Ok(Parsed { name, extensions })
    })
}

/// Replaces the request id in a cached answer, where it is the last member.
pub(crate) fn renew(call: &Call, body: &Bytes) -> Bytes {
    let mut id = Uuid::encode_buffer();
    let id = call.request_id.hyphenated().encode_lower(&mut id).as_bytes();
    let Some(before) = body.len().checked_sub(id.len() + END) else { return body.clone() };
    [&body[..before], id, &body[body.len() - END..]].concat().into()
}

async fn read(app: &App, head: &Parts, body: Spool) -> Result<Parameters, Refused> {
    if head.method == Method::GET {
        let query = head.uri.query().unwrap_or_default().to_owned();
        return read_form(app, Spool::from_bytes(query.into())).await;
    }
    if header(head, "content-type").is_some_and(|kind| kind.starts_with("multipart/")) {
        return Err(ApiError::multipart().into());
    }
    if is_form(head) {
        return read_form(app, body).await;
    }
    if body.is_empty() {
        return Ok(Parameters { input: Input::from_pairs(&Params::default()), code: None });
    }
    let upload = upload::read_json(app, body, CODE).await.map_err(ApiError::from)?;
    Ok(Parameters { input: Input::from_json(upload.fields)?, code: upload.staging })
}

async fn read_form(app: &App, form: Spool) -> Result<Parameters, Refused> {
    let (pairs, code) = upload::read_form(app, form, CODE).await?;
    Ok(Parameters { input: Input::from_pairs(&pairs), code })
}

/// Whether the body of a POST is a form, which names its action itself.
///
/// By v1 the media type decides nothing: one client labels its forms JSON (tencent.md section 0).
/// V3 covers the media type, but not the header with the action: an attacker that removes the
/// header must not turn JSON into a form.
fn is_form(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_labelled = kind.get(..FORM.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(FORM));
    !head.headers.contains_key("x-tc-action") && (is_labelled || !auth::is_v3(head))
}

fn header<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::dialects::signing::mutations::Sample;

    #[test]
    fn a_cached_answer_gets_the_new_request_s_id() {
        let (head, ()) = Request::new(()).into_parts();
        let mut call = Sample::call(&head, None);
        call.request_id = Uuid::from_u128(7);
        let with =
            |id: Uuid| Bytes::from(format!(r#"{{"Response":{{"A":1,"RequestId":"{id}"}}}}"#));
        assert_eq!(renew(&call, &with(Uuid::nil())), with(Uuid::from_u128(7)));
        let short = Bytes::from_static(b"{}");
        assert_eq!(renew(&call, &short), short);
    }
}
