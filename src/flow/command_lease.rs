//! The lease that a command holds while it sends by itself: short, renewed as long as it sends, and released at the end, so that
//! a daemon that is started next finds the channel free.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinHandle;

use crate::flow::lease_keeper::{RENEWED_AT_PART, end_of, lease_of};
use crate::flow::tenure::Tenure;
use crate::flow::{Clock, ids};
use crate::store::StoreError;
use crate::store::leases::{AcquiredLease, Leases, WantedLease};
use crate::store::queue::attempt::PacingState;

/// A credential that is a command's for now. Where this is dropped and not released, the lease ends by itself soon.
pub struct CommandLease {
    leases: Arc<dyn Leases>,
    tenure: Arc<Tenure>,
    /// The task that renews it.
    renewing: Option<JoinHandle<()>>,
}

impl Drop for CommandLease {
    fn drop(&mut self) {
        if let Some(renewing) = &self.renewing {
            renewing.abort();
        }
    }
}

impl CommandLease {
    /// Acquires the credential of a channel with this time-out, and answers what is known of its pacing; `None`: an instance
    /// has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acquire(
        leases: Arc<dyn Leases>,
        credential: &str,
        channel: &str,
        timeout: SignedDuration,
        clock: &Clock,
    ) -> Result<Option<(Self, PacingState)>, StoreError> {
        let (asked, lasts) = (clock.elapsed(), lease_of(timeout));
        let holder = format!("test {}", ids::unique().simple());
        let wanted = WantedLease { lease: credential.to_owned(), lasts, channels: vec![channel.to_owned()] };
        let acquired = leases.acquire(vec![wanted], &holder, clock.now()).await?.pop().flatten();
        let Some(AcquiredLease { grant, pacing }) = acquired else { return Ok(None) };
        let channels = BTreeSet::from([channel.to_owned()]);
        let until = end_of(grant.lasts, asked, clock);
        let mut lease = Self { leases, tenure: Tenure::until(grant.token, until, asked, channels), renewing: None };
        if grant.lasts.is_some() {
            lease.renew_each_third_of(lasts, clock);
        }
        Ok(Some((lease, pacing)))
    }

    pub fn tenure(&self) -> &Arc<Tenure> {
        &self.tenure
    }

    /// Nothing more is sent, and the credential is free. Where the store cannot be used, it is when the lease has ended.
    pub async fn release(mut self) {
        if let Some(renewing) = self.renewing.take() {
            // A renewal that is asked for after the release would have the lease begin again.
            renewing.abort();
            let _ = renewing.await;
        }
        let _ = self.leases.release(vec![self.tenure.token().clone()]).await;
    }

    fn renew_each_third_of(&mut self, lasts: SignedDuration, clock: &Clock) {
        let (leases, tenure, clock) = (self.leases.clone(), self.tenure.clone(), clock.clone());
        let pause = Duration::try_from(lasts / RENEWED_AT_PART).unwrap_or_default();
        let renewing = async move {
            loop {
                tokio::time::sleep(pause).await;
                let asked = clock.elapsed();
                // What cannot be renewed now ends in time, unless it can the next time.
                let Ok(mut renewed) = leases.renew(vec![tenure.token().clone()], vec![lasts]).await else { continue };
                match renewed.pop().flatten() {
                    Some(grant) => tenure.renewed(end_of(grant.lasts, asked, &clock), asked),
                    None => return tenure.lose(),
                }
            }
        };
        self.renewing = Some(tokio::spawn(renewing));
    }
}
