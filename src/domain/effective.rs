//! The settings that a channel is sent with, as they are in force: compared with those of another process without showing one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::secret::Secret;
use crate::domain::sign;

/// Each key of a channel as it stands in the file, such as `channel.kitchen.secret`, with its resolved value. What holds for all
/// channels is in it under its own key, such as `language`, where the channel sets nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectiveSettings(BTreeMap<String, EffectiveValue>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct EffectiveValue {
    /// Absent where what it refers to cannot be read.
    value: Option<Secret>,
    origin: ValueOrigin,
}

/// Where a value stands. Names of variables and paths are no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueOrigin {
    /// In the configuration itself.
    Configuration,
    /// In the environment variable of this name.
    Env(String),
    /// In the file at this path, relative to the folder of the configuration.
    File(String),
}

/// The settings with a keyed digest in the place of each value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingDigests(BTreeMap<String, ValueDigest>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ValueDigest {
    /// As hex digits; absent where there is no value.
    digest: Option<String>,
    origin: ValueOrigin,
}

/// One key by which two processes differ: *here* the one that compares, *there* the one that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDifference {
    pub key: String,
    pub cause: DifferenceCause,
}

/// Why: a variant exists because its cure is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceCause {
    /// The environment variable has another value here.
    Env(String),
    /// The environment variable is set here, and not there.
    EnvOnlyHere(String),
    /// The file has another content than was read there.
    File(String),
    /// The file can be read here, and could not there.
    FileOnlyHere(String),
    /// The configuration says something else here.
    Configuration,
    /// The key is set here, and not there.
    OnlyHere,
    /// The key is set there, and not here.
    OnlyThere,
    /// The configuration cannot be read here.
    Unreadable,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsComparison {
    pub differing: Vec<SettingDifference>,
    /// Keys whose values cannot be read here, and where they should stand.
    pub not_compared: Vec<(String, ValueOrigin)>,
}

impl EffectiveSettings {
    /// Notes a key; the value is absent where what it refers to cannot be read.
    pub fn note(&mut self, key: String, value: Option<Secret>, origin: ValueOrigin) {
        self.0.insert(key, EffectiveValue { value, origin });
    }

    /// A digest of each value under a key that is a secret of those who compare.
    pub fn digests(&self, key: &[u8]) -> SettingDigests {
        let digest = |(path, of): (&String, &EffectiveValue)| {
            let digest = of.value.as_ref().map(|value| {
                // The length keeps the path and the value apart.
                let length = u64::try_from(path.len()).unwrap_or(u64::MAX).to_be_bytes();
                let pieces = [&length[..], path.as_bytes(), value.expose().as_bytes()];
                hex::encode(sign::hmac_sha256(key, &pieces))
            });
            (path.clone(), ValueDigest { digest, origin: of.origin.clone() })
        };
        SettingDigests(self.0.iter().map(digest).collect())
    }

    /// Compares these settings, here, with the digests of those there, which were made under the same key.
    pub fn compare(&self, there: &SettingDigests, key: &[u8]) -> SettingsComparison {
        let here = self.digests(key);
        let keys: BTreeSet<&String> = here.0.keys().chain(there.0.keys()).collect();
        let mut comparison = SettingsComparison::default();
        for key in keys {
            let cause = match (here.0.get(key), there.0.get(key)) {
                (Some(ValueDigest { digest: None, origin }), _) => {
                    comparison.not_compared.push((key.clone(), origin.clone()));
                    continue;
                }
                (Some(here), Some(there)) if here.digest == there.digest => continue,
                (Some(here), Some(there)) => cause(here, there),
                (Some(_), None) => DifferenceCause::OnlyHere,
                (None, _) => DifferenceCause::OnlyThere,
            };
            comparison.differing.push(SettingDifference { key: key.clone(), cause });
        }
        comparison
    }
}

fn cause(here: &ValueDigest, there: &ValueDigest) -> DifferenceCause {
    match &here.origin {
        origin if *origin != there.origin => DifferenceCause::Configuration,
        ValueOrigin::Env(name) if there.digest.is_none() => DifferenceCause::EnvOnlyHere(name.clone()),
        ValueOrigin::Env(name) => DifferenceCause::Env(name.clone()),
        ValueOrigin::File(path) if there.digest.is_none() => DifferenceCause::FileOnlyHere(path.clone()),
        ValueOrigin::File(path) => DifferenceCause::File(path.clone()),
        ValueOrigin::Configuration => DifferenceCause::Configuration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(of: &[(&str, Option<&str>, ValueOrigin)]) -> EffectiveSettings {
        let mut settings = EffectiveSettings::default();
        for (key, value, origin) in of {
            settings.note((*key).to_owned(), value.map(Secret::new), origin.clone());
        }
        settings
    }

    fn one(side: Option<(Option<&str>, ValueOrigin)>) -> EffectiveSettings {
        settings(&side.into_iter().map(|(value, origin)| ("k", value, origin)).collect::<Vec<_>>())
    }

    #[test]
    fn each_way_to_differ_has_its_cause() {
        let (env, file) = (ValueOrigin::Env("NAME".to_owned()), ValueOrigin::File("path".to_owned()));
        let plain = ValueOrigin::Configuration;
        let name = || "NAME".to_owned();
        let cases = [
            (Some((Some("a"), env.clone())), Some((Some("a"), env.clone())), None),
            (Some((Some("a"), env.clone())), Some((Some("a"), plain.clone())), None),
            (Some((Some("a"), env.clone())), Some((Some("b"), env.clone())), Some(DifferenceCause::Env(name()))),
            (Some((Some("a"), env.clone())), Some((None, env.clone())), Some(DifferenceCause::EnvOnlyHere(name()))),
            (
                Some((Some("a"), file.clone())),
                Some((Some(""), file.clone())),
                Some(DifferenceCause::File("path".to_owned())),
            ),
            (
                Some((Some("a"), file.clone())),
                Some((None, file.clone())),
                Some(DifferenceCause::FileOnlyHere("path".to_owned())),
            ),
            (Some((Some("a"), file)), Some((Some("b"), env)), Some(DifferenceCause::Configuration)),
            (Some((Some("a"), plain.clone())), None, Some(DifferenceCause::OnlyHere)),
            (None, Some((Some("a"), plain)), Some(DifferenceCause::OnlyThere)),
        ];
        for (here, there, cause) in cases {
            let (here, there) = (one(here), one(there));
            let found = here.compare(&there.digests(b"key"), b"key");
            let causes: Vec<_> = found.differing.into_iter().map(|found| found.cause).collect();
            assert_eq!(causes, Vec::from_iter(cause), "{here:?} {there:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_here_is_not_compared() {
        let env = ValueOrigin::Env("NAME".to_owned());
        let here = settings(&[("k", None, env.clone())]);
        let there = settings(&[("k", Some("a"), env.clone())]).digests(b"key");
        let expected = SettingsComparison { differing: Vec::new(), not_compared: vec![("k".to_owned(), env)] };
        assert_eq!(here.compare(&there, b"key"), expected);
    }

    #[test]
    fn a_digest_shows_neither_the_value_nor_its_length_nor_where_else_it_stands() {
        let origin = || ValueOrigin::Configuration;
        let settings =
            settings(&[("a", Some("x"), origin()), ("b", Some("x"), origin()), ("c", Some("xyz"), origin())]);
        let digests = settings.digests(b"key").0.into_values().map(|of| of.digest.unwrap());
        let digests: BTreeSet<String> = digests.collect();
        assert!(digests.len() == 3 && digests.iter().all(|digest| digest.len() == 64), "{digests:?}");
        let other: BTreeSet<String> =
            settings.digests(b"another").0.into_values().map(|of| of.digest.unwrap()).collect();
        assert!(digests.is_disjoint(&other));
    }
}
