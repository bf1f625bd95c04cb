//! The generations of the API, which the dates in paths select (alibaba.md section 0).

/// The prefixes of all paths; the documents also print paths without a date.
pub(in crate::dialects::alibaba) const PREFIXES: [&str; 4] =
    ["", "/2016-08-15", "/2021-04-06", "/2023-03-30"];

/// Returns the text between the first slash of a path and the next one.
pub(in crate::dialects::alibaba) fn first_segment(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// The shape of requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialects::alibaba) enum Generation {
    /// 2016-08-15, and no date.
    First,
    /// 2021-04-06.
    Second,
    /// 2023-03-30, called FC 3.0.
    Third,
}

impl Generation {
    /// Reads the date in a path.
    pub(in crate::dialects::alibaba) fn of(path: &str) -> Self {
        match first_segment(path) {
            "2021-04-06" => Self::Second,
            "2023-03-30" => Self::Third,
            _ => Self::First,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_first_segment_is_the_date() {
        for path in ["/layers", "/2016-08-15/layers", "/2023-03-30x/layers", "/", ""] {
            assert_eq!(Generation::of(path), Generation::First, "{path}");
        }
        assert_eq!(Generation::of("/2021-04-06/layers"), Generation::Second);
        assert_eq!(Generation::of("/2023-03-30/"), Generation::Third);
    }
}
