//! Authorization of every cloud: headers, queries, tokens and signed forms.
//!
//! Two servers have the same catalog and the same ids of keys, but other secrets. The seeds are
//! signed with the secrets of one. No request, however it is changed, may get anything out of the
//! other; on the one, readers change nothing.

use super::requests::Parsed;
use super::world::{Answer, MARKER, World};

/// Ids and secrets: those of `tests/golden/*/_auth` and of the clients in `tests/it/clouds`.
pub const KEYS: [(&str, &str); 6] = [
    ("LTAItestAccessKey0001", "testSecret/AbCdEf0123456789xyz"),
    ("AKEXAMPLE0001", "SKEXAMPLE0001secret"),
    ("AKVECTOR000000000001", "SKvector0000000000000000000000000000000001"),
    ("AKIDEXAMPLE0000000000000000000000001", "SKEXAMPLE00000000000000000000001"),
    ("TESTKEY0", "fake-secret-key"),
    ("WRITER01", "secret-of-writer"),
];

thread_local! {
    static KNOWN: World = World::with_keys(&KEYS);
    static OTHER: World = World::with_keys(&KEYS.map(|(id, _)| (id, "another-secret-than-that")));
}

/// Checks a request, as text.
pub fn check(data: &[u8]) {
    let Some(request) = Parsed::parse(data) else { return };
    if let Some(answer) = OTHER.with(|world| ask(world, &request)) {
        let is_said = data.windows(MARKER.len()).any(|text| text == MARKER.as_bytes());
        let is_shown = answer.text().contains(MARKER) && !is_said;
        assert!(!is_shown, "shown without a key: {}", answer.text());
        ask_known(&request);
    }
}

/// Returns the answer of the server whose secrets the seeds are signed with.
pub fn answer(data: &[u8]) -> Option<Answer> {
    ask_known(&Parsed::parse(data)?)
}

fn ask_known(request: &Parsed) -> Option<Answer> {
    KNOWN.with(|world| ask(world, request))
}

fn ask(world: &World, request: &Parsed) -> Option<Answer> {
    world.set_clock(request.at);
    let answer = world.ask(request.request()?);
    assert_eq!(world.changes(), 0, "a reader or a stranger changed the catalog");
    Some(answer)
}
