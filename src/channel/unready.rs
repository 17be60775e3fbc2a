//! A channel without a secret that it needs: it keeps its place and its name, and sends nothing.

use std::sync::LazyLock;

use crate::channel::http::Http;
use crate::channel::{Attempt, Channel, SendFuture};
use crate::domain::mask::known::Mask;
use crate::domain::message::{Message, Part, PartForm};
use crate::domain::retry::{Answer, Outcome};

/// What is known of the channel. Its messages are composed when the secret can be read, in the dialect of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// As the configuration calls it.
    pub kind: &'static str,
    /// What is missing; holds no secret.
    pub reason: String,
}

impl Channel for Unready {
    fn kind(&self) -> &'static str {
        self.kind
    }

    /// One of its own for each reason: it shares no allowance.
    fn credential(&self) -> String {
        format!("unready: {}", self.reason)
    }

    /// So nothing is started.
    fn at_once(&self) -> usize {
        0
    }

    fn write(&self, _: &Message, _: PartForm) -> Vec<Part> {
        Vec::new()
    }

    fn exchange<'a>(&'a self, _: &'a Http, _: &'a Part, _: &'a Attempt) -> SendFuture<'a> {
        let answer = Answer { outcome: Outcome::Misconfigured, detail: self.reason.clone() };
        Box::pin(std::future::ready(answer))
    }

    fn mask(&self) -> &Mask {
        static NOTHING: LazyLock<Mask> = LazyLock::new(Mask::none);
        &NOTHING
    }

    fn unready(&self) -> Option<&str> {
        Some(&self.reason)
    }
}
