//! With which settings the running daemon sends, asked by a command through the store: which keys differ, and no value.
//!
//! A digest in a store can be guessed offline by whoever gets hold of that file or a backup of it: passwords of mailboxes have
//! little to guess, and a key or nonce that lies beside the digest helps nobody. Nor can the daemon keep its digests there under
//! a key of its own, because then the command cannot make the same. So both agree on a key as TLS does (X25519): the command
//! writes a public half, the daemon answers with its own and with digests under what both halves make together. Neither
//! private half ever leaves its process, and both are used once; what is left in a freed page of the file is of no use. Who
//! can write into the store could ask as well and guess then, but that is the daemon's own user, who can read its
//! environment anyway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ActiveKeyExchange;
use rustls::crypto::ring::kx_group::X25519;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::domain::effective::{
    DifferenceCause, EffectiveSettings, SettingDifference, SettingDigests, SettingsComparison,
};
use crate::domain::sign;
use crate::flow::{Clock, Current, ids};
use crate::store::{Store, StoreError};

/// The daemon looks this often whether somebody asks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a command looks for the answer, and for how long.
const ANSWER_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

/// With what one channel is sent.
#[derive(Clone, Debug)]
pub struct InUse {
    pub settings: EffectiveSettings,
    /// What its allowance is counted by.
    pub credential: String,
}

/// What the daemon answers.
#[derive(Serialize, Deserialize)]
struct Answer {
    /// Its half of the key, as hex digits.
    public: String,
    /// By name.
    channels: BTreeMap<String, ChannelAnswer>,
}

#[derive(Serialize, Deserialize)]
struct ChannelAnswer {
    credential: String,
    settings: SettingDigests,
}

/// The settings of the running daemon, as far as a command may know them.
pub struct DaemonSettings {
    key: [u8; 32],
    channels: BTreeMap<String, ChannelAnswer>,
}

impl DaemonSettings {
    /// Compares what is here with what the daemon sends this channel with. A channel that it does not know differs as a whole.
    pub fn compare(&self, channel: &str, here: &EffectiveSettings) -> SettingsComparison {
        match self.channels.get(channel) {
            Some(there) => here.compare(&there.settings, &self.key),
            None => {
                let difference =
                    SettingDifference { key: format!("channel.{channel}"), cause: DifferenceCause::OnlyHere };
                SettingsComparison { differing: vec![difference], ..SettingsComparison::default() }
            }
        }
    }

    pub fn credential(&self, channel: &str) -> Option<&str> {
        self.channels.get(channel).map(|channel| channel.credential.as_str())
    }
}

/// Asks the daemon that holds the store. `None` when it does not answer in time.
///
/// # Errors
/// [`StoreError`]: nothing can be asked.
pub async fn ask(store: &dyn Store, clock: &Clock) -> Result<Option<DaemonSettings>, StoreError> {
    let half = half()?;
    let (id, public) = (ids::unique(), half.pub_key().to_vec());
    store.ask_settings(id, public.clone(), clock.now()).await?;
    let answered = async {
        loop {
            if let Some(answer) = store.answer(id).await? {
                return Ok::<_, StoreError>(answer);
            }
            tokio::time::sleep(ANSWER_EVERY).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await;
    store.drop_inquiry(id).await?;
    Ok(answer.ok().transpose()?.and_then(|answer| opened(half, &public, &answer)))
}

fn opened(half: Box<dyn ActiveKeyExchange>, asked: &[u8], answer: &str) -> Option<DaemonSettings> {
    let Answer { public, channels } = serde_json::from_str(answer).ok()?;
    let public = hex::decode(public).ok()?;
    let shared = half.complete(&public).ok()?;
    Some(DaemonSettings { key: key(shared.secret_bytes(), asked, &public), channels })
}

/// Answers commands, until the daemon stops.
pub async fn answer(
    store: Arc<dyn Store>,
    in_use: Current<BTreeMap<String, InUse>>,
    clock: Clock,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        // While the store cannot be used it says so itself.
        for (id, public) in store.inquiries().await.unwrap_or_default() {
            let answered = match answer_to(&public, &in_use.get()) {
                Some(answer) => store.answer_inquiry(id, answer, clock.now()).await,
                None => store.drop_inquiry(id).await,
            };
            if let Err(error) = answered {
                tracing::error!(%error, "a command that asked for the settings in force could not be answered");
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// `None` where what was asked with is no half of a key.
fn answer_to(asked: &[u8], in_use: &BTreeMap<String, InUse>) -> Option<String> {
    let half = half().ok()?;
    let public = half.pub_key().to_vec();
    let shared = half.complete(asked).ok()?;
    let key = key(shared.secret_bytes(), asked, &public);
    let answer = |(name, InUse { settings, credential }): (&String, &InUse)| {
        (name.clone(), ChannelAnswer { credential: credential.clone(), settings: settings.digests(&key) })
    };
    let channels = in_use.iter().map(answer).collect();
    serde_json::to_string(&Answer { public: hex::encode(public), channels }).ok()
}

fn half() -> Result<Box<dyn ActiveKeyExchange>, StoreError> {
    X25519.start().map_err(|error| StoreError::Unavailable(format!("no key to compare settings by: {error}")))
}

/// Of this exchange alone: what both halves make together is bound to them, as RFC 7748 §6.1 wants it.
fn key(shared: &[u8], asked: &[u8], answered: &[u8]) -> [u8; 32] {
    sign::hmac_sha256(shared, &[b"orderbell settings", asked, answered])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::effective::ValueOrigin;
    use crate::domain::secret::Secret;

    fn in_use(value: &str) -> BTreeMap<String, InUse> {
        let mut settings = EffectiveSettings::default();
        settings.note("channel.owner.password".to_owned(), Some(Secret::new(value)), ValueOrigin::Configuration);
        BTreeMap::from([("owner".to_owned(), InUse { settings, credential: "owner".to_owned() })])
    }

    #[test]
    fn both_sides_of_an_exchange_make_the_same_digests_and_no_other_exchange_does() {
        let exchange = |value: &str| {
            let half = half().unwrap();
            let asked = half.pub_key().to_vec();
            let answer = answer_to(&asked, &in_use(value)).unwrap();
            (opened(half, &asked, &answer).unwrap(), answer)
        };
        let here = &in_use("1234")["owner"].settings;
        let (same, answer) = exchange("1234");
        assert_eq!(same.compare("owner", here), SettingsComparison::default());
        assert_eq!(exchange("1235").0.compare("owner", here).differing.len(), 1);
        let unknown = same.compare("nobody", here).differing.remove(0);
        assert_eq!((unknown.key.as_str(), unknown.cause), ("channel.nobody", DifferenceCause::OnlyHere));
        let (other, other_answer) = exchange("1234");
        assert_ne!((answer, same.key), (other_answer, other.key), "each has a key of its own");
    }

    #[test]
    fn what_is_stored_of_an_exchange_is_not_enough_to_guess_a_value() {
        let half = half().unwrap();
        let asked = half.pub_key().to_vec();
        let answer = answer_to(&asked, &in_use("1234")).unwrap();
        let Answer { public, channels } = serde_json::from_str(&answer).unwrap();
        let public = hex::decode(public).unwrap();
        let stored = serde_json::to_value(&channels["owner"].settings).unwrap();
        let secret = opened(half, &asked, &answer).unwrap().key;
        let guessed = |key: &[u8]| serde_json::to_value(in_use("1234")["owner"].settings.digests(key)).unwrap();
        assert_eq!(guessed(&secret), stored, "with the key it would be");
        let known: [&[u8]; 5] = [&asked, &public, &key(&asked, &asked, &public), &key(&public, &asked, &public), b""];
        for key in known {
            assert_ne!(guessed(key), stored);
        }
        assert!(!answer.contains("1234"));
    }

    #[test]
    fn what_is_no_half_of_a_key_is_not_answered() {
        assert_eq!(answer_to(b"short", &in_use("1234")), None);
        assert_eq!(answer_to(&[0; 32], &in_use("1234")), None, "the key would be known to everybody");
    }
}
