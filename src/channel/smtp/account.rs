//! A mail account: how many connections may be open at once, whichever channels use it, and those that lie open between
//! two mails.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::channel::smtp::SmtpConnection;
use crate::channel::smtp::log_in::LogIns;
use crate::channel::smtp::reply::{SmtpFailure, SmtpPhase, SmtpReply};
use crate::channel::smtp::server::SmtpEndpoint;

/// How long a connection may lie open unused. Shorter than what servers allow: a mail that meets one that is just being
/// closed is a mail that may be sent twice.
const IDLE: Duration = Duration::from_secs(10);
/// Mails over one connection; some providers allow few (NetEase: 451 MI:DMC).
const MAILS_PER_CONNECTION: u32 = 20;

/// All accounts in use. Two channels with one account share its connections, and so does a channel with its successor after
/// the configuration was read anew.
static ACCOUNTS: LazyLock<Mutex<HashMap<String, Weak<Account>>>> = LazyLock::new(Mutex::default);

/// One account on one server.
#[derive(Debug)]
pub struct Account {
    log_ins: Arc<LogIns>,
    in_use: watch::Sender<usize>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: SmtpConnection,
    since: Instant,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A permission to have one connection open; dropping it gives it back.
struct Permit<'a>(&'a Account);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.in_use.send_modify(|in_use| *in_use -= 1);
    }
}

impl Account {
    /// The account of this name, which is a hash of server, user and password.
    pub fn of(name: &str) -> Arc<Self> {
        let mut accounts = locked(&ACCOUNTS);
        if let Some(account) = accounts.get(name).and_then(Weak::upgrade) {
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account =
            Arc::new(Self { log_ins: LogIns::of(name), in_use: watch::Sender::new(0), idle: Mutex::default() });
        accounts.insert(name.to_owned(), Arc::downgrade(&account));
        account
    }

    /// Hands over one mail for one recipient, as soon as fewer than `most` connections are in use.
    ///
    /// # Errors
    /// As [`SmtpConnection::open`] and [`SmtpConnection::send`].
    pub async fn send(
        self: &Arc<Self>,
        endpoint: &SmtpEndpoint,
        most: usize,
        (from, to): (&str, &str),
        mail: &str,
    ) -> Result<SmtpReply, SmtpFailure> {
        let _permit = self.permit(most).await;
        let (mut connection, mut is_fresh) = match self.take_idle() {
            Some(connection) => (connection, false),
            None => (SmtpConnection::open(endpoint, &self.log_ins).await?, true),
        };
        loop {
            let sent = connection.send(from, to, mail).await;
            match &sent {
                // It had been closed while it lay unused, and nothing of this mail was said yet.
                Err(failure) if !is_fresh && is_stale(failure) => {
                    connection = SmtpConnection::open(endpoint, &self.log_ins).await?;
                    is_fresh = true;
                }
                _ => {
                    self.put_back(connection);
                    return sent;
                }
            }
        }
    }

    async fn permit(&self, most: usize) -> Permit<'_> {
        let mut changes = self.in_use.subscribe();
        let may = |in_use: &mut usize| {
            let free = *in_use < most.max(1);
            *in_use += usize::from(free);
            free
        };
        while !self.in_use.send_if_modified(may) {
            // The sender is our own, so it lives.
            let _ = changes.changed().await;
        }
        Permit(self)
    }

    fn take_idle(&self) -> Option<SmtpConnection> {
        let mut idle = locked(&self.idle);
        while let Some(Idle { mut connection, since }) = idle.pop() {
            if since.elapsed() < IDLE && connection.is_usable(MAILS_PER_CONNECTION) {
                return Some(connection);
            }
        }
        None
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "how long a connection has been idle, by the runtime's clock, which tests pause"
    )]
    fn put_back(self: &Arc<Self>, mut connection: SmtpConnection) {
        if !connection.is_usable(MAILS_PER_CONNECTION) {
            return;
        }
        locked(&self.idle).push(Idle { connection, since: Instant::now() });
        let account = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            if let Some(account) = account.upgrade() {
                account.close_old().await;
            }
        });
    }

    async fn close_old(&self) {
        let old: Vec<Idle> = locked(&self.idle).extract_if(.., |idle| idle.since.elapsed() >= IDLE).collect();
        for Idle { connection, .. } in old {
            connection.close().await;
        }
    }
}

/// Whether a connection was of no use any more before the mail began (Amazon: 451 4.4.2 on a connection that lay idle).
fn is_stale(failure: &SmtpFailure) -> bool {
    match failure {
        SmtpFailure::Lost { phase, .. } => *phase == SmtpPhase::Mail,
        SmtpFailure::Refused { phase, reply } => {
            *phase == SmtpPhase::Mail && (reply.code == 421 || reply.enhanced == Some((4, 4, 2)))
        }
        SmtpFailure::Unfit { .. } => false,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can leave what they guard half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
