//! What befalls the daemon in a week: webhooks, people, reloads, stops and cuts.

use orderbell::store::history::change::{Applied, ChangeRequest, Meant};
use orderbell::store::ingest::Recorded;

use crate::simulation::chance::Chance;
use crate::simulation::daemon::Daemon;
use crate::simulation::hands::{HOUR, MINUTE, SECOND};
use crate::simulation::truth::{How, Owed};
use crate::simulation::week::{FINISH, State, Timer, Week, owed_worker};
use crate::support::stores;

impl Week<'_> {
    /// A worker takes nothing new; its successor begins when the last send has ended.
    pub async fn reloads(&mut self, worker: usize) -> Result<(), String> {
        if self.state == State::Up {
            self.note(format!("the settings of {} change", self.workers[worker].name));
            self.count("reloads");
            self.daemon().retire(worker);
            self.succeeds(worker).await;
        }
        Ok(())
    }

    pub async fn succeeds(&mut self, worker: usize) {
        let is_idle = self.flights.values().all(|flight| flight.worker != worker);
        if self.state == State::Up && is_idle && self.daemon().is_retiring(worker) {
            let (settings, counter) = (&self.workers[worker], self.counter.clone());
            self.daemon.as_mut().expect("it is up").succeed(worker, settings, &counter).await;
            self.note(format!("{} has a new worker", settings.name));
            self.awake[worker] = true;
        }
    }

    pub async fn arrives(&mut self, number: usize) -> Result<(), String> {
        if self.state != State::Up {
            // Nobody acknowledges it, so the platform sends it again.
            self.at(self.now() + MINUTE, Timer::Arrives(number));
            return Ok(());
        }
        let arrival = self.arrivals[number].clone();
        let record = arrival.record(&self.hands, self.workers, &mut self.chance);
        let targets = record.targets.clone();
        let recorded = self.daemon().store.record(record).await.map_err(|error| error.to_string())?;
        let Recorded::New { channels, committed, .. } = recorded else { return Ok(()) };
        committed.iter().for_each(|committed| self.daemon().deliver(committed));
        self.note(format!("{} {} comes", arrival.kind(), arrival.marker));
        let seq = self.truth.owed.len();
        for (target, delivery) in targets {
            let worker = self.workers.iter().position(|worker| worker.name == target.channel).expect("a worker");
            let owed = Owed {
                worker,
                kind: arrival.kind().clone(),
                marker: arrival.marker.clone(),
                order: arrival.order().map(str::to_owned),
                seq,
                instead_of: None,
                is_done: false,
                is_cancelled: false,
                is_redelivered: false,
                since: 0,
                covered_by: Vec::new(),
            };
            self.truth.owed.insert(delivery, owed);
            self.awake[worker] = channels.contains(&target.channel);
            // When its fallback is to be asked.
            let after = i64::try_from(self.workers[worker].fallback_after.as_millis()).expect("short") + SECOND;
            if self.workers[worker].fallback.is_some() && self.workers[worker].calls_urgent(arrival.kind()) {
                let at = self.now() + after;
                if self.looks_at[worker].is_none_or(|look| look > at) {
                    self.looks_at[worker] = Some(at);
                    self.at(at, Timer::Looks(worker));
                }
            }
        }
        Ok(())
    }

    /// A person has something sent once more, or calls it off, by the commands.
    pub async fn person(&mut self) -> Result<(), String> {
        if self.state != State::Up {
            return Ok(());
        }
        let (wish, state) = self.chance.one_of(&[
            (ChangeRequest::Redeliver, "dead"),
            (ChangeRequest::Redeliver, "dead"),
            (ChangeRequest::Redeliver, "delivered"),
            (ChangeRequest::Redeliver, "merged"),
            (ChangeRequest::Redeliver, "waiting"),
            (ChangeRequest::Cancel, "waiting"),
            (ChangeRequest::Cancel, "waiting"),
            (ChangeRequest::Cancel, "dead"),
        ]);
        let among = self.judge.in_state(state);
        if among.is_empty() {
            return Ok(());
        }
        let delivery = self.chance.one_of(&among);
        let changes = stores::open_beside(&self.file).map_err(|error| error.to_string())?;
        let made = changes
            .make_changes(wish, &[Meant::Delivery(delivery)], self.hands.wall())
            .await
            .map_err(|error| error.to_string())?;
        let done = &made[0].result;
        self.note(format!("a person: {wish:?} {delivery}, which is {state}: {done:?}"));
        let owed = self.truth.owed.get_mut(&delivery);
        match (wish, done, owed) {
            (_, Err(_) | Ok(Applied::Already), _) => return Ok(()),
            (_, Ok(_), None) => {
                // A fallback that was not met yet.
                self.judge.audit(&mut self.truth)?;
            }
            _ => {}
        }
        let since = self.truth.sent.len();
        let owed = self.truth.owed.get_mut(&delivery).expect("it is known");
        match wish {
            ChangeRequest::Cancel => owed.is_cancelled = true,
            ChangeRequest::Redeliver => (owed.is_done, owed.is_redelivered, owed.since) = (false, true, since),
        }
        self.count(if wish == ChangeRequest::Cancel { "cancelled by a person" } else { "redelivered" });
        let worker = owed_worker(&self.truth, delivery);
        let name = self.workers[worker].name;
        self.daemon().is_changed(name);
        let at = self.now() + self.chance.between(1, SECOND);
        self.looks_at[worker] = Some(at);
        self.at(at, Timer::Looks(worker));
        Ok(())
    }

    /// The daemon is to stop, or is cut off at once.
    pub async fn stops(&mut self) -> Result<(), String> {
        if self.state != State::Up {
            return Ok(());
        }
        self.judge.audit(&mut self.truth)?;
        self.state = State::Stopping;
        if self.chance.once_in_a_while(500) || self.flights.is_empty() {
            self.count("crashes");
            return self.is_cut().await;
        }
        self.count("stops");
        self.note("the daemon is to stop".to_owned());
        self.at(self.now() + FINISH, Timer::IsCut);
        Ok(())
    }

    pub async fn is_cut(&mut self) -> Result<(), String> {
        if self.state != State::Stopping {
            return Ok(());
        }
        self.state = State::Down;
        let now = self.now();
        let starts_at = now + self.chance.one_of(&[1, 100, 2 * SECOND, 30 * SECOND, 10 * MINUTE]);
        let flights = std::mem::take(&mut self.flights);
        self.note(format!("the daemon is gone, with {} sends under way", flights.len()));
        for (number, flight) in flights {
            self.count("cut");
            self.truth.sent[number].how = How::Cut;
            self.truth.sent[number].ended_at = now;
            let is_on_its_way = flight.thinks.is_none() && flight.fate.reaches_at.is_some();
            // It was not out of the machine yet, or will still be there, before the next daemon starts.
            if is_on_its_way {
                let key = self.truth.sent[number].key.clone();
                let goes_out = Chance::of(self.seed, &["cut", &key, &now.to_string()]).once_in_a_while(500);
                self.cancel(Timer::Reaches(number));
                if goes_out {
                    let at = flight.fate.reaches_at.unwrap_or(now).min(starts_at);
                    self.at(at, Timer::Reaches(number));
                }
            }
        }
        let daemon = self.daemon.take().expect("it was up");
        daemon.stop().await;
        // What came in between was never begun.
        drop(self.counter.take());
        if self.chance.once_in_a_while(150) {
            let by = self.chance.one_of(&[-2 * HOUR, -MINUTE, HOUR, 5 * HOUR]);
            self.jump(by);
            self.note(format!("meanwhile the clock is set by {} s", by / SECOND));
        }
        self.at(starts_at, Timer::Starts);
        Ok(())
    }

    pub async fn start(&mut self) -> Result<(), String> {
        if self.state == State::Stopping {
            self.is_cut().await?;
        }
        if self.state == State::Down {
            self.note("the daemon starts".to_owned());
            self.daemon = Some(Daemon::start(&self.file, self.workers, &self.hands, &self.counter).await);
            self.state = State::Up;
            self.awake.fill(true);
            self.judge.audit(&mut self.truth)?;
        }
        Ok(())
    }
}
