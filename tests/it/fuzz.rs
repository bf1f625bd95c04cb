//! Runs each fuzz target on its seeds, and on changed ones: the same in every run.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use layerbase::domain::Timestamp;
use targets::TARGETS;
use targets::authorization::{self, KEYS};
use targets::world::MARKER;

use crate::clouds::{CLOUDS, s3};
use crate::support::sign::TestKey;
use crate::support::{Request, server, zips};

/// The address that the seeds are signed for.
const HOST: &str = "127.0.0.1:8470";

/// Changed seeds of a target.
const MUTANTS: usize = 500;

/// Changed seeds of a target that asks a server many times for each.
const FEW_MUTANTS: usize = 100;

/// Bytes of a seed at most, and seeds of a target: they are run in every test.
const SEED_MAX: usize = 64 << 10;
const SEEDS_MAX: usize = 60;

/// Rounds of changed seeds: `LAYERBASE_FUZZ_ROUNDS`, or one.
fn rounds() -> u64 {
    std::env::var("LAYERBASE_FUZZ_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

fn folder(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(below)
}

/// Returns a target's seeds by the names of their files.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder("seeds").join(target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// A random number generator with a fixed seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }

    /// Changes a seed in one to four places: flips a bit, replaces, inserts, repeats or removes
    /// bytes, cuts the end off, or continues as another seed does.
    fn mutant(&mut self, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].1.clone();
        for _ in 0..=self.below(4) {
            let (at, len) = (self.below(bytes.len()), self.below(8) + 1);
            let end = (at + len).min(bytes.len());
            match self.below(8) {
                0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 if !bytes.is_empty() => bytes[at] = [0, b'0', b'9', 0xff, b'%'][self.below(5)],
                3 => bytes.insert(at, self.below(256) as u8),
                4 => drop(bytes.drain(at..end)),
                5 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
                6 => bytes.truncate(at),
                _ => {
                    let other = &seeds[self.below(seeds.len())].1;
                    bytes.truncate(at);
                    bytes.extend(&other[self.below(other.len())..]);
                }
            }
        }
        bytes
    }
}

fn run(target: &str, mutants: usize) {
    let (name, check) = *TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let checked = |what: &str, bytes: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
            eprintln!("{name}, {what}: {:?}", bytes.escape_ascii().to_string());
            std::panic::resume_unwind(panic);
        }
    };
    let seeds = seeds(name);
    checked("no bytes", b"");
    seeds.iter().for_each(|(seed, bytes)| checked(seed, bytes));
    for round in 0..rounds() {
        let mut random = Random(0xF022 + round);
        for number in 0..mutants {
            checked(&format!("mutant {number} of {round}"), &random.mutant(&seeds));
        }
    }
}

macro_rules! targets {
    ($($target:ident: $mutants:ident,)*) => {
        const TESTED: &[&str] = &[$(stringify!($target)),*];

        $(
            #[test]
            fn $target() {
                run(stringify!($target), $mutants);
            }
        )*
    };
}

targets! {
    archive: MUTANTS,
    authorization: MUTANTS,
    chunks: FEW_MUTANTS,
    form: MUTANTS,
    identifiers: FEW_MUTANTS,
    json: MUTANTS,
    links: MUTANTS,
    multipart: MUTANTS,
    ranges: MUTANTS,
}

#[test]
fn each_target_is_built_has_seeds_and_is_tested() {
    let stems = |below: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder(below)).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("fuzz_targets"), names);
    assert_eq!(stems("seeds"), names);
    assert_eq!(TESTED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), names);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("\nname = \"{name}\"\n")), "{name} is not built");
        let seeds = seeds(&name);
        assert!((1..=SEEDS_MAX).contains(&seeds.len()), "{name} has {} seeds", seeds.len());
        for (seed, bytes) in seeds {
            assert!(bytes.len() <= SEED_MAX, "{name}/{seed} has {} bytes", bytes.len());
        }
    }
}

/// A request in the form of the seeds.
fn written(request: &Request) -> Vec<u8> {
    let mut text = format!("{} {}\n", request.method, request.path);
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    [text.as_bytes(), &request.body].concat()
}

/// Returns seeds that are let in, by name: the lists of the clients, and bodies in signed chunks.
/// Without them the target would know refusals alone.
fn signed() -> Vec<(String, Vec<u8>)> {
    let (id, secret) = KEYS[5];
    let key = TestKey { id, secret, tenant: "default" };
    let now = Timestamp::from_second(server::START).unwrap();
    let to_here = |request: Request| request.header("Host", HOST);
    let (base, mut signed) = (format!("http://{HOST}"), Vec::new());
    for cloud in CLOUDS {
        for scheme in cloud.schemes() {
            let name = format!("client_{}.txt", scheme.name.replace(", ", "_"));
            let request = (scheme.sign)(key, to_here(cloud.listing()), &base, now);
            signed.push((name, written(&request)));
        }
    }
    let put = Request::new("PUT", "/s3/code/demo.zip").body(zips::vector("tencent"));
    let put = s3::chunks(key, to_here(put), &base, now, 64);
    signed.push(("client_s3_chunks.txt".to_owned(), written(&put)));
    signed
}

#[test]
fn seeds_that_clients_sign_are_let_in() {
    let seeds: BTreeMap<String, Vec<u8>> = seeds("authorization").into_iter().collect();
    for (name, text) in signed() {
        let given = seeds.get(&name).map(|bytes| bytes.escape_ascii().to_string());
        assert_eq!(given, Some(text.escape_ascii().to_string()), "{name}");
        let answer = authorization::answer(&text).unwrap();
        let is_by_a_reader = answer.text().contains("the role read");
        let is_in = answer.text().contains(MARKER) || is_by_a_reader;
        assert!(is_in, "{name}: {} {}", answer.status, answer.text());
    }
}
