//! The channels that a message names around what it tells: those that could not be reached, and those that had it meanwhile.

use jiff::Timestamp;

use crate::store::queue::pending::PendingDelivery;

/// The channels that could not be reached, each once, since when at the earliest.
pub fn unreached<D: std::borrow::Borrow<PendingDelivery>>(all: &[D]) -> Vec<(String, Timestamp)> {
    let mut known: Vec<(String, Timestamp)> = Vec::new();
    for one in all.iter().flat_map(|due| &due.borrow().unreached) {
        match known.iter_mut().find(|(channel, _)| *channel == one.channel) {
            Some((_, since)) => *since = (*since).min(one.since),
            None => known.push((one.channel.clone(), one.since)),
        }
    }
    known
}

/// The channels that were sent it meanwhile, each once.
pub fn meanwhile<'a>(all: impl Iterator<Item = &'a PendingDelivery>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for channel in all.flat_map(|due| &due.meanwhile) {
        if !known.contains(channel) {
            known.push(channel.clone());
        }
    }
    known
}
