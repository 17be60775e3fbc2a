//! Each attempt in a week: it begins, reaches its receiver and ends.

use orderbell::domain::retry;
use orderbell::domain::retry::Answer;
use orderbell::flow::worker::Next;

use crate::simulation::hands::SECOND;
use crate::simulation::mock::Begun;
use crate::simulation::truth::{How, Sent};
use crate::simulation::week::{Flight, LOOK, State, Timer, Week, answers};

impl Week<'_> {
    /// Lets the worker's sends go on until each waits for its receiver or has ended.
    pub async fn settle(&mut self, worker: usize) -> Result<(), String> {
        let counter = self.counter.clone();
        loop {
            let waiting =
                counter.waiting(worker) + self.flights.values().filter(|flight| flight.worker == worker).count();
            let runner = &mut self.daemon.as_mut().expect("it is up").runners[worker];
            if runner.under_way() == waiting {
                break;
            }
            tokio::select! {
                biased;
                _ = runner.one_ended() => {}
                () = counter.signal.notified() => {}
            }
        }
        for begun in counter.take() {
            self.begins(begun)?;
        }
        let rung = self.daemon().rung();
        rung.into_iter().for_each(|worker| self.awake[worker] = true);
        Ok(())
    }

    /// When a worker looks again, if nothing happens before.
    pub async fn look_again(&mut self, worker: usize, next: Next) {
        let now = self.now();
        let name = self.workers[worker].name;
        let store = self.daemon().store.clone();
        let due = store.next_due(name).await.expect("reading").map(|due| self.hands.when_wall(due));
        let at = match (next, due) {
            (_, None) => None,
            (Next::At(elapsed), _) => Some(self.hands.when_elapsed(elapsed)),
            (Next::On(at), _) => Some(self.hands.when_wall(at)),
            (Next::Change, Some(due)) if due > now => Some(due),
            // What is due waits for a send under way to end.
            (Next::Change, Some(_)) if self.daemon().runners[worker].under_way() > 0 => None,
            (Next::Change, Some(_)) => Some(now + 5 * SECOND),
        };
        let at = due.map(|_| at.unwrap_or(i64::MAX).clamp(now, now + LOOK));
        if let Some(at) = at.filter(|at| self.looks_at[worker] != Some(*at) || *at == now) {
            self.at(at, Timer::Looks(worker));
        }
        self.looks_at[worker] = at;
    }

    fn begins(&mut self, begun: Begun) -> Result<(), String> {
        let (now, wall) = (self.now(), self.hands.wall());
        let Begun { worker, key, part, .. } = &begun;
        let nth = self.truth.of_key(*worker, key).count();
        let name = self.workers[*worker].name;
        let receiver = &self.receivers[&self.workers[*worker].receiver];
        let fate = receiver.fate(key, nth, now);
        receiver.begins(now)?;
        self.note(format!("{name} sends {key} ({}, {} bytes)", begun.kind, part.body.len()));
        let (round, covered) = self.judge.begins(&mut self.truth, &begun, now, wall)?;
        if covered.len() > 1 {
            self.count("digests");
            self.note(format!("{name} tells {} others with it", covered.len() - 1));
        }
        self.count("messages");
        let Begun { worker, delivery, key, part, answer, .. } = begun;
        let (how, is_accepted, ended_at) = (How::UnderWay, false, 0);
        let number = self.truth.send(Sent { worker, leader: delivery, round, key, part, how, is_accepted, ended_at });
        if let Some(at) = fate.reaches_at {
            self.at(at, Timer::Reaches(number));
        }
        self.at(fate.ends_at, Timer::Ends(number));
        self.flights.insert(number, Flight { worker, fate, thinks: None, covered, answer: Some(answer) });
        Ok(())
    }

    pub fn reaches(&mut self, number: usize) -> Result<(), String> {
        let (now, sent) = (self.now(), &self.truth.sent[number]);
        let name = self.workers[sent.worker].receiver;
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
        let Flight { worker, fate, thinks, covered, answer } = flight;
        let outcome = fate.instead.map(|mishap| mishap.outcome()).or(thinks).expect("it was there");
        self.count(answers(&outcome));
        let key = self.truth.sent[number].key.clone();
        self.note(format!("{} gets {key}: {outcome:?}", self.workers[worker].name));
        self.truth.sent[number].how = How::Answered(outcome.clone());
        let now = self.now();
        self.truth.sent[number].ended_at = now;
        if let retry::Outcome::Throttled { wait } = outcome {
            let name = self.workers[worker].receiver;
            self.receivers.get_mut(&name).expect("a receiver").says_that_it_is_shut(wait, now);
        }
        let words = outcome.as_str().to_owned();
        // Whoever waited for it was stopped.
        let _ = answer.expect("it was not cut").send(Answer { outcome, detail: words });
        self.settle(worker).await?;
        self.judge.ended(&mut self.truth, &covered)?;
        let receiver = self.workers[worker].receiver;
        for (other, settings) in self.workers.iter().enumerate() {
            if settings.receiver == receiver {
                self.awake[other] = true;
            }
        }
        if self.state == State::Stopping && self.flights.is_empty() {
            return self.is_cut().await;
        }
        self.succeeds(worker).await;
        Ok(())
    }
}
