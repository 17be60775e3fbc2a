//! One round over the parts of a delivery that go to recipients of their own: none waits for another, and what became of the
//! delivery is known only when each had his turn.

use jiff::Timestamp;

use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::Step;

/// What the turns so far have come to.
#[derive(Debug)]
pub struct Round {
    /// Somebody said yes, in this round or an earlier one.
    told: bool,
    /// What was said of the recipients that will never get it.
    refused: Vec<Answer>,
    /// What is to be tried again, and what was said of the last such.
    waiting: Option<(Timestamp, Spends, Answer)>,
}

/// Whether a step of the schedule is used up.
type Spends = bool;

/// What comes behind a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The next recipient has his turn at once.
    Next,
    /// The next recipient has his turn when the allowance lets him; it has no room now.
    NoRoom,
    Nobody,
}

impl Round {
    /// `told`: whether somebody said yes in an earlier round.
    pub fn new(told: bool) -> Self {
        Self { told, refused: Vec::new(), waiting: None }
    }

    /// Takes up what became of one part. Answers what becomes of the delivery when that ends the round; else the next part
    /// has its turn.
    ///
    /// A round for which there is no room any more ends for those who had their turn, so that whoever must be tried again
    /// waits by the schedule; the others begin the next round.
    pub fn turn(&mut self, answer: &Answer, step: &Step, behind: Behind) -> Option<(Answer, Step)> {
        match step {
            Step::Delivered => self.told = true,
            Step::Dead | Step::Recompose(_) => self.refused.push(answer.clone()),
            // The whole channel rests, so the others have no turn now.
            Step::Park { .. } => return Some((answer.clone(), step.clone())),
            Step::Wait { until, spends } if matches!(answer.outcome, Outcome::Throttled { .. }) => {
                let spends = *spends || self.waiting.as_ref().is_some_and(|(_, spends, _)| *spends);
                return Some((answer.clone(), Step::Wait { until: *until, spends }));
            }
            Step::Wait { until, spends } => {
                let (earliest, spends) = match &self.waiting {
                    Some((before, spent, _)) => (*until.min(before), *spends || *spent),
                    None => (*until, *spends),
                };
                self.waiting = Some((earliest, spends, answer.clone()));
            }
        }
        match behind {
            Behind::Next => None,
            Behind::NoRoom => self.waits(),
            Behind::Nobody => Some(self.end(answer)),
        }
    }

    /// The recipients that were refused in this round, in our own words.
    pub fn refused(&self) -> Vec<String> {
        self.refused.iter().map(|answer| answer.own_words().to_owned()).collect()
    }

    /// What is to be tried again waits.
    fn waits(&self) -> Option<(Answer, Step)> {
        let (until, spends, answer) = self.waiting.as_ref()?;
        Some((answer.clone(), Step::Wait { until: *until, spends: *spends }))
    }

    fn end(&self, last: &Answer) -> (Answer, Step) {
        if let Some(waits) = self.waits() {
            return waits;
        }
        match (self.refused.first(), self.told) {
            (None, _) => (last.clone(), Step::Delivered),
            (Some(first), false) => (first.clone(), Step::Dead),
            (Some(first), true) => {
                let outcome = Outcome::Partial { refused: self.refused() };
                (Answer { outcome, words: first.words.clone() }, Step::Delivered)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + seconds).unwrap()
    }

    fn said(outcome: Outcome) -> Answer {
        Answer { words: format!("{outcome:?}: “words”"), outcome }
    }

    fn yes() -> (Answer, Step) {
        (said(Outcome::Delivered), Step::Delivered)
    }

    fn no() -> (Answer, Step) {
        (said(Outcome::Rejected), Step::Dead)
    }

    fn not_now(seconds: i64) -> (Answer, Step) {
        (said(Outcome::Retry { after: None }), Step::Wait { until: later(seconds), spends: true })
    }

    /// What becomes of a delivery whose parts come to this.
    fn round(told: bool, turns: &[(Answer, Step)]) -> (Outcome, Step) {
        let mut round = Round::new(told);
        let mut end = None;
        for (index, (answer, step)) in turns.iter().enumerate() {
            let behind = if index + 1 < turns.len() { Behind::Next } else { Behind::Nobody };
            end = round.turn(answer, step, behind);
            assert_eq!(end.is_none(), behind == Behind::Next, "each has his turn");
        }
        let (answer, step) = end.unwrap();
        (answer.outcome, step)
    }

    #[test]
    fn one_who_must_wait_holds_up_nobody_and_is_waited_for() {
        let (outcome, step) = round(false, &[not_now(60), yes(), not_now(30), no()]);
        assert_eq!(step, Step::Wait { until: later(30), spends: true });
        assert_eq!(outcome, Outcome::Retry { after: None });
    }

    #[test]
    fn it_is_delivered_when_somebody_got_it_and_dead_when_nobody_did() {
        let partial = Outcome::Partial { refused: vec!["Rejected".to_owned()] };
        assert_eq!(round(false, &[yes(), yes()]), (Outcome::Delivered, Step::Delivered));
        assert_eq!(round(false, &[no(), yes()]), (partial.clone(), Step::Delivered));
        assert_eq!(round(false, &[yes(), no()]), (partial.clone(), Step::Delivered));
        assert_eq!(round(false, &[no(), no()]), (Outcome::Rejected, Step::Dead));
        assert_eq!(round(true, &[no()]), (partial, Step::Delivered));
        assert_eq!(round(true, &[yes()]), (Outcome::Delivered, Step::Delivered));
    }

    #[test]
    fn a_channel_that_must_rest_ends_the_round_at_once() {
        let mut round = Round::new(false);
        let (answer, step) = not_now(30);
        assert_eq!(round.turn(&answer, &step, Behind::Next), None);
        let shut = || Outcome::Throttled { wait: jiff::SignedDuration::from_mins(10) };
        let rest = Step::Wait { until: later(600), spends: false };
        let (answer, step) = round.turn(&said(shut()), &rest, Behind::Next).unwrap();
        assert_eq!((answer.outcome, step), (shut(), Step::Wait { until: later(600), spends: true }));
        let parked = Step::Park { probe_at: later(600) };
        let (answer, step) = round.turn(&said(Outcome::Misconfigured), &parked, Behind::Next).unwrap();
        assert_eq!((answer.outcome, step), (Outcome::Misconfigured, parked));
    }
    #[test]
    fn a_round_without_room_for_the_next_ends_for_those_who_must_be_tried_again() {
        let mut round = Round::new(false);
        let (answer, step) = yes();
        assert_eq!(round.turn(&answer, &step, Behind::NoRoom), None, "the next one has his turn as soon as he may");
        let (answer, step) = not_now(30);
        let (_, waits) = round.turn(&answer, &step, Behind::NoRoom).unwrap();
        assert_eq!(waits, Step::Wait { until: later(30), spends: true });
    }
}
