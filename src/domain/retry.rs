//! What a receiver's answer means, and what becomes of the delivery then: the table of outcomes as a pure function.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::domain::event::DeliveryId;
use crate::domain::mask::known::Mask;
use crate::domain::message::PartForm;

/// What an attempt came to. A variant exists because something else is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver accepted.
    Delivered,
    /// Yes for some recipients; these were refused.
    Partial { refused: Vec<String> },
    /// No for now; the receiver may have said for how long.
    Retry { after: Option<SignedDuration> },
    /// Sent, but no answer came, or one that nobody knows: it may have arrived.
    Unknown,
    /// The credential is shut for so long.
    Throttled { wait: SignedDuration },
    /// The channel's setting is wrong; no message will pass until a person changes it.
    Misconfigured,
    /// The message is over the receiver's limit.
    TooLong,
    /// The receiver does not like what it says.
    ContentRefused,
    /// The recipient's mailbox is full: one late retry, then dead.
    Full,
    /// The receiver will never take this message.
    Rejected,
    /// The receiver says that our request is malformed.
    Bug,
}

impl Outcome {
    /// All that [`Outcome::as_str`] says.
    pub const NAMES: [&'static str; 11] = [
        "delivered",
        "partial",
        "retry",
        "unknown",
        "throttled",
        "misconfigured",
        "too_long",
        "content_refused",
        "full",
        "rejected",
        "bug",
    ];

    /// As it stands in the store and in lists.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Partial { .. } => "partial",
            Outcome::Retry { .. } => "retry",
            Outcome::Unknown => "unknown",
            Outcome::Throttled { .. } => "throttled",
            Outcome::Misconfigured => "misconfigured",
            Outcome::TooLong => "too_long",
            Outcome::ContentRefused => "content_refused",
            Outcome::Full => "full",
            Outcome::Rejected => "rejected",
            Outcome::Bug => "bug",
        }
    }
}

/// An outcome with the receiver's last word; once it is [`masked`](Answer::masked), shortened and free of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    /// What a list of deliveries shows. A receiver's free text stands in it as [`quoted`] puts it.
    pub detail: String,
}

impl Answer {
    /// The words without what the receiver said freely: that may be our own message said back, with the buyer's name in
    /// it, and so belongs in no log and no notice.
    pub fn redacted_detail(&self) -> &str {
        redacted(&self.detail)
    }

    /// As it may be stored and shown: what the receiver said masked, on one line, and short.
    #[must_use]
    pub fn masked(self, mask: &Mask) -> Self {
        let Some((own, said)) = self.detail.split_once(OPENS) else { return self };
        let said = mask.said(said.strip_suffix(CLOSES).unwrap_or(said));
        let words = quoted(own.trim_end_matches([' ', ':']), &said);
        Self { detail: words, ..self }
    }
}

/// What [`Answer::redacted_detail`] makes of words that were stored.
pub fn redacted(words: &str) -> &str {
    let (own, _) = words.split_once(OPENS).unwrap_or((words, ""));
    own.trim_end_matches([' ', ':'])
}

/// What the provider or receiver said, in words that were stored; empty where it said nothing.
pub fn said_words(words: &str) -> &str {
    let (_, said) = words.split_once(OPENS).unwrap_or_default();
    said.strip_suffix(CLOSES).unwrap_or(said)
}

/// Opens the words of a receiver. No words of our own hold it.
pub const OPENS: char = '“';
pub const CLOSES: char = '”';

/// Our own words with those of the receiver behind them, marked as such.
pub fn quoted(own: &str, said: &str) -> String {
    if said.is_empty() { own.to_owned() } else { format!("{own}: {OPENS}{said}{CLOSES}") }
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Delivered,
    /// Waits; `spends` says whether a step of the schedule is used up.
    Wait {
        until: Timestamp,
        spends: bool,
    },
    /// Waits until somebody mends the channel's setting, or a probe finds it mended.
    Park {
        probe_at: Timestamp,
    },
    /// Composed anew in this form and tried at once.
    Recompose(PartForm),
    /// Given up, visibly.
    Dead,
}

/// The waits between tries where a channel sets none.
pub const DEFAULT_WAITS: [SignedDuration; 8] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(12),
];

/// First and longest wait of a channel whose setting is wrong.
const PROBE_FIRST: SignedDuration = SignedDuration::from_mins(10);
const PROBE_LONGEST: SignedDuration = SignedDuration::from_hours(6);
/// A receiver's `Retry-After` is obeyed between these.
const RETRY_AFTER_SHORTEST: SignedDuration = SignedDuration::from_secs(1);
const RETRY_AFTER_LONGEST: SignedDuration = SignedDuration::from_hours(12);
/// A full mailbox is tried once more after so long: whoever can make room may be asleep.
const FULL_RETRY: SignedDuration = SignedDuration::from_hours(6);
/// How often a message is halved before it is given up.
const HALVINGS: u8 = 3;

/// Where a delivery stands before the step is chosen.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryProgress {
    pub delivery: DeliveryId,
    /// Attempts made so far, this one included.
    pub attempts: u32,
    /// Steps of the schedule used up so far.
    pub spent: u32,
    pub form: PartForm,
    /// An earlier attempt of this part found the mailbox full, and this one is its late retry.
    pub late: bool,
    /// How often its channel was tried since it is parked; 0 when it was not parked before this attempt.
    pub probes: u32,
}

/// The next step after an outcome.
pub fn next(outcome: &Outcome, progress: DeliveryProgress, waits: &[SignedDuration], now: Timestamp) -> Step {
    let waiting = |wait: SignedDuration, spends: bool| match now.checked_add(jitter(wait, progress)) {
        Ok(until) => Step::Wait { until, spends },
        Err(_) => Step::Dead,
    };
    match outcome {
        Outcome::Delivered | Outcome::Partial { .. } => Step::Delivered,
        Outcome::Retry { .. } | Outcome::Unknown => match waits.get(progress.spent as usize) {
            None => Step::Dead,
            Some(wait) => {
                let asked = match outcome {
                    Outcome::Retry { after: Some(after) } => within_bounds(*after),
                    _ => SignedDuration::ZERO,
                };
                // What the receiver asks for is a lower bound; jitter must not fall short of it.
                if asked > *wait {
                    now.checked_add(asked).map_or(Step::Dead, |until| Step::Wait { until, spends: true })
                } else {
                    waiting(*wait, true)
                }
            }
        },
        Outcome::Throttled { wait } => {
            now.checked_add(*wait).map_or(Step::Dead, |until| Step::Wait { until, spends: false })
        }
        Outcome::Misconfigured => {
            let wait = (PROBE_FIRST * (1 << progress.probes.min(6))).min(PROBE_LONGEST);
            now.checked_add(jitter(wait, progress)).map_or(Step::Dead, |probe_at| Step::Park { probe_at })
        }
        // The forms only go one way, full, halved, reduced, so that no receiver can keep us composing.
        Outcome::TooLong => match progress.form {
            PartForm::Reduced => Step::Dead,
            PartForm::Halved(times) if times >= HALVINGS => Step::Dead,
            PartForm::Halved(times) => Step::Recompose(PartForm::Halved(times + 1)),
            PartForm::Full => Step::Recompose(PartForm::Halved(1)),
        },
        Outcome::ContentRefused => match progress.form {
            PartForm::Reduced => Step::Dead,
            PartForm::Full | PartForm::Halved(_) => Step::Recompose(PartForm::Reduced),
        },
        Outcome::Full if progress.late => Step::Dead,
        Outcome::Full => waiting(FULL_RETRY, false),
        Outcome::Rejected | Outcome::Bug => Step::Dead,
    }
}

/// How long a receiver may make us wait: whatever it asks for, it is tried twice a day.
pub fn within_bounds(asked: SignedDuration) -> SignedDuration {
    asked.clamp(RETRY_AFTER_SHORTEST, RETRY_AFTER_LONGEST)
}

/// Up to 10 % more or less, as a hash of delivery and attempt: the same in every run, different among deliveries.
fn jitter(wait: SignedDuration, progress: DeliveryProgress) -> SignedDuration {
    let mut hash = Sha256::new();
    hash.update(progress.delivery.0.as_bytes());
    hash.update(progress.attempts.to_be_bytes());
    let digest = hash.finalize();
    let draw = i128::from(u16::from_be_bytes([digest[0], digest[1]]));
    let spread = wait.as_nanos() / 10;
    let shift = spread * 2 * draw / i128::from(u16::MAX) - spread;
    let shift = i64::try_from(shift).unwrap_or(0);
    wait + SignedDuration::from_nanos(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_says_freely_is_distinguished_from_what_the_code_says() {
        let answer = |words: &str| Answer { outcome: Outcome::Rejected, detail: words.to_owned() };
        let words = quoted("HTTP 422 (so: odd)", "Ali: “no” onion");
        assert_eq!(words, "HTTP 422 (so: odd): “Ali: “no” onion”");
        assert_eq!(answer(&words).redacted_detail(), "HTTP 422 (so: odd)");
        assert_eq!(answer(&quoted("HTTP 410", "")).redacted_detail(), "HTTP 410");
        assert_eq!(answer("not connected: refused").redacted_detail(), "not connected: refused");
    }
}
