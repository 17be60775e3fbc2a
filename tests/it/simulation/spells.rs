//! What befalls a receiver in the week: hours in which it is away, loses answers, refuses our setting, is slow, takes less,
//! or is crowded by others.

use crate::simulation::chance::Chance;
use crate::simulation::hands::{DAY, HOUR, MINUTE, SECOND};
use crate::simulation::settings::ReceiverName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spell {
    /// Nothing reaches it.
    Away,
    /// It answers 5xx.
    Failing,
    /// It takes what comes, and its answers are lost.
    LosesAnswers,
    /// What is sent is lost on the way, after it was sent.
    LosesMessages,
    /// It says that our setting is wrong.
    Misconfigured,
    Slow,
    /// It takes shorter messages only.
    Narrow {
        bytes: usize,
    },
    /// A recipient's mailbox is full.
    Full,
    /// Each message is put off once.
    Greylists,
    /// Others use the robot, too.
    Crowded,
}

#[derive(Clone, Copy, Debug)]
pub struct Lasting {
    pub from: i64,
    pub to: i64,
    pub spell: Spell,
}

/// The spells of one receiver.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    lasting: Vec<Lasting>,
}

impl Weather {
    pub fn of(seed: u64, name: ReceiverName, week: i64) -> Self {
        let mut chance = Chance::of(seed, &["weather", &format!("{name:?}")]);
        let is_robot = matches!(name, ReceiverName::KitchenRobot | ReceiverName::OfficeRobot | ReceiverName::BossRobot);
        let narrow = match name {
            ReceiverName::OfficeRobot => chance.one_of(&[300, 600, 1500]),
            _ => chance.one_of(&[400, 700, 3000]),
        };
        let common = [Spell::Away, Spell::Failing, Spell::LosesAnswers, Spell::LosesMessages, Spell::Slow];
        let mut possible = [&common[..], &common[..], &[Spell::Misconfigured, Spell::Misconfigured]].concat();
        match name {
            ReceiverName::MailServer => possible.extend([Spell::Full, Spell::Greylists, Spell::Greylists]),
            ReceiverName::Erp => {}
            _ => possible.extend([Spell::Narrow { bytes: narrow }, Spell::Narrow { bytes: narrow }]),
        }
        if is_robot {
            possible.extend([Spell::Crowded; 4]);
        }
        let mut lasting = Vec::new();
        let mut at = chance.between(0, 12 * HOUR);
        while at < week {
            let spell = chance.one_of(&possible);
            let longest = match spell {
                Spell::Misconfigured => 20 * HOUR,
                Spell::Away | Spell::Failing | Spell::Full | Spell::Narrow { .. } => {
                    chance.one_of(&[10 * MINUTE, 3 * HOUR, 30 * HOUR])
                }
                Spell::Crowded => 6 * HOUR,
                _ => 3 * HOUR,
            };
            // By day, when there is something to befall.
            let from = at.div_euclid(DAY) * DAY + chance.between(7 * HOUR, 23 * HOUR);
            let to = (from + chance.between(MINUTE, longest)).min(week);
            lasting.push(Lasting { from, to, spell });
            at = to + chance.between(HOUR, 30 * HOUR);
        }
        if is_robot && chance.once_in_a_while(300) {
            // All week, beside whatever befalls it: single messages fit, and digests hardly do.
            lasting.push(Lasting { from: 0, to: week, spell: Spell::Narrow { bytes: chance.one_of(&[700, 1000]) } });
        }
        Self { lasting }
    }

    pub fn at(&self, now: i64) -> Option<Spell> {
        self.lasting.iter().find(|one| one.from <= now && now < one.to).map(|one| one.spell)
    }

    /// When others send to the robot, one after another.
    pub fn others(&self, seed: u64, name: ReceiverName) -> Vec<i64> {
        let mut chance = Chance::of(seed, &["others", &format!("{name:?}")]);
        let mut times = Vec::new();
        for crowd in self.lasting.iter().filter(|one| one.spell == Spell::Crowded) {
            let apart = chance.one_of(&[SECOND, 3 * SECOND, 5 * SECOND]);
            let mut at = crowd.from;
            while at < crowd.to {
                at += chance.between(apart / 2, apart * 2);
                times.push(at);
            }
        }
        times
    }
}
