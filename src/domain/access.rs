//! Access tokens of the admin listener: what each one may do, and how a token that is presented is compared with it.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::secret::Secret;
use crate::domain::settings::InvalidValue;

/// The most memory that checking a token may take, in KiB; OWASP's recommendation is 19 MiB.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 64;
const MAX_LANES: u32 = 16;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It is shown everything and changes nothing.
    Read,
    /// It also sends again, cancels, pauses and tests.
    Write,
}

impl Access {
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
        }
    }
}

/// One token that is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// As whom whoever presents it acts.
    pub name: String,
    pub access: Access,
    pub form: TokenForm,
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenForm {
    Plain(Secret),
    /// Its Argon2 hash, as a PHC string.
    Hash(Secret),
}

/// The SHA-256 of a token.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether both are of the same token, in a time that says nothing about either.
    pub fn is(&self, other: &TokenDigest) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Whether a token is the one that was hashed. Takes as long and as much memory as the hash says, on purpose.
pub fn is_hashed(token: &str, hash: &Secret) -> bool {
    let Ok(parsed) = PasswordHash::new(hash.expose()) else { return false };
    Argon2::default().verify_password(token.as_bytes(), &parsed).is_ok()
}

/// A token of 32 random bytes, as base64url.
pub fn token(random: &[u8; 32]) -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(random))
}

/// The Argon2id hash of a token, as a PHC string. `None` where there is not enough memory for it.
pub fn hash(token: &Secret, salt: &[u8; 16]) -> Option<String> {
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(token.expose().as_bytes(), salt).ok()?;
    Some(hash.to_string())
}

/// Judges a PHC string of the configuration.
///
/// # Errors
/// It is none of Argon2's, has no hash in it, or takes more than anybody should wait for.
pub fn judge_hash(hash: &str) -> Result<(), InvalidValue> {
    const FORM: &str = "it begins with \"$argon2id$\"; for the token itself write token = …";
    if !hash.starts_with("$argon2") {
        return Err(InvalidValue::new("token_hash is not an Argon2 hash", FORM));
    }
    let unreadable = || {
        let help = "`orderbell token` prints one; its settings, its salt and the hash stand behind each other in it";
        InvalidValue::new("token_hash is not a whole Argon2 hash", help)
    };
    let parsed = PasswordHash::new(hash).map_err(|_| unreadable())?;
    let params = Params::try_from(&parsed).map_err(|_| unreadable())?;
    if Algorithm::new(parsed.algorithm.as_str()).is_err() || parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(unreadable());
    }
    if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
        let help = "at most m=262144 (256 MiB), t=64 and p=16; `orderbell token` prints one with m=19456, t=2 and p=1";
        return Err(InvalidValue::new("token_hash takes too much memory or time to check", help));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_43_characters_and_its_hash_is_of_it_alone() {
        let made = token(&[251; 32]);
        assert_eq!(made.expose(), "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
        let hashed = hash(&made, &[7; 16]).unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_eq!(judge_hash(&hashed), Ok(()));
        let hashed = Secret::new(hashed);
        assert!(is_hashed(made.expose(), &hashed));
        assert!(!is_hashed("-_v7", &hashed) && !is_hashed("", &hashed));
    }

    #[test]
    fn only_a_whole_hash_of_a_bearable_cost_is_taken() {
        let salt_and_hash = "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let judged = |head: &str, tail: &str| judge_hash(&format!("{head}{tail}")).map_err(|invalid| invalid.message);
        assert_eq!(judged("$argon2id$v=19$m=19456,t=2,p=1", salt_and_hash), Ok(()));
        for (head, tail, part) in [
            ("hunter2", "", "not an Argon2 hash"),
            ("$argon2id$hush", "", "not a whole"),
            ("$argon2id$v=19$m=19456,t=2,p=1", "", "not a whole"),
            ("$argon2id$v=19$m=19456,t=2,p=1", "$AAAAAAAAAAAAAAAAAAAAAA", "not a whole"),
            ("$argon2x$v=19$m=19456,t=2,p=1", salt_and_hash, "not a whole"),
            ("$argon2id$v=19$m=4194304,t=2,p=1", salt_and_hash, "too much"),
            ("$argon2id$v=19$m=19456,t=999,p=1", salt_and_hash, "too much"),
        ] {
            let said = judged(head, tail).unwrap_err();
            assert!(said.contains(part), "{head}{tail}: {said}");
        }
    }

    #[test]
    fn digests_are_equal_where_the_tokens_are() {
        assert!(TokenDigest::of("a").is(&TokenDigest::of("a")));
        assert!(!TokenDigest::of("a").is(&TokenDigest::of("b")));
    }
}
