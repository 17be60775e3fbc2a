//! One round over the parts of a delivery that go to recipients of their own: none waits for another, and what became of the
//! delivery is known only when each recipient was attempted.

use jiff::Timestamp;

use crate::domain::retry::{Answer, Outcome, Step};

/// What the attempts so far have come to.
#[derive(Debug)]
pub struct RecipientRound {
    /// Some recipient accepted, in this round or an earlier one.
    is_accepted_by_some: bool,
    /// What was said of the recipients that will never get it.
    refused: Vec<Answer>,
    /// What is to be tried again, and what was said of the last such.
    waiting: Option<(Timestamp, Spends, Answer)>,
    /// The step of the schedule that this round uses up is in the store.
    has_spent: bool,
}

/// Whether a step of the schedule is used up.
type Spends = bool;

/// What becomes of the delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoundResult {
    /// The next part is attempted. What is used up is used up now, because the round may be cut short.
    Next(Spends),
    /// The round is over.
    Ends(Answer, Step),
}

/// What comes behind an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// The next recipient is attempted at once.
    Next,
    /// The next recipient is attempted when the rate limit allows it; there is no room now.
    NoRoom,
    Nobody,
}

impl RecipientRound {
    /// `is_accepted_by_some`: whether some recipient accepted in an earlier round.
    pub fn new(is_accepted_by_some: bool) -> Self {
        Self { is_accepted_by_some, refused: Vec::new(), waiting: None, has_spent: false }
    }

    /// Takes up what became of one part. Of the schedule a round uses up one step, as soon as one must be tried again.
    ///
    /// A round for which there is no room any more ends for those that were attempted, so that whoever must be tried again
    /// waits by the schedule; the others begin the next round.
    pub fn turn(&mut self, answer: &Answer, step: &Step, behind: FollowUp) -> RoundResult {
        match step {
            Step::Delivered => self.is_accepted_by_some = true,
            Step::Dead | Step::Recompose(_) => self.refused.push(answer.clone()),
            // The whole channel rests, so the others are not attempted now.
            Step::Park { .. } => return RoundResult::Ends(answer.clone(), step.clone()),
            Step::Wait { .. } if matches!(answer.outcome, Outcome::Throttled { .. }) => {
                return RoundResult::Ends(answer.clone(), step.clone());
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
            FollowUp::NoRoom if self.waiting.is_some() => self.end(answer),
            FollowUp::Next | FollowUp::NoRoom => RoundResult::Next(self.spends()),
            FollowUp::Nobody => self.end(answer),
        }
    }

    /// Whether a step is used up that the store does not know of yet.
    fn spends(&mut self) -> Spends {
        let spends = self.waiting.as_ref().is_some_and(|(_, spends, _)| *spends) && !self.has_spent;
        self.has_spent |= spends;
        spends
    }

    /// The recipients that were refused in this round, in our own words.
    pub fn refused(&self) -> Vec<String> {
        self.refused.iter().map(|answer| answer.redacted_detail().to_owned()).collect()
    }

    fn end(&mut self, last: &Answer) -> RoundResult {
        let spends = self.spends();
        if let Some((until, _, answer)) = &self.waiting {
            return RoundResult::Ends(answer.clone(), Step::Wait { until: *until, spends });
        }
        match (self.refused.first(), self.is_accepted_by_some) {
            (None, _) => RoundResult::Ends(last.clone(), Step::Delivered),
            (Some(first), false) => RoundResult::Ends(first.clone(), Step::Dead),
            (Some(first), true) => {
                let outcome = Outcome::Partial { refused: self.refused() };
                RoundResult::Ends(Answer { outcome, detail: first.detail.clone() }, Step::Delivered)
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
        Answer { detail: format!("{outcome:?}: “words”"), outcome }
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

    /// What becomes of a delivery whose parts come to this, and how many steps of the schedule that uses up.
    fn round(is_accepted_by_some: bool, attempts: &[(Answer, Step)]) -> (Outcome, Step, u32) {
        let mut round = RecipientRound::new(is_accepted_by_some);
        let mut spent = 0;
        for (answer, step) in &attempts[..attempts.len() - 1] {
            match round.turn(answer, step, FollowUp::Next) {
                RoundResult::Next(spends) => spent += u32::from(spends),
                RoundResult::Ends(..) => panic!("each is attempted"),
            }
        }
        let (answer, step) = &attempts[attempts.len() - 1];
        let (answer, step) = ended(round.turn(answer, step, FollowUp::Nobody));
        spent += u32::from(matches!(step, Step::Wait { spends: true, .. }));
        (answer.outcome, step, spent)
    }

    fn ended(after: RoundResult) -> (Answer, Step) {
        match after {
            RoundResult::Ends(answer, step) => (answer, step),
            RoundResult::Next(_) => panic!("the round is over"),
        }
    }

    fn waits(seconds: i64, spends: Spends) -> Step {
        Step::Wait { until: later(seconds), spends }
    }

    #[test]
    fn one_who_must_wait_holds_up_nobody_and_is_waited_for() {
        let (outcome, step, spent) = round(false, &[not_now(60), yes(), not_now(30), no()]);
        assert_eq!((step, spent), (waits(30, false), 1));
        assert_eq!(outcome, Outcome::Retry { after: None });
        assert_eq!(round(false, &[yes(), not_now(30)]).1, waits(30, true));
    }

    #[test]
    fn a_round_that_is_cut_short_has_used_up_its_step() {
        let mut round = RecipientRound::new(false);
        let attempted =
            |round: &mut RecipientRound, (answer, step): (Answer, Step)| round.turn(&answer, &step, FollowUp::Next);
        assert_eq!(attempted(&mut round, yes()), RoundResult::Next(false));
        assert_eq!(
            attempted(&mut round, not_now(30)),
            RoundResult::Next(true),
            "so much the store knows, whatever comes now"
        );
        assert_eq!(attempted(&mut round, not_now(30)), RoundResult::Next(false), "one step a round");
    }

    #[test]
    fn it_is_delivered_when_somebody_got_it_and_dead_when_nobody_did() {
        let partial = Outcome::Partial { refused: vec!["Rejected".to_owned()] };
        assert_eq!(round(false, &[yes(), yes()]), (Outcome::Delivered, Step::Delivered, 0));
        assert_eq!(round(false, &[no(), yes()]), (partial.clone(), Step::Delivered, 0));
        assert_eq!(round(false, &[yes(), no()]), (partial.clone(), Step::Delivered, 0));
        assert_eq!(round(false, &[no(), no()]), (Outcome::Rejected, Step::Dead, 0));
        assert_eq!(round(true, &[no()]), (partial, Step::Delivered, 0));
        assert_eq!(round(true, &[yes()]), (Outcome::Delivered, Step::Delivered, 0));
    }

    #[test]
    fn a_channel_that_must_rest_ends_the_round_at_once() {
        let mut round = RecipientRound::new(false);
        let (answer, step) = not_now(30);
        assert_eq!(round.turn(&answer, &step, FollowUp::Next), RoundResult::Next(true));
        let shut = || Outcome::Throttled { wait: jiff::SignedDuration::from_mins(10) };
        let (answer, step) = ended(round.turn(&said(shut()), &waits(600, false), FollowUp::Next));
        assert_eq!((answer.outcome, step), (shut(), waits(600, false)));
        let parked = Step::Park { probe_at: later(600) };
        let (answer, step) = ended(round.turn(&said(Outcome::Misconfigured), &parked, FollowUp::Next));
        assert_eq!((answer.outcome, step), (Outcome::Misconfigured, parked));
    }

    #[test]
    fn a_round_without_room_for_the_next_ends_for_those_who_must_be_tried_again() {
        let mut round = RecipientRound::new(false);
        let (answer, step) = yes();
        let after = round.turn(&answer, &step, FollowUp::NoRoom);
        assert_eq!(after, RoundResult::Next(false), "the next one is attempted as soon as the limit allows");
        let (answer, step) = not_now(30);
        assert_eq!(ended(round.turn(&answer, &step, FollowUp::NoRoom)).1, waits(30, true));
    }
}
