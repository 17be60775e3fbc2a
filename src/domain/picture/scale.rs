//! The scale of a bar chart: round numbers for its lines, and how high a value stands between them.

/// From the lowest line to the highest one; zero is always among the lines.
#[derive(Debug, PartialEq)]
pub struct Scale {
    /// From the lowest to the highest.
    pub lines: Vec<i64>,
}

/// About so many steps; a few more when values lie on both sides of zero.
const STEPS: i128 = 4;

impl Scale {
    /// A scale for these values, of steps that are 1, 2 or 5 times a power of ten.
    pub fn of(values: impl Iterator<Item = i64> + Clone) -> Scale {
        let least = i128::from(values.clone().min().unwrap_or(0).min(0));
        let greatest = i128::from(values.max().unwrap_or(0).max(0));
        let step = round_step(greatest - least);
        let first = least.div_euclid(step);
        let last = -(-greatest).div_euclid(step);
        let line = |at: i128| (at * step).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Scale { lines: (first..=last).filter_map(|at| i64::try_from(line(at)).ok()).collect() }
    }

    /// Where a value stands: 0 at the lowest line, 1 at the highest.
    pub fn height(&self, value: i64) -> f32 {
        let (Some(lowest), Some(highest)) = (self.lines.first(), self.lines.last()) else { return 0.0 };
        let span = i128::from(*highest) - i128::from(*lowest);
        if span == 0 { 0.0 } else { ((i128::from(value) - i128::from(*lowest)) as f64 / span as f64) as f32 }
    }
}

/// The least round number that reaches over the span in [`STEPS`] steps; at least 1.
fn round_step(span: i128) -> i128 {
    let mut power = 1;
    loop {
        for digit in [1, 2, 5] {
            if digit * power * STEPS >= span {
                return digit * power;
            }
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(values: &[i64]) -> Vec<i64> {
        Scale::of(values.iter().copied()).lines
    }

    #[test]
    fn lines_are_round_numbers_and_enclose_all_values() {
        assert_eq!(lines(&[3, 18, 0]), [0, 5, 10, 15, 20]);
        assert_eq!(lines(&[1]), [0, 1]);
        assert_eq!(lines(&[150_000_025]), [0, 50_000_000, 100_000_000, 150_000_000, 200_000_000]);
    }

    #[test]
    fn values_below_zero_have_lines_of_their_own() {
        assert_eq!(lines(&[900, -150]), [-500, 0, 500, 1000]);
        assert_eq!(lines(&[-7, -3]), [-8, -6, -4, -2, 0]);
    }

    #[test]
    fn nothing_is_one_line_at_zero() {
        assert_eq!(lines(&[0, 0]), [0]);
        assert_eq!(lines(&[]), [0]);
        assert_eq!(Scale::of([0].into_iter()).height(0), 0.0);
    }

    #[test]
    fn the_greatest_numbers_do_not_overflow() {
        let lines = lines(&[i64::MAX, i64::MIN]);
        assert!(lines.first() == Some(&i64::MIN) && lines.last() == Some(&i64::MAX) && lines.contains(&0));
        let scale = Scale::of([i64::MAX, i64::MIN].into_iter());
        assert_eq!((scale.height(i64::MIN), scale.height(i64::MAX)), (0.0, 1.0));
    }
}
