//! The promises, judged by what really happened: nothing vanishes, what is stored as accepted was taken, what is dead has died of
//! something, no message is sent twice but where an answer was lost, and nobody is woken at night.

mod begins;

use std::path::Path;

use orderbell::domain::event::DeliveryId;
use orderbell::domain::message::{PartForm, idempotency_key};
use orderbell::domain::retry::Outcome;
use orderbell::store::queue::pending::form_of;
use rusqlite::{Connection, Row, params};

use crate::simulation::settings::WorkerSettings;
use crate::simulation::truth::{How, Owed, Sent, Truth};

/// A delivery as it stands in the store.
#[derive(Clone, Debug)]
struct Stands {
    id: DeliveryId,
    event: Vec<u8>,
    channel: String,
    state: String,
    digest: Option<DeliveryId>,
    instead_of: Option<DeliveryId>,
    returned: bool,
    round: u32,
    form: PartForm,
    /// Its fallback was asked, and it is to be caught up with.
    catches_up: bool,
    /// The fallback was sent it, so it is in a digest of those.
    is_behind: bool,
}

const STANDS: &str =
    "SELECT id, event, channel, state, digest, instead_of, returned, round, form, fell_back FROM deliveries";

fn id(column: usize, row: &Row<'_>) -> rusqlite::Result<Option<DeliveryId>> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    Ok(bytes.map(|bytes| DeliveryId(uuid::Uuid::from_slice(&bytes).expect("sixteen bytes"))))
}

fn stands(row: &Row<'_>) -> rusqlite::Result<Stands> {
    Ok(Stands {
        id: id(0, row)?.expect("an id"),
        event: row.get(1)?,
        channel: row.get(2)?,
        state: row.get(3)?,
        digest: id(4, row)?,
        instead_of: id(5, row)?,
        returned: row.get(6)?,
        round: row.get(7)?,
        form: form_of(&row.get::<_, String>(8)?),
        catches_up: row.get::<_, i64>(9)? >= 3,
        is_behind: row.get::<_, i64>(9)? == 5,
    })
}

/// Looks into the store beside the daemon, and judges.
pub struct Judge<'a> {
    connection: Connection,
    workers: &'a [WorkerSettings],
}

impl<'a> Judge<'a> {
    pub fn new(file: &Path, workers: &'a [WorkerSettings]) -> Self {
        let connection = Connection::open(file).expect("the store");
        connection.pragma_update(None, "query_only", true).expect("a reader");
        Self { connection, workers }
    }

    fn worker(&self, channel: &str) -> usize {
        self.workers.iter().position(|worker| worker.name == channel).expect("a channel of the seed")
    }

    fn find(&self, delivery: DeliveryId) -> Result<Stands, String> {
        let mut select = self.connection.prepare_cached(&format!("{STANDS} WHERE id = ?1")).expect("a statement");
        let found = select.query_row(params![delivery.0.as_bytes()], stands);
        found.map_err(|error| format!("{delivery} has vanished: {error}"))
    }

    fn all(&self, condition: &str, given: impl rusqlite::Params) -> Vec<Stands> {
        let mut select = self.connection.prepare_cached(&format!("{STANDS} {condition}")).expect("a statement");
        select.query_map(given, stands).expect("rows").collect::<Result<_, _>>().expect("readable rows")
    }

    /// What waits, by channel.
    pub fn waiting(&self) -> Vec<(DeliveryId, String)> {
        self.all("WHERE state = 'waiting'", []).into_iter().map(|one| (one.id, one.channel)).collect()
    }

    /// The deliveries in a state, in the sequence of their ids.
    pub fn in_state(&self, state: &str) -> Vec<DeliveryId> {
        self.all("WHERE state = ?1 ORDER BY id", [state]).into_iter().map(|one| one.id).collect()
    }

    /// How often this happened to a delivery.
    pub fn steps(&self, step: &str) -> u64 {
        let sql = "SELECT count(*) FROM steps WHERE step = ?1";
        let count: i64 = self.connection.query_row(sql, [step], |row| row.get(0)).expect("a count");
        count.unsigned_abs()
    }

    /// Knows the deliveries that the store has made by itself: those that stand in for others.
    fn know(&self, truth: &mut Truth, stands: &Stands) -> Result<(), String> {
        if truth.owed.contains_key(&stands.id) {
            return Ok(());
        }
        let Some(original) = stands.instead_of else {
            return Err(format!("nobody has asked for {} to {}", stands.id, stands.channel));
        };
        let before = self.find(original)?;
        self.know(truth, &before)?;
        let original = truth.owed[&original].clone();
        let worker = self.worker(&stands.channel);
        if self.workers[original.worker].fallback != Some(self.workers[worker].name) || before.event != stands.event {
            return Err(format!("{} to {} is no fallback of {}", stands.id, stands.channel, before.channel));
        }
        let fresh = Owed {
            worker,
            instead_of: Some(before.id),
            is_done: false,
            is_cancelled: false,
            is_redelivered: false,
            since: 0,
            covered_by: Vec::new(),
            ..original
        };
        truth.owed.insert(stands.id, fresh);
        Ok(())
    }

    /// A program gets the events of an order one after another.
    ///
    /// # Errors
    /// A promise that is broken.
    pub fn taken(&self, truth: &mut Truth, number: usize) -> Result<(), String> {
        let sent = &truth.sent[number];
        if !self.workers[sent.worker].channel.in_order() {
            return Ok(());
        }
        let is_first = truth.of_leader(sent.leader).filter(|before| before.is_accepted).count() == 1;
        let owed = &truth.owed[&sent.leader];
        let Some(order) = owed.order.clone().filter(|_| is_first && owed.instead_of.is_none() && !owed.is_redelivered)
        else {
            return Ok(());
        };
        let (worker, seq, leader) = (sent.worker, owed.seq, sent.leader);
        let newest = truth.newest_taken.entry((worker, order)).or_insert(seq);
        if *newest > seq {
            return Err(format!("{leader} comes after a later event of its order"));
        }
        *newest = seq;
        Ok(())
    }

    /// A send has ended: what it sent stands as it should.
    ///
    /// # Errors
    /// A promise that is broken.
    pub fn ended(&self, truth: &mut Truth, covered: &[DeliveryId]) -> Result<(), String> {
        for delivery in covered {
            let stands = self.find(*delivery)?;
            self.judge(truth, &stands)?;
        }
        Ok(())
    }

    /// Every delivery that was ever owed stands as it should, and there is none besides.
    ///
    /// # Errors
    /// A promise that is broken.
    pub fn audit(&self, truth: &mut Truth) -> Result<(), String> {
        let all = self.all("", []);
        for stands in &all {
            self.know(truth, stands)?;
        }
        if all.len() != truth.owed.len() {
            let is_there = |delivery: &DeliveryId| all.iter().any(|stands| stands.id == *delivery);
            let vanished: Vec<_> = truth.owed.keys().filter(|delivery| !is_there(delivery)).collect();
            return Err(format!("deliveries have vanished: {vanished:?}"));
        }
        all.iter().try_for_each(|stands| self.judge(truth, stands))
    }

    fn judge(&self, truth: &mut Truth, stands: &Stands) -> Result<(), String> {
        self.know(truth, stands)?;
        let delivery = stands.id;
        let owed = &truth.owed[&delivery];
        match stands.state.as_str() {
            "waiting" => self.is_not_forgotten(stands)?,
            "cancelled" if !owed.is_cancelled => return Err(format!("nobody cancelled {delivery}")),
            "cancelled" => {}
            "dead" => self.died_of_something(truth, stands)?,
            "delivered" | "merged" => {
                if !owed.is_done {
                    self.was_covered(truth, stands, owed)?;
                    truth.owed.get_mut(&delivery).expect("it is known").is_done = true;
                }
            }
            other => return Err(format!("{delivery} is {other}")),
        }
        Ok(())
    }

    /// What waits is due by itself, or carried by one that is.
    fn is_not_forgotten(&self, stands: &Stands) -> Result<(), String> {
        let Some(leader) = stands.digest else { return Ok(()) };
        let leader = self.find(leader)?;
        match (leader.state.as_str(), leader.digest) {
            ("waiting", None) if leader.channel == stands.channel => Ok(()),
            _ => Err(format!("{} waits to go out with {leader:?}", stands.id)),
        }
    }

    fn steps_of(&self, delivery: DeliveryId, step: &str) -> usize {
        let sql = "SELECT count(*) FROM steps WHERE delivery = ?1 AND step = ?2";
        let mut select = self.connection.prepare_cached(sql).expect("a statement");
        let count: i64 = select.query_row(params![delivery.0.as_bytes(), step], |row| row.get(0)).expect("a count");
        usize::try_from(count).expect("few")
    }

    /// What is stored as accepted was taken by a receiver, whole. What a channel catches up with counts only where it was taken by
    /// its own.
    fn was_covered(&self, truth: &Truth, stands: &Stands, owed: &Owed) -> Result<(), String> {
        if stands.state == "merged" && stands.catches_up && self.steps_of(stands.id, "caught_up") > 0 {
            let Owed { marker, .. } = owed;
            let is_covered = |(leader, _): &(DeliveryId, u32)| truth.was_covered(*leader, owed);
            return match owed.covered_by.iter().any(is_covered) {
                true => Ok(()),
                false => Err(format!("{} ({marker}) to {} has caught up in no message", stands.id, stands.channel)),
            };
        }
        let by = stands.digest.map(|digest| self.find(digest)).transpose()?;
        if stands.catches_up && by.is_some_and(|by| by.instead_of == Some(stands.id)) {
            return Err(format!("{} to {} was to be caught up with, and is merged", stands.id, stands.channel));
        }
        if stands.state == "delivered" {
            return self.was_taken_whole(truth, stands, owed);
        }
        if !self.workers[self.worker(&stands.channel)].channel.supports_digest() && stands.instead_of.is_none() {
            let leader = stands.digest.map(|leader| self.find(leader)).transpose()?;
            if leader.is_none_or(|leader| leader.instead_of != Some(stands.id)) {
                return Err(format!("{} to a program was merged", stands.id));
            }
        }
        let mut leader = stands.digest;
        // Sent in a digest that a fallback was sent, as was its own fallback: no chain is longer.
        for _ in 0..2 * self.workers.len() {
            let Some(covered) = leader else { break };
            if truth.was_covered(covered, owed) {
                return Ok(());
            }
            let covered = self.find(covered)?;
            leader = covered.digest.filter(|_| covered.state == "merged");
        }
        let Owed { marker, .. } = owed;
        Err(format!("{} ({marker}) to {} is stored as accepted, and no message carried it", stands.id, stands.channel))
    }

    fn was_taken_whole(&self, truth: &Truth, stands: &Stands, owed: &Owed) -> Result<(), String> {
        let delivery = stands.id;
        if !truth.was_covered(delivery, owed) {
            let Owed { marker, .. } = owed;
            return Err(format!("{delivery} ({marker}) to {} is said to be delivered, and was not", stands.channel));
        }
        let worker = &self.workers[self.worker(&stands.channel)];
        let sql = "SELECT part FROM parts WHERE delivery = ?1 AND form = ?2";
        let mut select = self.connection.prepare_cached(sql).expect("a statement");
        let form = orderbell::store::queue::pending::form_text(stands.form);
        let parts = select.query_map(params![delivery.0.as_bytes(), form], |row| row.get(0)).expect("rows");
        let number = self.worker(&stands.channel);
        let answered: Vec<&Sent> = truth.of_leader(delivery).filter(|sent| sent.round == stands.round).collect();
        // Of several recipients some may be refused.
        let may_be_refused = worker.channel.per_recipient();
        let is_used_up = spent(&answered) > worker.waits.len();
        for part in parts.collect::<Result<Vec<u16>, _>>().expect("readable rows") {
            let round = if worker.channel.supports_digest() { stands.round } else { 0 };
            let key = idempotency_key(delivery, round, part, stands.form);
            let is_over = |sent: &Sent| sent.is_accepted || (may_be_refused && (is_used_up || is_deadly(sent)));
            if !truth.of_key(number, &key).any(is_over) {
                return Err(format!("part {part} of {delivery} to {} was never taken", stands.channel));
            }
        }
        Ok(())
    }

    /// Whether it was given up because no message of it is shorter than what was refused.
    fn cannot_be_shorter(&self, delivery: DeliveryId) -> bool {
        let sql = "SELECT answer FROM deliveries WHERE id = ?1";
        let mut select = self.connection.prepare_cached(sql).expect("a statement");
        let answer: Option<String> = select.query_row(params![delivery.0.as_bytes()], |row| row.get(0)).expect("a row");
        answer.is_some_and(|answer| answer.contains("cannot be made shorter"))
    }

    /// What is dead was sent by itself, and was refused for good, or as often as the schedule says.
    fn died_of_something(&self, truth: &Truth, stands: &Stands) -> Result<(), String> {
        let delivery = stands.id;
        let owed = &truth.owed[&delivery];
        let Some((leader, round)) = owed.covered_by.last().copied() else {
            return Err(format!("{delivery} is dead and was never sent"));
        };
        if leader != delivery {
            return Err(format!("{delivery} died with {leader}, and never had a chance by itself"));
        }
        let answered: Vec<&Sent> = truth
            .of_leader(leader)
            .filter(|sent| sent.round == round && matches!(sent.how, How::Answered(_)))
            .collect();
        let waits = self.workers[owed.worker].waits.len();
        // A message is taken apart, and composed anew, when its channel is to catch up with something in it; whoever leads it.
        let covered_by = owed.covered_by.iter().filter(|_| !stands.returned && !owed.is_redelivered);
        let of_others = covered_by.filter(|by| **by != (leader, round)).map(|(leader, round)| {
            spent(&truth.of_leader(*leader).filter(|sent| sent.round == *round).collect::<Vec<_>>())
        });
        let spent = spent(&answered) + of_others.sum::<usize>();
        match answered.last() {
            Some(last) if is_deadly(last) => Ok(()),
            Some(last) if is_too_long(last) && self.cannot_be_shorter(delivery) => Ok(()),
            Some(_) if spent > waits => Ok(()),
            last => Err(format!("{delivery} is dead, and nothing killed it: {spent} of {waits} waits, {last:#?}")),
        }
    }
}

fn is_too_long(sent: &Sent) -> bool {
    sent.how == How::Answered(Outcome::TooLong)
}

/// How many of these were answered in a way that uses the schedule up.
fn spent(sent: &[&Sent]) -> usize {
    let spends = |sent: &&&Sent| matches!(sent.how, How::Answered(Outcome::Retry { .. } | Outcome::Unknown));
    sent.iter().filter(spends).count()
}

/// After this answer its part is not tried again.
fn is_deadly(sent: &Sent) -> bool {
    let How::Answered(outcome) = &sent.how else { return false };
    match outcome {
        Outcome::Rejected | Outcome::Bug | Outcome::Full => true,
        Outcome::ContentRefused => sent.form() == PartForm::Reduced,
        Outcome::TooLong => matches!(sent.form(), PartForm::Reduced | PartForm::Halved(3)),
        _ => false,
    }
}
