//! One receiver: what it counts, when it shuts, and what it thinks of a message.

use std::collections::HashSet;

use jiff::SignedDuration;
use orderbell::domain::message::Part;
use orderbell::domain::rate_limit::RateLimit;
use orderbell::domain::retry::Outcome;

use crate::simulation::arrivals::{FORBIDDEN, UNWELCOME};
use crate::simulation::chance::Chance;
use crate::simulation::hands::{MINUTE, SECOND};
use crate::simulation::settings::ReceiverName;
use crate::simulation::spells::{Spell, Weather};

/// What a robot takes within a minute, from whomever.
const ROBOT_TAKES: usize = 20;
/// No send takes longer: the client gives up.
pub const TIMEOUT: i64 = 15 * SECOND;

pub struct MockReceiver {
    pub name: ReceiverName,
    seed: u64,
    weather: Weather,
    is_healed: bool,
    /// What each of our channels that use it may send.
    allowances: Vec<RateLimit>,
    /// When our messages were counted.
    ours: Vec<i64>,
    /// When others' messages come; those up to `others_seen` were counted.
    others: Vec<i64>,
    others_seen: usize,
    shut_until: i64,
    /// How often it was shut.
    pub shut: usize,
    /// The keys that were put off once.
    put_off: HashSet<String>,
    /// Until when it has said that it is shut.
    rests_until: i64,
}

/// How one send goes, as it was decided at its begin.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// When it is there, if ever.
    pub reaches_at: Option<i64>,
    pub ends_at: i64,
    /// What the sender learns, whatever the receiver thinks: it never came there, or the answer is lost.
    pub instead: Option<Mishap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    NotConnected,
    NoAnswer,
}

impl Mishap {
    pub fn outcome(self) -> Outcome {
        match self {
            Mishap::NotConnected => Outcome::Retry { after: None },
            Mishap::NoAnswer => Outcome::Unknown,
        }
    }
}

impl MockReceiver {
    pub fn new(seed: u64, name: ReceiverName, allowances: Vec<RateLimit>, week: i64) -> Self {
        let weather = Weather::of(seed, name, week);
        let others = weather.others(seed, name);
        Self {
            name,
            seed,
            weather,
            is_healed: false,
            allowances,
            ours: Vec::new(),
            others,
            others_seen: 0,
            shut_until: 0,
            shut: 0,
            put_off: HashSet::new(),
            rests_until: 0,
        }
    }

    /// Nothing befalls it any more.
    pub fn heal(&mut self) {
        self.is_healed = true;
    }

    fn spell(&self, now: i64) -> Option<Spell> {
        if self.is_healed { None } else { self.weather.at(now) }
    }

    /// Decides how a send goes that begins now, for the `nth` time with this key.
    pub fn fate(&self, key: &str, nth: usize, now: i64) -> Fate {
        let mut chance = Chance::of(self.seed, &["fate", &format!("{:?}", self.name), key, &nth.to_string()]);
        let spell = self.spell(now);
        let takes = match spell {
            Some(Spell::Slow) => chance.between(3 * SECOND, TIMEOUT - 1),
            _ => chance.between(20, 900),
        };
        let reaches_at = now + chance.between(1, takes);
        let ordinarily = Fate { reaches_at: Some(reaches_at), ends_at: now + takes, instead: None };
        let lost = Fate { ends_at: now + TIMEOUT, instead: Some(Mishap::NoAnswer), ..ordinarily };
        let away = Fate { reaches_at: None, ends_at: now + takes, instead: Some(Mishap::NotConnected) };
        match spell {
            Some(Spell::Away) => away,
            Some(Spell::LosesAnswers) => lost,
            Some(Spell::LosesMessages) => Fate { reaches_at: None, ..lost },
            _ if self.is_healed => ordinarily,
            _ if chance.once_in_a_while(15) => lost,
            _ if chance.once_in_a_while(10) => away,
            _ => ordinarily,
        }
    }

    /// A send of ours begins.
    ///
    /// # Errors
    /// It had said so before.
    pub fn begins(&self, now: i64) -> Result<(), String> {
        match now < self.rests_until {
            true => Err(format!("{:?} is sent to although it has said that it is shut", self.name)),
            false => Ok(()),
        }
    }

    /// We learn that it is shut.
    pub fn says_that_it_is_shut(&mut self, wait: SignedDuration, now: i64) {
        let until = now + i64::try_from(wait.as_millis()).expect("short");
        self.rests_until = self.rests_until.max(until);
    }

    /// A calendar that was set may make a daemon that starts believe that it is open again.
    pub fn may_be_asked(&mut self) {
        self.rests_until = 0;
    }

    /// A message of ours is there. Answers what the receiver thinks of it.
    ///
    /// # Errors
    /// A promise that was broken.
    pub fn reached(&mut self, key: &str, part: &Part, now: i64) -> Result<Outcome, String> {
        self.count_others(now);
        self.ours.push(now);
        for RateLimit { count, per } in &self.allowances {
            let sent = within(&self.ours, now, i64::try_from(per.as_millis()).expect("short"));
            if sent > *count as usize {
                return Err(format!("{:?} got {sent} messages of ours within {per:#}, of {count}", self.name));
            }
        }
        if let Some(shut) = self.robots_rule(now)? {
            return Ok(shut);
        }
        let spell = self.spell(now);
        let mut chance = Chance::of(self.seed, &["thinks", key, &now.to_string()]);
        Ok(match spell {
            Some(Spell::Misconfigured) => Outcome::Misconfigured,
            Some(Spell::Failing) => {
                Outcome::Retry { after: chance.one_of(&[None, Some(SignedDuration::from_secs(90))]) }
            }
            Some(Spell::Narrow { bytes }) if part.body.len() > bytes => Outcome::TooLong,
            Some(Spell::Full) if part.index == 1 => Outcome::Full,
            Some(Spell::Greylists) if self.put_off.insert(key.to_owned()) => Outcome::Retry { after: None },
            _ if !self.is_healed && chance.once_in_a_while(8) => Outcome::Retry { after: None },
            _ => self.thinks_of_content(part),
        })
    }

    /// A robot that gets too much is shut: for ten minutes, or for one.
    fn robots_rule(&mut self, now: i64) -> Result<Option<Outcome>, String> {
        let shuts_for = match self.name {
            ReceiverName::KitchenRobot | ReceiverName::BossRobot => 10 * MINUTE,
            ReceiverName::OfficeRobot => MINUTE,
            ReceiverName::Erp | ReceiverName::MailServer => return Ok(None),
        };
        if now >= self.shut_until {
            let ours = within(&self.ours, now, MINUTE);
            if ours > ROBOT_TAKES {
                return Err(format!("{:?} had to be shut for {ours} messages of ours", self.name));
            }
            if ours + within(&self.others[..self.others_seen], now, MINUTE) > ROBOT_TAKES {
                self.shut(now, shuts_for);
            }
        }
        let throttled = Outcome::Throttled { wait: SignedDuration::from_millis(shuts_for) };
        Ok((now < self.shut_until).then_some(throttled))
    }

    fn shut(&mut self, now: i64, shuts_for: i64) {
        self.shut_until = now + shuts_for;
        self.shut += 1;
    }

    /// Others may have made it shut before we come.
    fn count_others(&mut self, now: i64) {
        if self.is_healed {
            self.others.truncate(self.others_seen);
        }
        while let Some(at) = self.others.get(self.others_seen).copied().filter(|at| *at <= now) {
            self.others_seen += 1;
            let all = within(&self.ours, at, MINUTE) + within(&self.others[..self.others_seen], at, MINUTE);
            if at >= self.shut_until && all > ROBOT_TAKES {
                let shuts_for = if self.name == ReceiverName::OfficeRobot { MINUTE } else { 10 * MINUTE };
                self.shut(at, shuts_for);
            }
        }
    }

    fn thinks_of_content(&self, part: &Part) -> Outcome {
        let says = |word| part.body.contains(word);
        match self.name {
            ReceiverName::Erp | ReceiverName::MailServer if says(UNWELCOME) => Outcome::Rejected,
            ReceiverName::Erp | ReceiverName::MailServer => Outcome::Delivered,
            _ if says(UNWELCOME) || says(FORBIDDEN) => Outcome::ContentRefused,
            _ => Outcome::Delivered,
        }
    }
}

/// How many of these sorted times are in the window that ends now.
fn within(times: &[i64], now: i64, per: i64) -> usize {
    times.iter().rev().take_while(|at| **at > now - per).filter(|at| **at <= now).count()
}
