//! Download links: what the server did not issue is refused, whatever it looks like.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Uri;
use layerbase::dialects::links::verify;
use layerbase::domain::Timestamp;
use percent_encoding::percent_decode_str;

use super::world::{LINK_SECRET, START, World, code};

/// Links as the server issues them at the start; the seeds are these and changed ones.
pub const ISSUED: [&str; 2] = [
    include_str!("../seeds/links/issued_demo.txt"),
    include_str!("../seeds/links/issued_py_tools.txt"),
];

thread_local! {
    static WORLD: World = World::open();
}

/// What a link says, decoded, with its signature.
#[derive(Debug, PartialEq, Eq)]
struct Meaning {
    content: String,
    file: Vec<u8>,
    tenant: String,
    expires: i64,
    /// The stated media type; each has a signing key of its own.
    media: Option<String>,
    signature: String,
}

impl Meaning {
    fn of(uri: &Uri) -> Option<Self> {
        let query = uri.query()?.as_bytes();
        let first = |name: &str| {
            let mut pairs = form_urlencoded::parse(query);
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let (content, file) = uri.path().strip_prefix("/code/")?.split_once('/')?;
        Some(Self {
            content: content.to_ascii_lowercase(),
            file: percent_decode_str(file).collect(),
            tenant: first("tenant")?,
            expires: first("expires")?.parse().ok()?,
            media: first("response-content-type"),
            signature: first("signature")?.to_ascii_lowercase(),
        })
    }
}

/// Checks a path with its query.
pub fn check(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else { return };
    let now = Timestamp::from_second(START).expect("a time");
    let verified = verify(&LINK_SECRET, &uri, now);
    let issued = ISSUED.map(|link| Meaning::of(&link.parse().expect("an address")));
    let meaning = Meaning::of(&uri);
    let is_issued = meaning.is_some() && issued.contains(&meaning);
    assert_eq!(verified.is_ok(), is_issued, "{uri}: {verified:?}");
    assert!(verify(&[8; 32], &uri, now).is_err(), "{uri}: with another secret");
    if let (true, Some(meaning)) = (is_issued, meaning) {
        let end = Timestamp::from_second(meaning.expires).expect("a time");
        assert!(verify(&LINK_SECRET, &uri, end).is_err(), "{uri}: after its end");
    }
    let is_path = uri.authority().is_none();
    let request = Request::get(uri).header("host", "127.0.0.1:8470").body(Body::empty());
    let Some(request) = request.ok().filter(|_| is_path) else { return };
    let answer = WORLD.with(|world| world.ask(request));
    if answer.body == code() {
        assert!(is_issued, "served without a link");
    }
}
