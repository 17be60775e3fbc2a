//! How many cases and rounds a test draws: few in `cargo test`, and as many times more as `ORDERBELL_TIMES` says.

use proptest::test_runner::Config;

/// So many cases of a property. A failure prints its case; no file is left behind.
pub fn cases(few: u32) -> Config {
    Config { failure_persistence: None, cases: few * times(), ..Config::default() }
}

/// How many times more than in `cargo test`.
pub fn times() -> u32 {
    std::env::var("ORDERBELL_TIMES").map_or(1, |text| text.parse().expect("ORDERBELL_TIMES is a number"))
}
