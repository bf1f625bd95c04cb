//! JSON as Go writes it, and times as this cloud does (openyuanrong.md sections 2 and 5).

use std::io::{self, Write};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use jiff::fmt::strtime;
use memchr::memchr3;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use crate::domain::{CatalogError, Timestamp};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = labelled(Response::new(Body::from(render(value))));
    *response.status_mut() = status;
    response
}

/// Sets this cloud's media type on an answer that was rendered elsewhere.
pub(crate) fn labelled(mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Renders a part of an answer whose other parts hold nothing that Go escapes.
pub(crate) fn part(value: &impl Serialize) -> Result<Box<RawValue>, CatalogError> {
    let text = String::from_utf8(render(value)).map_err(CatalogError::internal)?;
    RawValue::from_string(text).map_err(CatalogError::internal)
}

fn render(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::with_capacity(2048);
    // The wire types have text keys and finite numbers, and memory takes every byte.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut text, GoFormatter));
    text
}

/// Escapes a text for HTML as Go does.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Escapes what Go escapes so that JSON can stand in HTML and JavaScript.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        if memchr3(b'<', b'>', b'&', bytes).is_none() && memchr::memchr(0xE2, bytes).is_none() {
            return writer.write_all(bytes);
        }
        let mut written = 0;
        for (at, letter) in fragment.char_indices() {
            if matches!(letter, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') {
                writer.write_all(&bytes[written..at])?;
                write!(writer, "\\u{:04x}", u32::from(letter))?;
                written = at + letter.len_utf8();
            }
        }
        writer.write_all(&bytes[written..])
    }
}

/// Spells a time in UTC with three digits of a fraction.
pub(crate) fn time(time: Timestamp) -> String {
    strtime::format("%Y-%m-%d %H:%M:%S%.3f UTC", time).unwrap_or_default()
}

/// Spells a head's stamp: date, time and milliseconds, these without zeros at their end.
pub(crate) fn revision(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let time = time.unwrap_or_default();
    let second = strtime::format("%Y%m%d%H%M%S", time).unwrap_or_default();
    let fraction = format!("{:03}", milliseconds % 1000);
    second + fraction.trim_end_matches('0')
}

/// Makes a name for a version whose publication states none.
pub(crate) fn version_name(time: Timestamp) -> String {
    strtime::format("v%Y%m%d-%H%M%S", time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_escaped_as_go_does() {
        let mut text = Vec::new();
        let value = "a<b>&\"\n\u{2028}\u{2029}…层";
        value.serialize(&mut Serializer::with_formatter(&mut text, GoFormatter)).unwrap();
        let expected = r#""a\u003cb\u003e\u0026\"\n\u2028\u2029…层""#;
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn times_and_revisions() {
        let moment: Timestamp = "2026-11-21T16:47:08.66Z".parse().unwrap();
        assert_eq!(time(moment), "2026-11-21 16:47:08.660 UTC");
        assert_eq!(version_name(moment), "v20261121-164708");
        let base = moment.as_millisecond() as u64 - 660;
        let spelled = [661, 170, 500, 0, 7].map(|milliseconds| revision(base + milliseconds));
        let fractions = ["661", "17", "5", "", "007"];
        assert_eq!(spelled, fractions.map(|fraction| format!("20261121164708{fraction}")));
    }
}
