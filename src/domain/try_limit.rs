//! How often whoever guesses may try: so many wrong tries at once from one address, and then one every few seconds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::domain::pace::Elapsed;

/// Wrong tries of one address that are answered at once.
const BURST: i32 = 10;
/// After these, one in this time.
const EVERY: Elapsed = Elapsed::from_secs(6);
/// Addresses that are remembered; beyond them, the one that has the least left to wait is forgotten.
const MAX_ADDRESSES: usize = 4096;

/// The wrong tries of each address. Whoever has tried nothing wrong of late takes no memory.
#[derive(Debug, Default)]
pub struct TryLimit {
    /// When all of an address's wrong tries are forgiven (GCRA's theoretical arrival time).
    forgiven_at: HashMap<IpAddr, Elapsed>,
}

impl TryLimit {
    /// # Errors
    /// How long the address has to wait before its next try.
    pub fn admit(&self, address: IpAddr, now: Elapsed) -> Result<(), Elapsed> {
        let Some(forgiven_at) = self.forgiven_at.get(&key(address)) else { return Ok(()) };
        let wait = *forgiven_at - now - EVERY * (BURST - 1);
        if wait > Elapsed::ZERO { Err(wait) } else { Ok(()) }
    }

    pub fn note_wrong(&mut self, address: IpAddr, now: Elapsed) {
        if self.forgiven_at.len() >= MAX_ADDRESSES {
            self.forgiven_at.retain(|_, forgiven_at| *forgiven_at > now);
        }
        let key = key(address);
        if self.forgiven_at.len() >= MAX_ADDRESSES && !self.forgiven_at.contains_key(&key) {
            let least = self.forgiven_at.iter().min_by_key(|(_, forgiven_at)| **forgiven_at);
            if let Some(least) = least.map(|(address, _)| *address) {
                self.forgiven_at.remove(&least);
            }
        }
        let forgiven_at = self.forgiven_at.entry(key).or_insert(now);
        *forgiven_at = (*forgiven_at).max(now) + EVERY;
    }
}

/// The address that counts: of IPv6, the network that a single customer has.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_wrong_tries_are_answered_at_once_and_then_one_every_six_seconds() {
        let (mut tries, address, at) = (TryLimit::default(), ip("192.0.2.7"), Elapsed::from_secs);
        for _ in 0..10 {
            assert_eq!(tries.admit(address, at(0)), Ok(()));
            tries.note_wrong(address, at(0));
        }
        assert_eq!(tries.admit(address, at(0)), Err(at(6)));
        assert_eq!(tries.admit(address, at(5)), Err(at(1)));
        assert_eq!(tries.admit(ip("192.0.2.8"), at(0)), Ok(()), "another address");
        assert_eq!(tries.admit(address, at(6)), Ok(()));
        tries.note_wrong(address, at(6));
        assert_eq!(tries.admit(address, at(6)), Err(at(6)));
        assert_eq!(tries.admit(address, at(600)), Ok(()));
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one_and_mapped_ones_as_ipv4() {
        let mut tries = TryLimit::default();
        for tail in 0..10 {
            tries.note_wrong(ip(&format!("2001:db8::{tail}")), Elapsed::ZERO);
            tries.note_wrong(ip("::ffff:192.0.2.7"), Elapsed::ZERO);
        }
        assert!(tries.admit(ip("2001:db8::ffff:1"), Elapsed::ZERO).is_err());
        assert!(tries.admit(ip("192.0.2.7"), Elapsed::ZERO).is_err());
        assert!(tries.admit(ip("2001:db8:0:1::1"), Elapsed::ZERO).is_ok());
    }

    #[test]
    fn however_many_addresses_try_only_so_many_are_remembered() {
        let mut tries = TryLimit::default();
        let patient = ip("192.0.2.7");
        (0..10).for_each(|_| tries.note_wrong(patient, Elapsed::ZERO));
        for number in 0..u32::try_from(2 * MAX_ADDRESSES).unwrap() {
            tries.note_wrong(IpAddr::from((0x0a00_0000 + number).to_be_bytes()), Elapsed::from_secs(1));
        }
        assert_eq!(tries.forgiven_at.len(), MAX_ADDRESSES);
        assert!(tries.admit(patient, Elapsed::from_secs(1)).is_err(), "who has tried most is remembered longest");
        tries.note_wrong(patient, Elapsed::from_hours(1));
        assert_eq!(tries.forgiven_at.len(), 1);
    }
}
