//! Shared by the benches: the command line, the rounds, medians, and the modules below.
//!
//! Must not know the budgets; each bench states its own.

pub mod catalog;
pub mod limits;
pub mod load;
pub mod process;
pub mod requests;
pub mod table;
pub mod zips;

use std::time::Duration;

use tempfile::TempDir;

/// The number and length of the rounds.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Whether the run only shows that the bench works: few rounds, small sizes.
    pub quick: bool,
    /// Number of rounds; the median of the rounds is the result.
    pub rounds: usize,
    /// Length of one round.
    pub round: Duration,
}

/// Reads the command line; returns `None` when this process has nothing to measure.
///
/// A bench starts its own program again as the server of a limit (see [`limits`]). It does nothing
/// under `cargo test --all-targets`, which does not pass `--bench`.
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

/// Returns the value after `name` on the command line.
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Creates a folder in `target/`, so that servers and limits write to the same file system.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target/tmp can be written")
}

/// Returns the median.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => numbers[odd / 2],
        even => f64::midpoint(numbers[even / 2 - 1], numbers[even / 2]),
    }
}

/// Returns the median of the ratios `a / b` of each round.
///
/// If the machine slows down for some rounds, this changes less than the ratio of the medians.
pub fn median_ratio(a: &[f64], b: &[f64]) -> f64 {
    median(a.iter().zip(b).map(|(a, b)| a / b))
}
