//! Whether a body may hold a key-like name at all: most hold none, and each is looked at.
//!
//! Shift-And: a word has a bit for each byte of each trace. With each byte of the body, the bits of what has come so far of a
//! trace move up by one, where that is its next byte. An automaton takes three times as long, because each of its steps waits
//! for the memory that the one before names.

/// A body without one of these, in whatever case, holds none of the names. The last one begins an escape, which may hide a
/// letter of a name.
const TRACES: [&str; 13] =
    ["key", "licen", "secret", "pass", "pwd", "cdk", "token", "activat", "registr", "密", "激活码", "注册", r"\u"];

/// The longest trace but one byte: so much two pieces of a body must share, that no trace is cut in two.
const SHARED: usize = 8;
/// As many pieces are looked at by turns, so that the processor need not wait for one.
const PIECES: usize = 4;
/// A shorter body is one piece.
const SHORT: usize = 256;

/// For each byte, where in a trace it may stand.
static PLACES: [u64; 256] = places();
/// The first bytes of the traces, and the last ones.
const FIRST: u64 = ends().0;
const LAST: u64 = ends().1;

const fn places() -> [u64; 256] {
    let (mut places, mut bit, mut trace) = ([0; 256], 0, 0);
    while trace < TRACES.len() {
        let bytes = TRACES[trace].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            places[bytes[at] as usize] |= 1 << bit;
            places[bytes[at].to_ascii_uppercase() as usize] |= 1 << bit;
            (bit, at) = (bit + 1, at + 1);
        }
        trace += 1;
    }
    places
}

const fn ends() -> (u64, u64) {
    let (mut first, mut last, mut bit, mut trace) = (0, 0, 0, 0);
    while trace < TRACES.len() {
        first |= 1 << bit;
        bit += TRACES[trace].len();
        last |= 1 << (bit - 1);
        trace += 1;
    }
    (first, last)
}

/// Whether a body holds one of the traces.
pub fn has_trace(body: &[u8]) -> bool {
    if body.len() < SHORT {
        return body.iter().fold((0, 0), step).1 & LAST != 0;
    }
    let length = body.len() / PIECES + SHARED;
    let piece = |number: usize| {
        let begin = (body.len() / PIECES * number).min(body.len() - length);
        &body[begin..begin + length]
    };
    let [one, two, three, four] = [piece(0), piece(1), piece(2), piece(3)];
    let mut states = [(0, 0); PIECES];
    for (((one, two), three), four) in one.iter().zip(two).zip(three).zip(four) {
        states = [step(states[0], one), step(states[1], two), step(states[2], three), step(states[3], four)];
    }
    states.iter().any(|(_, seen)| seen & LAST != 0)
}

/// What has come of the traces, and all that ever has.
fn step((come, seen): (u64, u64), byte: &u8) -> (u64, u64) {
    let come = (come << 1 | FIRST) & PLACES[usize::from(*byte)];
    (come, seen | come)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_traces_fit_a_word() {
        assert!(TRACES.iter().map(|trace| trace.len()).sum::<usize>() <= 64);
        assert!(TRACES.iter().all(|trace| trace.len() <= SHARED + 1));
    }

    proptest! {
        #[test]
        fn a_trace_is_found_wherever_it_stands_and_in_whatever_case(
            number in 0..TRACES.len(), before in "[ -Z]{0,700}", after in "[ -Z]{0,700}", is_upper in any::<bool>(),
        ) {
            let clean = [before.as_str(), after.as_str()].concat().replace(|letter: char| letter.is_alphabetic(), "-");
            prop_assert!(!has_trace(clean.as_bytes()));
            let trace = if is_upper { TRACES[number].to_ascii_uppercase() } else { TRACES[number].to_owned() };
            let body = format!("{before}{trace}{after}");
            prop_assert!(has_trace(body.as_bytes()));
        }

        #[test]
        fn what_is_found_is_there(text in "[a-zA-Z密激活码注册u\\\\]{0,900}") {
            let folded = text.to_ascii_lowercase();
            prop_assert_eq!(has_trace(text.as_bytes()), TRACES.iter().any(|trace| folded.contains(trace)));
        }
    }
}
