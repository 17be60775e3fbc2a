//! Who is logged in to the page: sessions begun, known again, ended and swept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::session::{self, FormDigest, LoginSession, SessionDigest, SessionKey};
use crate::flow::Clock;
use crate::store::{Store, StoreError};

/// How often it is looked whether a session whose stream is open still is one: another instance may have ended it.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The sessions of a store. Cloning shares it.
#[derive(Clone)]
pub struct SessionKeeper {
    store: Arc<dyn Store>,
    clock: Clock,
    /// Changes when a session is ended here.
    ended: watch::Sender<()>,
}

impl SessionKeeper {
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock, ended: watch::Sender::new(()) }
    }

    /// Begins a session of a token. Answers what its browser proves it with.
    ///
    /// # Errors
    /// As the store's.
    pub async fn begin(&self, token: &str, form: &FormDigest, user_agent: &str) -> Result<SessionKey, StoreError> {
        let (key, now) = (random_key()?, self.clock.now());
        let session = LoginSession {
            digest: key.digest(),
            token: token.to_owned(),
            proof: key.proof(form),
            begun_at: now,
            used_at: now,
            browser: session::browser(user_agent),
        };
        self.store.begin_session(session).await?;
        Ok(key)
    }

    /// The session that a browser proves, unless it has ended; its use is noted.
    ///
    /// # Errors
    /// As the store's.
    pub async fn find(&self, key: &SessionKey) -> Result<Option<LoginSession>, StoreError> {
        let (found, now) = (self.store.session(key.digest()).await?, self.clock.now());
        let found = found.filter(|session| !session.has_ended(now));
        if let Some(session) = found.as_ref().filter(|session| session.is_to_be_noted(now)) {
            // Whoever is logged in stays so while nothing can be written.
            let _ = self.store.note_use(session.digest, now).await;
        }
        Ok(found)
    }

    /// Those that have not ended, the last used first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn all(&self) -> Result<Vec<LoginSession>, StoreError> {
        let now = self.clock.now();
        Ok(self.store.sessions().await?.into_iter().filter(|session| !session.has_ended(now)).collect())
    }

    /// Ends a session. Answers whether there was one.
    ///
    /// # Errors
    /// As the store's.
    pub async fn end(&self, digest: SessionDigest) -> Result<bool, StoreError> {
        // Whoever makes keys up reaches neither the thread that records webhooks nor those that are logged in.
        if self.store.session(digest).await?.is_none() {
            return Ok(false);
        }
        let was_there = self.store.end_session(digest).await?;
        self.ended.send_replace(());
        Ok(was_there)
    }

    /// Ends all sessions, but one where one is named. Answers how many.
    ///
    /// # Errors
    /// As the store's.
    pub async fn end_others(&self, kept: Option<SessionDigest>) -> Result<usize, StoreError> {
        let mut count = 0;
        for session in self.store.sessions().await?.iter().filter(|session| Some(session.digest) != kept) {
            count += usize::from(self.store.end_session(session.digest).await?);
        }
        self.ended.send_replace(());
        Ok(count)
    }

    /// Returns when a session has ended; what goes on by it notes its use. As long as the store cannot be read, it has not.
    pub async fn until_ended(self, key: SessionKey) {
        let mut ended = self.ended.subscribe();
        while !matches!(self.find(&key).await, Ok(None)) {
            let _ = tokio::time::timeout(LOOK_EVERY, ended.changed()).await;
        }
    }
}

/// Removes the sessions that have ended by themselves.
///
/// # Errors
/// As the store's.
pub async fn sweep(store: &dyn Store, clock: &Clock) -> Result<u64, StoreError> {
    let now = clock.now();
    let ago = |age| now.checked_sub(age).unwrap_or(now);
    store.sweep_sessions(ago(session::UNUSED_FOR), ago(session::LONGEST), now).await
}

#[expect(clippy::disallowed_methods, reason = "the door to chance, for what a browser proves its session with")]
fn random_key() -> Result<SessionKey, StoreError> {
    let mut random = [0; 32];
    let filled = getrandom::fill(&mut random);
    filled.map_err(|error| StoreError::Unavailable(format!("this machine has no chance to give: {error}")))?;
    Ok(SessionKey::of(&random))
}
