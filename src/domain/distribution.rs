//! How often a value lay within which bounds: a histogram that any thread adds to without waiting for another.

use std::sync::atomic::{AtomicU64, Ordering};

/// Sums are kept in millionths.
const MILLIONTHS: f64 = 1e6;

/// A histogram.
#[derive(Debug)]
pub struct Distribution {
    /// Upper bounds, each included, in rising sequence; what is larger counts besides.
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Frequencies {
    /// How many values are at most each bound, the smaller ones included.
    pub up_to: Vec<(f64, u64)>,
    pub count: u64,
    pub sum: f64,
}

impl Distribution {
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Adds a value; a negative one, as of a clock that was set back, counts as nothing.
    pub fn observe(&self, value: f64) {
        let value = value.max(0.0);
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        // Saturates, as casts do.
        self.sum.fetch_add((value * MILLIONTHS).round() as u64, Ordering::Relaxed);
    }

    pub fn frequencies(&self) -> Frequencies {
        let mut count = 0;
        let mut counts = self.counts.iter().map(|one| {
            count += one.load(Ordering::Relaxed);
            count
        });
        let up_to = self.bounds.iter().copied().zip(counts.by_ref()).collect();
        let count = counts.last().unwrap_or_default();
        Frequencies { up_to, count, sum: self.sum.load(Ordering::Relaxed) as f64 / MILLIONTHS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_counts_at_its_bound_and_at_all_above() {
        let distribution = Distribution::new(&[0.1, 1.0, 10.0]);
        [0.1, 0.2, 1.0, 5.0, 11.0, -3.0].into_iter().for_each(|value| distribution.observe(value));
        let seen = distribution.frequencies();
        assert_eq!(seen.up_to, [(0.1, 2), (1.0, 4), (10.0, 5)]);
        assert_eq!((seen.count, seen.sum), (6, 17.3));
    }

    #[test]
    fn an_empty_one_has_nothing_at_any_bound() {
        let seen = Distribution::new(&[1.0]).frequencies();
        assert_eq!(seen, Frequencies { up_to: vec![(1.0, 0)], count: 0, sum: 0.0 });
    }
}
