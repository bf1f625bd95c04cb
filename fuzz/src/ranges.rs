//! Ranges of downloads: the header `Range` at a download link and at an object of the inbox.

use axum::body::Body;
use axum::extract::Request;

use super::world::{Answer, MARKER, World, code};

thread_local! {
    static WORLD: (World, [String; 2]) = {
        let world = World::open();
        let addresses = [link(&world), format!("/s3/{MARKER}/demo.zip")];
        (world, addresses)
    };
}

/// What RFC 9110 section 14 has for a header.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// These bytes, first and last.
    Part(usize, usize),
    /// All bytes, as a part or not.
    All,
    Unsatisfiable,
    /// The server may ignore or refuse it.
    Any,
}

/// Checks a header's value.
pub fn check(data: &[u8]) {
    let code = code();
    let expected = std::str::from_utf8(data).map_or(Expected::Any, |text| expect(text, code.len()));
    WORLD.with(|(world, addresses)| {
        for address in addresses {
            let request = Request::get(address).header("host", "127.0.0.1:8470");
            let Ok(request) = request.header("range", data).body(Body::empty()) else { return };
            assert_answer(&world.ask(request), &code, &expected);
        }
    });
}

/// Asks for the link of a layer.
fn link(world: &World) -> String {
    let request = Request::get("/api/v1/layers/demo/versions/1").header("host", "127.0.0.1:8470");
    let answer = world.ask(request.body(Body::empty()).expect("a request"));
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let link = answer["download_url"].as_str().expect("a link");
    link.split_once("/code/").map(|(_, rest)| format!("/code/{rest}")).expect("a path")
}

fn assert_answer(answer: &Answer, code: &[u8], expected: &Expected) {
    let range = answer.header("content-range");
    let part = match answer.status {
        200 => {
            assert_eq!((range, &answer.body[..]), (None, code));
            None
        }
        206 => {
            let range = range.and_then(|range| range.strip_prefix("bytes "));
            let range = range.and_then(|range| range.strip_suffix(&format!("/{}", code.len())));
            let (first, last) = range.and_then(|range| range.split_once('-')).expect("a range");
            let (first, last) = (first.parse().expect("first"), last.parse().expect("last"));
            assert_eq!(&answer.body[..], &code[first..=last]);
            Some((first, last))
        }
        400 | 416 => {
            assert!(matches!(expected, Expected::Unsatisfiable | Expected::Any), "{expected:?}");
            return;
        }
        other => panic!("{other}: {}", answer.text()),
    };
    match *expected {
        Expected::Part(first, last) => assert_eq!(part, Some((first, last))),
        Expected::All => assert!(part.is_none_or(|part| part == (0, code.len() - 1)), "{part:?}"),
        Expected::Unsatisfiable => panic!("{part:?} of {}", code.len()),
        Expected::Any => {}
    }
}

/// Reads the forms that have one meaning: one range of bytes, in lower case, without blanks and
/// without zeros in front.
fn expect(text: &str, size: usize) -> Expected {
    let number = |text: &str| {
        let is_number = (1..16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let is_number = is_number && (text == "0" || !text.starts_with('0'));
        text.parse::<usize>().ok().filter(|_| is_number)
    };
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Expected::Any;
    };
    match (first, number(first), last, number(last)) {
        // No range satisfies it; it may be ignored too.
        ("", _, _, Some(0)) => Expected::Any,
        ("", _, _, Some(last)) if last >= size => Expected::All,
        ("", _, _, Some(last)) => Expected::Part(size - last, size - 1),
        (_, Some(first), "", _) if first < size => Expected::Part(first, size - 1),
        (_, Some(_), "", _) => Expected::Unsatisfiable,
        (_, Some(first), _, Some(last)) if first > last => Expected::Any,
        (_, Some(first), _, Some(last)) if first < size => {
            Expected::Part(first, last.min(size - 1))
        }
        (_, Some(_), _, Some(_)) => Expected::Unsatisfiable,
        _ => Expected::Any,
    }
}

/// The reference is right about the examples of RFC 9110 section 14.1.2, of 10,000 bytes.
#[test]
fn the_reference_knows_the_examples() {
    for (text, expected) in [
        ("bytes=0-499", Expected::Part(0, 499)),
        ("bytes=500-999", Expected::Part(500, 999)),
        ("bytes=-500", Expected::Part(9500, 9999)),
        ("bytes=9500-", Expected::Part(9500, 9999)),
        ("bytes=-20000", Expected::All),
        ("bytes=10000-", Expected::Unsatisfiable),
        ("bytes=0-0,-1", Expected::Any),
    ] {
        assert_eq!(expect(text, 10_000), expected, "{text}");
    }
}
