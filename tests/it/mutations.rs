//! Signed requests to every dialect with a few bytes changed: a change in a part that the scheme
//! covers is refused. The random numbers are the same in every run.

use layerbase::config::Auth;
use layerbase::domain::Role;

use crate::clouds::{CLOUDS, Cloud, Scheme};
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, raw, zips};

const KEY: TestKey = TestKey { id: "WRITER01", secret: "secret-of-writer", tenant: "default" };

const OTHER: TestKey = TestKey { id: "OTHER001", secret: "secret-of-another", tenant: "other" };

/// Number of changed requests of each kind.
const ROUNDS: usize = 250;

/// Returns every scheme of every cloud.
fn schemes() -> impl Iterator<Item = (&'static dyn Cloud, &'static Scheme)> {
    CLOUDS.into_iter().flat_map(|cloud| cloud.schemes().iter().map(move |scheme| (cloud, scheme)))
}

/// Returns the part of a header's value that its scheme distinguishes; blanks around a value are
/// never part of it. Two requests with equal meanings may both be accepted with one signature.
fn meaning(scheme: &Scheme, name: &str, value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    std::str::from_utf8(value)
        .map_or_else(|_| value.to_vec(), |text| (scheme.meaning)(name, text).into_bytes())
}

/// A random number generator with a fixed seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    /// Returns a byte that HTTP allows inside a header's value.
    fn byte(&mut self) -> u8 {
        const MEANINGFUL: &[u8] = b" /%&=?;:,.+-_~*{}\"\\\taZ09";
        match self.below(4) {
            0 => b' ' + self.below(95) as u8,
            1 => 128 + self.below(128) as u8,
            _ => MEANINGFUL[self.below(MEANINGFUL.len())],
        }
    }

    /// Flips, replaces, removes or inserts a byte, or cuts the rest off.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (at, byte) = (self.below(bytes.len()), self.byte());
        match self.below(5) {
            0 => bytes.insert(at, byte),
            1 => drop(bytes.remove(at)),
            2 => bytes[at] = byte,
            3 => {
                let flipped = bytes[at] ^ 1 << self.below(8);
                bytes[at] = if matches!(flipped, 0..=31 | 127) { byte } else { flipped };
            }
            _ => bytes.truncate(at),
        }
    }
}

/// A request whose headers may be any bytes.
#[derive(Clone)]
struct Raw {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Raw {
    fn new(request: Request, server: &TestServer) -> Self {
        let host = ("host".to_owned(), raw::authority(server.base()).into());
        let headers = request.headers.into_iter();
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.into_bytes()));
        let headers = headers.chain([host]).collect();
        Self { method: request.method, path: request.path, headers, body: request.body }
    }

    fn send(&self, server: &TestServer) -> Answer {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend(&self.body);
        raw::answer(&mut raw::sent(server.base(), &bytes))
    }

    /// Returns the meanings of the headers that a scheme covers.
    fn meanings(&self, scheme: &Scheme) -> Vec<(String, Vec<u8>)> {
        let covered = self.headers.iter().filter(|(name, _)| scheme.covered.contains(&&**name));
        covered.map(|(name, value)| (name.clone(), meaning(scheme, name, value))).collect()
    }
}

/// Checks that an answer is the cloud's refusal of an unauthenticated request.
fn assert_refused(cloud: &dyn Cloud, scheme: &Scheme, answer: &Answer) {
    let (status, text) = (answer.status, answer.text());
    assert!(cloud.is_refusal(answer), "{}: {status} {text}", scheme.name);
}

fn server() -> TestServer {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    for key in [KEY, OTHER] {
        server.add_key(key.id, key.secret, key.tenant, Role::Write);
    }
    server
}

/// Returns the list request and the publication of a cloud, signed with a key.
fn signed(server: &TestServer, cloud: &dyn Cloud, scheme: &Scheme, key: TestKey) -> [Raw; 2] {
    [cloud.listing(), cloud.publishing(&zips::vector("tencent"))]
        .map(|request| Raw::new((scheme.sign)(key, request, server.base(), server.now()), server))
}

#[test]
fn request_changed_after_signing_is_refused() {
    let (server, mut random) = (server(), Random(0x5EED));
    for (cloud, scheme) in schemes() {
        let (name, names) = (scheme.name, scheme.covered);
        let before = server.footprint();
        let (mut refused, mut same) = (0, 0);
        let [listing, publishing] = signed(&server, cloud, scheme, KEY);
        for (original, is_listing) in [(listing, true), (publishing, false)] {
            // Only headers that the request has: a list has no `Content-Type`.
            let places: Vec<usize> = (0..original.headers.len())
                .filter(|at| names.contains(&&*original.headers[*at].0))
                .collect();
            for _ in 0..ROUNDS {
                let (mut changed, at) = (original.clone(), places[random.below(places.len())]);
                match random.below(20) {
                    // A request without `Host` is refused by HTTP itself.
                    0 if changed.headers[at].0 != "host" => drop(changed.headers.remove(at)),
                    _ => random.change(&mut changed.headers[at].1),
                }
                let is_same = changed.meanings(scheme) == original.meanings(scheme);
                if !is_same {
                    assert_refused(cloud, scheme, &changed.send(&server));
                    refused += 1;
                } else if is_listing {
                    // Accepted. Only lists are sent: they change nothing.
                    let answer = changed.send(&server);
                    let is_in = answer.status == 200 && !answer.text().contains("Error\":");
                    assert!(is_in, "{name}: {}", answer.text());
                    same += 1;
                }
            }
        }
        assert!(refused > ROUNDS, "{name}: {refused} refused, {same} the same");
        assert_eq!(server.footprint(), before, "{name}");
    }
}

#[test]
fn signature_is_bound_to_key_and_method() {
    let server = server();
    let before = server.footprint();
    for (cloud, scheme) in schemes() {
        let by_other = TestKey { id: OTHER.id, tenant: OTHER.tenant, ..KEY };
        let by_nobody = TestKey { id: "NOBODY01", tenant: "nobody", ..KEY };
        for key in [by_other, by_nobody] {
            for request in signed(&server, cloud, scheme, key) {
                assert_refused(cloud, scheme, &request.send(&server));
            }
        }
        if scheme.is_bound_to_method {
            let [_, mut publishing] = signed(&server, cloud, scheme, KEY);
            publishing.method = "GET".to_owned();
            assert_refused(cloud, scheme, &publishing.send(&server));
        }
    }
    assert_eq!(server.footprint(), before);
    for (cloud, scheme) in schemes() {
        let name = scheme.name;
        for request in signed(&server, cloud, scheme, KEY) {
            let answer = request.send(&server);
            assert!(matches!(answer.status, 200 | 201), "{name}: {}", answer.text());
            assert!(!answer.text().contains("Error\":"), "{name}: {}", answer.text());
        }
    }
}
