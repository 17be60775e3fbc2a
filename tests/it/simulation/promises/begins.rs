//! A message begins: what it may carry, how it is marked, under which key, and in whose quiet hours it may come.

use jiff::Timestamp;
use orderbell::domain::event::DeliveryId;
use orderbell::domain::message::PartForm;

use crate::simulation::daemon::timezone;
use crate::simulation::mock::Begun;
use crate::simulation::promises::{Judge, Stands, spent};
use crate::simulation::truth::{How, Owed, Sent, Truth};

impl<'a> Judge<'a> {
    /// A message begins. Answers its round and what it carries, its leader first.
    ///
    /// # Errors
    /// A promise that is broken.
    pub fn begins(
        &self,
        truth: &mut Truth,
        begun: &Begun,
        now: i64,
        wall: Timestamp,
    ) -> Result<(u32, Vec<DeliveryId>), String> {
        let worker = &self.workers[begun.worker];
        let leader = self.find(begun.delivery)?;
        let sql = "WHERE digest = ?1 AND state = 'waiting' ORDER BY event_seq";
        let carried = self.all(sql, [begun.delivery.0.as_bytes()]);
        if leader.channel != worker.name || leader.state != "waiting" || leader.digest.is_some() {
            return Err(format!("{leader:?} is sent to {}", worker.name));
        }
        if let Some(again) = carried.iter().find(|one| one.returned) {
            return Err(format!("{} was to go alone after its digest died, and is carried by {}", again.id, leader.id));
        }
        if !worker.channel.supports_digest() && !carried.is_empty() {
            return Err(format!("{} is sent to a program with {} others", leader.id, carried.len()));
        }
        let covered: Vec<Stands> = std::iter::once(leader.clone()).chain(carried).collect();
        for one in &covered {
            self.know(truth, one)?;
            let owed = &truth.owed[&one.id];
            if owed.is_done {
                return Err(format!("{} is sent once more, by {}", one.id, leader.id));
            }
            self.fallback_is_marked(truth, owed, begun)?;
        }
        self.catching_up_is_marked(truth, &covered, begun)?;
        self.nobody_is_woken(truth, begun, &covered, now, wall)?;
        self.key_is_kept(truth, begun)?;
        for one in &covered {
            let covered_by = &mut truth.owed.get_mut(&one.id).expect("it is known").covered_by;
            if covered_by.last() != Some(&(leader.id, leader.round)) {
                covered_by.push((leader.id, leader.round));
            }
        }
        Ok((leader.round, covered.into_iter().map(|one| one.id).collect()))
    }

    /// A message in another channel's place says so, and names that channel.
    fn fallback_is_marked(&self, truth: &Truth, owed: &Owed, begun: &Begun) -> Result<(), String> {
        let Some(original) = owed.instead_of.filter(|_| begun.part.index == 0 && begun.part.form == PartForm::Full)
        else {
            return Ok(());
        };
        let channel = self.workers[truth.owed[&original].worker].name;
        match begun.part.body.contains(channel) {
            true => Ok(()),
            false => Err(format!("{} does not say that it is sent instead of to {channel}", begun.delivery)),
        }
    }

    /// What a channel catches up with says that it does, and mixes with nothing else; what may have arrived before goes on as it
    /// was.
    fn catching_up_is_marked(&self, truth: &Truth, covered: &[Stands], begun: &Begun) -> Result<(), String> {
        let is_first = begun.part.index == 0 && begun.part.form == PartForm::Full;
        let may_have_arrived = truth.of_key(begun.worker, &begun.key).any(Sent::is_in_doubt);
        if covered.len() < 2 || !is_first || !covered[0].is_behind || may_have_arrived {
            return Ok(());
        }
        let marks = ["Sent to ", "期间已发给"];
        let knows = marks.iter().any(|mark| begun.part.body.contains(mark));
        match covered.iter().find(|one| !one.is_behind) {
            Some(other) => Err(format!("{} is sent among what the channel catches up with", other.id)),
            // A mail's body is coded.
            None if knows || self.workers[begun.worker].channel.per_recipient() => Ok(()),
            None => Err(format!("{} does not say that it was sent elsewhere meanwhile", begun.delivery)),
        }
    }

    /// In quiet hours only what passes them goes out; a message in several parts that began before them goes on, and one that was
    /// tried before goes on with whatever it carries when something of it passes.
    fn nobody_is_woken(
        &self,
        truth: &Truth,
        begun: &Begun,
        covered: &[Stands],
        now: i64,
        wall: Timestamp,
    ) -> Result<(), String> {
        let Some(quiet) = &self.workers[begun.worker].quiet else { return Ok(()) };
        let goes_on = truth.of_leader(begun.delivery).any(|sent| sent.ended_at == now && sent.is_known_to_be_taken());
        let rings = |one: &Stands| quiet.holds(&truth.owed[&one.id].kind, wall, &timezone()).is_some();
        for one in covered.iter().filter(|one| !goes_on && rings(one)) {
            let Owed { kind, order, .. } = &truth.owed[&one.id];
            // What belongs to an order of which something comes through is sent along with it.
            let comes_through = |other: &Stands| truth.owed[&other.id].order == *order && !rings(other);
            let was_tried = truth.of_leader(begun.delivery).next().is_some();
            let passes_with_others = was_tried && !covered.iter().all(rings);
            if !passes_with_others && (order.is_none() || !covered.iter().any(comes_through)) {
                return Err(format!("{} ({kind}) goes to {} in quiet hours", one.id, one.channel));
            }
        }
        Ok(())
    }

    /// A key comes again only where nobody knows that its message was taken, and then with the same bytes, or marked.
    fn key_is_kept(&self, truth: &Truth, begun: &Begun) -> Result<(), String> {
        let worker = &self.workers[begun.worker];
        let key = &begun.key;
        // A program gets an event that a person has sent once more under its old id.
        if !worker.channel.supports_digest() && truth.owed[&begun.delivery].is_redelivered {
            return Ok(());
        }
        let tries: Vec<&Sent> = truth.of_key(begun.worker, key).collect();
        if spent(&tries) > worker.waits.len() * (1 + self.steps_of(begun.delivery, "revived")) {
            return Err(format!("{key} is tried more often than the schedule has steps"));
        }
        let mark = if worker.language == "en" { "possibly a repeat" } else { "可能是重复消息" };
        let mut must_be_marked = false;
        for before in tries {
            if before.how == How::UnderWay {
                return Err(format!("{key} is under way twice"));
            }
            if before.is_known_to_be_taken() {
                return Err(format!("{key} is sent again although it was taken"));
            }
            let is_same = before.part == begun.part;
            let is_marked = worker.channel.marked(&before.part, mark).is_some_and(|marked| marked == begun.part);
            if !is_same && !is_marked {
                return Err(format!("{key} comes with another body:\n{}\n{}", before.part.body, begun.part.body));
            }
            must_be_marked |= before.is_in_doubt();
        }
        let knows_no_keys = worker.channel.kind() == "wecom";
        if knows_no_keys && must_be_marked && !begun.part.body.contains(mark) {
            return Err(format!("{key} may be a repeat, and does not say so"));
        }
        Ok(())
    }
}
