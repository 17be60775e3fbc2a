//! Each attempt in a week: it begins, reaches its receiver and ends.

use orderbell::domain::retry;
use orderbell::domain::retry::Answer;
use orderbell::flow::worker::Next;

use crate::simulation::far::Begun;
use crate::simulation::hands::SECOND;
use crate::simulation::truth::{How, Sent};
use crate::simulation::week::{Flight, LOOK, State, Timer, Week, answers};

impl Week<'_> {
    /// Lets the lane's sends go on until each waits for its receiver or has ended.
    pub async fn settle(&mut self, lane: usize) -> Result<(), String> {
        let counter = self.counter.clone();
        loop {
            let waiting = counter.waiting(lane) + self.flights.values().filter(|flight| flight.lane == lane).count();
            let runner = &mut self.daemon.as_mut().expect("it is up").runners[lane];
            if runner.under_way() == waiting {
                break;
            }
            tokio::select! {
                biased;
                _ = runner.one_ended() => {}
                () = counter.bell.notified() => {}
            }
        }
        for begun in counter.take() {
            self.begins(begun)?;
        }
        let rung = self.daemon().rung();
        rung.into_iter().for_each(|lane| self.awake[lane] = true);
        Ok(())
    }

    /// When a lane looks again, if nothing happens before.
    pub async fn look_again(&mut self, lane: usize, next: Next) {
        let now = self.now();
        let name = self.lanes[lane].name;
        let store = self.daemon().store.clone();
        let due = store.reader().next_due(name).await.expect("reading").map(|due| self.hands.when_wall(due));
        let at = match (next, due) {
            (_, None) => None,
            (Next::At(elapsed), _) => Some(self.hands.when_elapsed(elapsed)),
            (Next::On(at), _) => Some(self.hands.when_wall(at)),
            (Next::Change, Some(due)) if due > now => Some(due),
            // What is due waits for a send under way to end.
            (Next::Change, Some(_)) if self.daemon().runners[lane].under_way() > 0 => None,
            (Next::Change, Some(_)) => Some(now + 5 * SECOND),
        };
        let at = due.map(|_| at.unwrap_or(i64::MAX).clamp(now, now + LOOK));
        if let Some(at) = at.filter(|at| self.looks_at[lane] != Some(*at) || *at == now) {
            self.at(at, Timer::Looks(lane));
        }
        self.looks_at[lane] = at;
    }

    fn begins(&mut self, begun: Begun) -> Result<(), String> {
        let (now, wall) = (self.now(), self.hands.wall());
        let Begun { lane, key, part, .. } = &begun;
        let nth = self.truth.of_key(*lane, key).count();
        let name = self.lanes[*lane].name;
        let receiver = &self.receivers[&self.lanes[*lane].receiver];
        let fate = receiver.fate(key, nth, now);
        receiver.begins(now)?;
        self.note(format!("{name} sends {key} ({}, {} bytes)", begun.kind, part.body.len()));
        let (round, told) = self.judge.begins(&mut self.truth, &begun, now, wall)?;
        if told.len() > 1 {
            self.count("digests");
            self.note(format!("{name} tells {} others with it", told.len() - 1));
        }
        self.count("messages");
        let Begun { lane, delivery, key, part, answer, .. } = begun;
        let (how, is_accepted, ended_at) = (How::UnderWay, false, 0);
        let number = self.truth.send(Sent { lane, leader: delivery, round, key, part, how, is_accepted, ended_at });
        if let Some(at) = fate.reaches_at {
            self.at(at, Timer::Reaches(number));
        }
        self.at(fate.ends_at, Timer::Ends(number));
        self.flights.insert(number, Flight { lane, fate, thinks: None, told, answer: Some(answer) });
        Ok(())
    }

    pub fn reaches(&mut self, number: usize) -> Result<(), String> {
        let (now, sent) = (self.now(), &self.truth.sent[number]);
        let name = self.lanes[sent.lane].receiver;
        let receiver = self.receivers.get_mut(&name).expect("a receiver");
        let shut = receiver.shut;
        let thinks = receiver.reached(&sent.key, &sent.part, now)?;
        let key = sent.key.clone();
        if receiver.shut > shut {
            self.count("robots shut");
        }
        self.note(format!("{name:?} thinks of {key}: {thinks:?}"));
        if thinks == retry::Outcome::Delivered {
            self.truth.sent[number].is_accepted = true;
            self.judge.taken(&mut self.truth, number)?;
        }
        if let Some(flight) = self.flights.get_mut(&number) {
            flight.thinks = Some(thinks);
        }
        Ok(())
    }

    pub async fn ends(&mut self, number: usize) -> Result<(), String> {
        let Some(flight) = self.flights.remove(&number) else { return Ok(()) };
        let Flight { lane, fate, thinks, told, answer } = flight;
        let outcome = fate.instead.map(|mishap| mishap.outcome()).or(thinks).expect("it was there");
        self.count(answers(&outcome));
        let key = self.truth.sent[number].key.clone();
        self.note(format!("{} hears of {key}: {outcome:?}", self.lanes[lane].name));
        self.truth.sent[number].how = How::Answered(outcome.clone());
        let now = self.now();
        self.truth.sent[number].ended_at = now;
        if let retry::Outcome::Throttled { wait } = outcome {
            let name = self.lanes[lane].receiver;
            self.receivers.get_mut(&name).expect("a receiver").says_that_it_is_shut(wait, now);
        }
        let words = outcome.as_str().to_owned();
        // Whoever waited for it was stopped.
        let _ = answer.expect("it was not cut").send(Answer { outcome, detail: words });
        self.settle(lane).await?;
        self.judge.ended(&mut self.truth, &told)?;
        let receiver = self.lanes[lane].receiver;
        for (other, settings) in self.lanes.iter().enumerate() {
            if settings.receiver == receiver {
                self.awake[other] = true;
            }
        }
        if self.state == State::Stopping && self.flights.is_empty() {
            return self.is_cut().await;
        }
        self.succeeds(lane).await;
        Ok(())
    }
}
