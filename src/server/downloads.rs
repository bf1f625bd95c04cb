//! Download links: verifies the link's signature and streams the file.
//!
//! Knows HTTP ranges and `ETag`. Must not know keys or tenants: the link is the permission.

use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use http_range_header::{EndPosition, RangeUnsatisfiableError, StartPosition};

use crate::app::App;
use crate::catalog::Content;
use crate::dialects::RETRY_SECONDS;
use crate::dialects::links::{self, LinkRefusal, Media};
use crate::domain::{Artifact, CatalogError};

/// Serves `/code/{sha256}/{file}?tenant=…&expires=…&signature=…`.
///
/// Errors are XML as the clouds' object stores write it, since the clouds' own links lead to those
/// (tencent.md section 3.3).
pub(super) async fn download(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let stamp = match app.stamp().await {
        Ok(stamp) => stamp,
        Err(failure) => return failed(&failure),
    };
    let (sha256, media) = match links::verify(&stamp.access.link_secret, &uri, app.clock().now()) {
        Ok(verified) => verified,
        Err(LinkRefusal::Expired) => {
            return refuse(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired");
        }
        Err(LinkRefusal::Invalid) => {
            let message = "The request signature does not match this link";
            return refuse(StatusCode::FORBIDDEN, "AccessDenied", message);
        }
    };
    match app.read(|catalog| catalog.get_code(&sha256)).await {
        Ok((code, content)) => serve_code(&app, &code, media, content, &method, &headers).await,
        Err(CatalogError::NotFound { .. }) => gone(),
        Err(failure) => failed(&failure),
    }
}

fn gone() -> Response {
    refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
}

fn failed(failure: &CatalogError) -> Response {
    tracing::error!(?failure, "a download failed");
    if let CatalogError::Unavailable { .. } = failure {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = refuse(status, "ServiceUnavailable", &failure.to_string());
        response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
        return response;
    }
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "An internal error has occurred.")
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>{message}</Message></Error>\n"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Streams a stored content, or the one requested range of it (RFC 9110 sections 13 and 14).
///
/// The content of a digest never changes, so its SHA-256 is a strong `ETag`.
async fn serve_code(
    app: &App,
    code: &Artifact,
    media: Media,
    content: Content,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let etag = format!("\"{}\"", hex::encode(code.digests.sha256));
    let mut response = Response::default();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media.as_str()));
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Hexadecimal in quotes is a valid header.
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        fields.insert(ETAG, etag);
    }
    if text(headers, IF_NONE_MATCH).is_some_and(|stated| matches_etag(stated, &etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let ranges_hold = text(headers, IF_RANGE).is_none_or(|stated| stated == etag);
    let range = match text(headers, RANGE).filter(|_| ranges_hold) {
        Some(range) => match one_range(range, code.size) {
            Some(Ok(range)) => Some(range),
            Some(Err(())) => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                let whole = format!("bytes */{}", code.size);
                insert(&mut response, CONTENT_RANGE, &whole);
                return response;
            }
            None => None,
        },
        None => None,
    };
    let (first, length) = match range {
        Some((first, last)) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(&mut response, CONTENT_RANGE, &format!("bytes {first}-{last}/{}", code.size));
            (first, last - first + 1)
        }
        None => (0, code.size),
    };
    insert(&mut response, CONTENT_LENGTH, &length.to_string());
    if method == Method::HEAD {
        return response;
    }
    match app.stream(content, first..first + length).await {
        Ok(bytes) => {
            *response.body_mut() = Body::from_stream(bytes);
            response
        }
        Err(failure) => failed(&failure),
    }
}

fn text(headers: &HeaderMap, name: axum::http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn insert(response: &mut Response, name: axum::http::HeaderName, value: &str) {
    // Digits, spaces and signs are a valid header.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn matches_etag(stated: &str, etag: &str) -> bool {
    stated.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag)
}

/// Parses a `Range` header into first and last byte; `Err` if it cannot be satisfied.
///
/// `None` if the header is to be ignored: it is malformed, or names several ranges.
fn one_range(header: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let ranges = match http_range_header::parse_range_header(header) {
        Ok(ranges) => ranges.ranges,
        Err(RangeUnsatisfiableError::ZeroSuffix) if !header.contains(',') => return Some(Err(())),
        Err(_) => return None,
    };
    let [range] = &ranges[..] else { return None };
    let end = size.checked_sub(1);
    let (first, last) = match (range.start, range.end) {
        (StartPosition::Index(first), EndPosition::Index(last)) if last < first => return None,
        (StartPosition::Index(first), EndPosition::Index(last)) => {
            (first, end.map(|end| end.min(last)))
        }
        (StartPosition::Index(first), EndPosition::LastByte) => (first, end),
        // A suffix that is longer than the content is all of it (RFC 9110 section 14.1.2).
        (StartPosition::FromLast(length), _) => (size.saturating_sub(length), end),
    };
    Some(last.filter(|last| first <= *last).map(|last| (first, last)).ok_or(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_catalog_is_a_temporary_fault() {
        let locked = CatalogError::Unavailable { what: "the catalog", source: "/path".into() };
        for (failure, status) in [(locked, 503), (CatalogError::internal("/path"), 500)] {
            let response = failed(&failure);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503);
        }
    }

    #[test]
    fn ranges_are_parsed_as_in_rfc_9110() {
        for (header, expected) in [
            ("bytes=0-4", Some(Ok((0, 4)))),
            ("bytes=5-", Some(Ok((5, 9)))),
            ("bytes=-3", Some(Ok((7, 9)))),
            ("bytes=-10", Some(Ok((0, 9)))),
            ("bytes=-65536", Some(Ok((0, 9)))),
            ("bytes=-18446744073709551615", Some(Ok((0, 9)))),
            ("bytes=8-20", Some(Ok((8, 9)))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=10-20", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=5-3", None),
            ("bytes=-0,1-2", None),
            ("bytes=-", None),
            ("bytes=0-1,3-4", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(one_range(header, 10), expected, "{header}");
        }
        assert_eq!(one_range("bytes=-1", 0), Some(Err(())));
    }

    #[test]
    fn etags_match_in_lists_and_weakly() {
        for (stated, same) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
        ] {
            assert_eq!(matches_etag(stated, "\"a\""), same, "{stated}");
        }
    }
}
