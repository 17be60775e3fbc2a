//! Sessions of the page: how the browser of somebody who has logged in is known again, and for how long.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::access::TokenForm;
use crate::domain::secret::Secret;
use crate::domain::sign;

/// A session that is not used for so long has ended.
pub const UNUSED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// However much it is used, it lasts no longer.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Its use is noted no more often.
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// The most characters of a browser's name.
const BROWSER_CHARACTERS: usize = 60;

/// What a browser proves its session with: 256 bits of chance. The store has its digest alone.
#[derive(Clone, Debug)]
pub struct SessionKey(Secret);

impl SessionKey {
    pub fn of(random: &[u8; 32]) -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(random)))
    }

    /// As a browser sends it; `None` where it cannot be one.
    pub fn read(text: &str) -> Option<Self> {
        let decoded = (text.len() == 43).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
        decoded.filter(|bytes| bytes.len() == 32).map(|_| Self(Secret::new(text)))
    }

    /// The text itself, for the browser alone.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    pub fn digest(&self) -> SessionDigest {
        SessionDigest(Sha256::digest(self.expose()).into())
    }

    /// What proves that a token is still configured as it was. Without the key nobody can try tokens against it, be they ever
    /// so short.
    pub fn proof(&self, form: &FormDigest) -> [u8; 32] {
        sign::hmac_sha256(self.expose().as_bytes(), &[&form.0])
    }
}

/// What stands for a token as it is configured; another one where the token is changed.
#[derive(Clone, Copy)]
pub struct FormDigest([u8; 32]);

impl FormDigest {
    pub fn of(form: &TokenForm) -> Self {
        let (sort, text) = match form {
            TokenForm::Plain(token) => ("token\n", token),
            TokenForm::Hash(hash) => ("token_hash\n", hash),
        };
        Self(Sha256::new().chain_update(sort).chain_update(text.expose()).finalize().into())
    }
}

/// By what the store knows a session: the SHA-256 of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionDigest(pub [u8; 32]);

impl SessionDigest {
    /// As a request names it, in hex; `None` where that is none.
    pub fn read(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).ok().map(|()| Self(digest))
    }
}

impl std::fmt::Display for SessionDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A session as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSession {
    pub digest: SessionDigest,
    /// The name of the token with which somebody logged in.
    pub token: String,
    /// What [`SessionKey::proof`] was of that token.
    pub proof: [u8; 32],
    pub begun_at: Timestamp,
    /// As of the last note: at most an hour ago where it is used now.
    pub used_at: Timestamp,
    /// Which browser it is, as people know it.
    pub browser: String,
}

impl LoginSession {
    pub fn has_ended(&self, now: Timestamp) -> bool {
        now.duration_since(self.used_at) >= UNUSED_FOR || now.duration_since(self.begun_at) >= LONGEST
    }

    /// Whether its use is to be noted once more.
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        now.duration_since(self.used_at) >= NOTED_EVERY
    }

    /// Whether it is of a token that is configured so.
    pub fn is_of(&self, key: &SessionKey, form: &FormDigest) -> bool {
        key.proof(form).ct_eq(&self.proof).into()
    }
}

/// A browser and its system as people know them, from what it says of itself (`User-Agent`).
pub fn browser(user_agent: &str) -> String {
    // What stands later claims to be what stands earlier, too.
    const BROWSERS: [(&str, &str); 9] = [
        ("MicroMessenger/", "WeChat"),
        ("DingTalk/", "DingTalk"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 8] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("OpenHarmony", "HarmonyOS"),
        ("Linux", "Linux"),
    ];
    let found = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (found(&BROWSERS), found(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(known), None) | (None, Some(known)) => known.to_owned(),
        (None, None) => user_agent.chars().filter(|c| matches!(c, ' '..='~')).take(BROWSER_CHARACTERS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + hours * 3600).unwrap()
    }

    fn session(begun: i64, used: i64) -> LoginSession {
        let digest = SessionKey::of(&[7; 32]).digest();
        let (begun_at, used_at) = (at(begun), at(used));
        LoginSession { digest, token: "ann".into(), proof: [0; 32], begun_at, used_at, browser: String::new() }
    }

    #[test]
    fn a_session_ends_after_thirty_days_without_use_and_after_ninety_at_all() {
        assert!(!session(0, 0).has_ended(at(30 * 24 - 1)) && session(0, 0).has_ended(at(30 * 24)));
        assert!(!session(0, 80 * 24).has_ended(at(90 * 24 - 1)) && session(0, 80 * 24).has_ended(at(90 * 24)));
        assert!(!session(0, 0).is_to_be_noted(at(0)) && session(0, 0).is_to_be_noted(at(1)));
    }

    #[test]
    fn a_session_is_of_a_token_as_it_was_configured_and_of_its_own_key() {
        let (key, other) = (SessionKey::of(&[7; 32]), SessionKey::of(&[8; 32]));
        let form = FormDigest::of(&TokenForm::Plain(Secret::new("hush-till")));
        let session = LoginSession { proof: key.proof(&form), ..session(0, 0) };
        assert!(session.is_of(&key, &form) && !session.is_of(&other, &form));
        for changed in [TokenForm::Plain(Secret::new("hush-new")), TokenForm::Hash(Secret::new("hush-till"))] {
            assert!(!session.is_of(&key, &FormDigest::of(&changed)));
        }
    }

    #[test]
    fn only_what_can_be_a_key_is_read_as_one() {
        let key = SessionKey::of(&[251; 32]);
        assert_eq!(SessionKey::read(key.expose()).unwrap().digest(), key.digest());
        for wrong in ["", "-_v7", &"a".repeat(44), &"é".repeat(21), &"=".repeat(43), &"a".repeat(10_000)] {
            assert!(SessionKey::read(wrong).is_none(), "{wrong}");
        }
        let digest = key.digest();
        assert_eq!(SessionDigest::read(&digest.to_string()), Some(digest));
        assert_eq!(SessionDigest::read("00"), None);
    }

    #[test]
    fn browsers_are_named_as_people_know_them() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
                "Chrome, Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1",
                "Safari, iPhone",
            ),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
            ("curl/8.14.1", "curl/8.14.1"),
            ("<b>\u{202e}\0é", "<b>"),
            ("", ""),
        ] {
            assert_eq!(browser(user_agent), name);
        }
        assert_eq!(browser(&"x".repeat(5000)).len(), BROWSER_CHARACTERS);
    }
}
