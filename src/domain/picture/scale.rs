//! The scale of a bar chart: round numbers for its lines, and how high a value stands between them.

/// From the least value, or zero, to a line above the greatest one, or zero, with lines at round numbers between.
#[derive(Debug, PartialEq)]
pub struct Scale {
    /// From the lowest to the highest; zero is always among them.
    pub lines: Vec<i64>,
    least: i64,
    /// Where the plot ends: the highest line.
    top: i64,
}

/// At most so many steps between the least and the greatest value.
const STEPS: i128 = 4;

impl Scale {
    /// A scale for these values, of steps that are 1, 2 or 5 times a power of ten.
    pub fn of(values: impl Iterator<Item = i64> + Clone) -> Scale {
        let least = values.clone().min().unwrap_or(0).min(0);
        let greatest = values.max().unwrap_or(0).max(0);
        let step = round_step(i128::from(greatest) - i128::from(least));
        // A bar that ended at the highest line would look cut off.
        let above = i128::from(greatest) / step + i128::from(greatest > 0);
        let steps = i128::from(least) / step..=above;
        let lines: Vec<i64> = steps.filter_map(|at| i64::try_from(at * step).ok()).collect();
        let top = lines.last().map_or(greatest, |line| greatest.max(*line));
        Scale { lines, least, top }
    }

    /// Where a value stands: 0 for the least, 1 for the highest line; 0 when all are zero.
    pub fn height(&self, value: i64) -> f32 {
        let above = |value: i64| (i128::from(value) - i128::from(self.least)) as f64;
        if self.is_empty() { 0.0 } else { (above(value) / above(self.top)) as f32 }
    }

    /// Whether all values are zero.
    pub fn is_empty(&self) -> bool {
        self.least == self.top
    }

    /// Whether there are values below zero.
    pub fn goes_below_zero(&self) -> bool {
        self.least < 0
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
    fn lines_are_round_numbers_up_to_one_above_the_greatest_value() {
        assert_eq!(lines(&[3, 18, 0]), [0, 5, 10, 15, 20]);
        assert_eq!(lines(&[3, 20, 0]), [0, 5, 10, 15, 20, 25]);
        assert_eq!(lines(&[3, 21, 0]), [0, 10, 20, 30]);
        assert_eq!(lines(&[1]), [0, 1, 2]);
        assert_eq!(lines(&[150_000_025]), [0, 50_000_000, 100_000_000, 150_000_000, 200_000_000]);
    }

    #[test]
    fn values_below_zero_have_lines_of_their_own() {
        assert_eq!(lines(&[900, -650]), [-500, 0, 500, 1_000]);
        assert_eq!(lines(&[900, -150]), [0, 500, 1_000]);
        assert_eq!(lines(&[-7, -3]), [-6, -4, -2, 0]);
    }

    #[test]
    fn values_stand_in_proportion() {
        let scale = Scale::of([-100, 0, 200].into_iter());
        assert_eq!(scale.lines, [-100, 0, 100, 200, 300]);
        assert_eq!([-100, 0, 100, 200, 300].map(|value| scale.height(value)), [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn nothing_is_one_line_at_zero() {
        assert_eq!(lines(&[0, 0]), [0]);
        assert_eq!(lines(&[]), [0]);
        assert_eq!(Scale::of([0].into_iter()).height(0), 0.0);
    }

    #[test]
    fn the_greatest_numbers_do_not_overflow() {
        let scale = Scale::of([i64::MAX, i64::MIN].into_iter());
        assert_eq!(scale.lines, [-5_000_000_000_000_000_000, 0, 5_000_000_000_000_000_000]);
        assert_eq!((scale.height(i64::MIN), scale.height(i64::MAX)), (0.0, 1.0));
    }
}
