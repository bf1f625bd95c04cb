//! What the benches share: how one is begun, its rounds, and the parts below.
//!
//! Knows nothing of a budget; each bench states its own.

pub mod catalog;
pub mod limits;
pub mod load;
pub mod process;
pub mod table;
pub mod zips;

use std::time::Duration;

use tempfile::TempDir;

/// How thoroughly to measure.
#[derive(Clone, Copy)]
pub struct Plan {
    /// A run that only shows that the bench works: few rounds, small sizes.
    pub quick: bool,
    /// Times that each thing is measured; the median counts.
    pub rounds: usize,
    /// How long requests are sent in one round.
    pub round: Duration,
}

/// Reads the command line; `None` when there is nothing to measure in this process.
///
/// A bench runs itself again as the server that its limit is measured on (see [`limits`]), and does
/// nothing under `cargo test --all-targets`, which leaves `--bench` out.
pub fn begin() -> Option<Plan> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if arguments.first().is_some_and(|first| first == limits::COMMAND) {
        limits::serve(&arguments[1..]);
        return None;
    }
    if !has("--bench") {
        println!("a bench: run it by `cargo bench`");
        return None;
    }
    let quick = has("--quick");
    Some(if quick {
        Plan { quick, rounds: 3, round: Duration::from_millis(200) }
    } else {
        Plan { quick, rounds: 15, round: Duration::from_millis(500) }
    })
}

/// Makes a folder below `target/`, so that servers and limits write to one file system.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target/tmp can be written")
}

/// The middle of some numbers.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => numbers[odd / 2],
        even => f64::midpoint(numbers[even / 2 - 1], numbers[even / 2]),
    }
}

/// The median of `a / b` taken round by round, which a machine that slows down and recovers moves
/// less than the ratio of the medians.
pub fn median_ratio(a: &[f64], b: &[f64]) -> f64 {
    median(a.iter().zip(b).map(|(a, b)| a / b))
}
