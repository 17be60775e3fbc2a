//! How many connections the simulated mail server has open.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The connections of the mail server.
#[derive(Debug, Default)]
pub struct MailConnections {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One open connection; dropping it closes it.
pub struct Open<'a>(&'a MailConnections);

impl MailConnections {
    pub fn open(&self) -> Open<'_> {
        let now = self.now.fetch_add(1, Ordering::AcqRel) + 1;
        self.most.fetch_max(now, Ordering::AcqRel);
        Open(self)
    }

    pub fn now(&self) -> usize {
        self.now.load(Ordering::Acquire)
    }

    pub fn most(&self) -> usize {
        self.most.load(Ordering::Acquire)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::AcqRel);
    }
}
