//! What each fuzz target checks, as plain functions: `cargo fuzz` calls them with a nightly
//! compiler, `tests/it/fuzz.rs` on the seeds and their mutants with the ordinary one.

pub mod archive;
pub mod authorization;
pub mod chunks;
pub mod form;
pub mod identifiers;
pub mod json;
pub mod links;
pub mod multipart;
pub mod ranges;
mod requests;
mod uploads;
pub mod world;

/// A target: its name, which its seeds' folder and its file in `fuzz_targets` have too, and its
/// check, which panics at a fault.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 9] = [
    ("archive", archive::check),
    ("authorization", authorization::check),
    ("chunks", chunks::check),
    ("form", form::check),
    ("identifiers", identifiers::check),
    ("json", json::check),
    ("links", links::check),
    ("multipart", multipart::check),
    ("ranges", ranges::check),
];
