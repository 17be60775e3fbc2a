//! A bar chart of block characters, in one line, for channels that show no pictures.

/// What is not zero begins one step above the line. All of one width in nearly every font, which a blank or a dot is not.
const STEPS: [char; 7] = ['▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Zero.
const LINE: char = '▁';

/// Below zero, however far.
const BELOW: char = '▼';

/// One character per value: `▁` for zero, `▂` to `█` up to the greatest value, `▼` below zero (refunds beyond sales).
pub fn bars(values: &[i64]) -> String {
    let greatest = i128::from(values.iter().copied().max().unwrap_or(0));
    values.iter().map(|value| block(i128::from(*value), greatest)).collect()
}

fn block(value: i128, greatest: i128) -> char {
    match value {
        0 => LINE,
        ..0 => BELOW,
        _ => {
            let steps = STEPS.len() as i128;
            let step = (value * steps + greatest - 1) / greatest;
            STEPS[usize::try_from(step - 1).unwrap_or(0).min(STEPS.len() - 1)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_a_block_of_its_height() {
        assert_eq!(bars(&[0, 1, 2, 3, 4, 5, 6, 7]), "▁▂▃▄▅▆▇█");
        assert_eq!(bars(&[0, 100, 50, 14, 15]), "▁█▅▂▃");
    }

    #[test]
    fn the_least_order_is_seen_beside_a_flood() {
        assert_eq!(bars(&[1, 0, i64::MAX]), "▂▁█");
    }

    #[test]
    fn a_day_below_zero_is_seen() {
        assert_eq!(bars(&[10, -1, 0, i64::MIN]), "█▼▁▼");
        assert_eq!(bars(&[-3]), "▼");
    }

    #[test]
    fn nothing_at_all_is_a_line() {
        assert_eq!(bars(&[0; 24]), "▁".repeat(24));
        assert_eq!(bars(&[]), "");
    }
}
