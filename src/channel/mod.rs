//! Ways out: what a channel is. Which kinds there are stands in `kinds.rs`.
//!
//! A kind is one folder: its settings with how they are judged (`settings.rs`), its writer, its one table of the provider's
//! codes (`answers.rs`: code → class and remedy), and what `orderbell init` writes for it (`setup.toml`). It is listed by its
//! module here and its line in `kinds!` there. What readers get as its remedies stands in `templates/<language>/remedies.toml`
//! under its name; how it is simulated, in a file of the sandbox.

mod charset;
pub mod dingtalk;
pub mod email;
pub mod errcode;
pub mod http;
pub mod kinds;
pub mod remedy;
pub mod robot;
pub mod settings;
pub mod smtp;
pub mod unready;
pub mod webhook;
pub mod wecom;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::channel::http::Http;
use crate::domain::mask::known::{Mask, Masking};
use crate::domain::message::{Message, Part, PartForm};
use crate::domain::preview::Preview;
use crate::domain::rate_limit::RateLimit;
use crate::domain::remedy::Remedy;
use crate::domain::retry::Answer;
use crate::domain::secret::Secret;
use crate::domain::settings::{Reach, SettingsTable};
use crate::domain::simulated::Simulated;

/// What surrounds one attempt of one part.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The part's idempotency key: the same in every attempt.
    pub key: String,
    /// The event's kind, for receivers that want it in a header.
    pub kind: crate::domain::event::Kind,
    pub now: Timestamp,
}

/// How a channel shows a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// Within the message, which holds it.
    Within,
    /// In a message of its own behind the text.
    Behind,
    /// Whoever reads it fetches it from our address.
    Fetched,
}

/// An answer, and the row of the channel's table that it was judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub row: &'static str,
    pub answer: Answer,
}

pub type SendFuture<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// One configured way out.
pub trait Channel: Send + Sync {
    /// The channel's kind in the configuration.
    fn kind(&self) -> &'static str;

    /// What the receiver counts its allowance by: a hash, never the credential itself. Channels that share it share pacing.
    fn credential(&self) -> String;

    /// How many messages may be under way at once. A group of people reads its messages in sequence: one after another.
    fn at_once(&self) -> usize {
        1
    }

    /// Whether the receiver gets the events of one order one after another, each only when the one before is done.
    fn in_order(&self) -> bool {
        false
    }

    /// How many messages the receiver takes within how long; no limit where absent.
    fn allowance(&self) -> Option<RateLimit> {
        None
    }

    /// Whether several deliveries may share a message. A program wants each event by itself, and keeps its id also when a
    /// person has it sent once more.
    fn supports_digest(&self) -> bool {
        true
    }

    /// Whether each part goes to a recipient of its own, so that none of them waits for another: the recipients of a mail.
    fn per_recipient(&self) -> bool {
        false
    }

    /// In how many parts a message goes that is not split for its length.
    fn parts_of_one(&self) -> usize {
        1
    }

    /// How a reader gets to see the picture of a report.
    fn pictures(&self) -> Pictures {
        Pictures::Fetched
    }

    /// How long one attempt may take, of which `timeout` is what the configuration says.
    fn longest(&self, timeout: SignedDuration) -> SignedDuration {
        timeout
    }

    /// Writes a message in the channel's dialect, in parts that each keep within the receiver's limit. Pure: the same
    /// message gives the same bytes.
    fn write(&self, message: &Message, form: PartForm) -> Vec<Part>;

    /// As [`Channel::write`], in parts that are at most so large as [`Channel::size`] counts them, after a larger one was refused.
    /// What cannot be made so small is as small as it goes.
    fn write_within(&self, message: &Message, form: PartForm, _most: Option<usize>) -> Vec<Part> {
        self.write(message, form)
    }

    /// How large a part is by what the provider limits.
    fn size(&self, part: &Part) -> usize {
        part.body.len()
    }

    /// Sends one part and judges the answer. It never fails otherwise: what went wrong is an [`Answer`], in which what the
    /// receiver said is masked.
    fn send<'a>(&'a self, http: &'a Http, part: &'a Part, attempt: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move { self.exchange(http, part, attempt).await.masked(self.mask()) })
    }

    /// As [`Channel::send`], with the receiver's words as they came. Nobody else calls it.
    fn exchange<'a>(&'a self, http: &'a Http, part: &'a Part, attempt: &'a Attempt) -> SendFuture<'a>;

    /// What masks the channel's secrets in what its receiver says.
    fn mask(&self) -> &Mask;

    /// What a reader gets to see of a part: its text, and who is called beside it.
    fn shown(&self, part: &Part) -> String {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&part.body);
        parsed.ok().and_then(|body| serde_json::to_string_pretty(&body).ok()).unwrap_or_else(|| part.body.clone())
    }

    /// The page of a part with its pictures in it, for a browser, where the kind sends HTML.
    fn page(&self, _: &Part) -> Option<String> {
        None
    }

    /// The web address that messages go to, where they go to one.
    fn address(&self) -> Option<&Secret> {
        None
    }

    /// Puts a server in the place of the provider's own, where the kind has one.
    fn replace_server(&mut self, _base_url: &Secret) {}

    /// How the receiver can be simulated, where it can.
    fn simulated(&self) -> Option<Simulated> {
        None
    }

    /// What masks the channel's secrets, where it masks a proxy's as well; mail goes by no proxy.
    fn masking(&mut self) -> Option<&mut Masking> {
        None
    }

    /// Takes what all channels have, when the channel's own table is read, and says what is wrong with it then.
    fn configure(&mut self, _: SharedSettings<'_>, _: &mut dyn SettingsTable) {}

    /// Why nothing can be sent, where that is known before anything is sent.
    fn unready(&self) -> Option<&str> {
        None
    }

    /// The part once more, with a mark before it, such as "possibly a repeat". `None` where the receiver knows a repeat by its
    /// key, and where the part bears the mark already.
    fn marked(&self, _: &Part, _: &str) -> Option<Part> {
        None
    }
}

/// What all channels have, as far as a kind needs it.
#[derive(Clone, Copy, Debug)]
pub struct SharedSettings<'a> {
    pub language: &'a str,
    pub timeout: SignedDuration,
    pub allow_private: bool,
    /// What paths in the configuration are relative to.
    pub folder: &'a Path,
}

/// What is known of a kind of channel without a configured one.
pub struct ChannelKind {
    /// As the configuration calls it.
    pub name: &'static str,
    /// Keys of all channels that make no sense for it, each with what to write instead.
    pub refuses: &'static [(&'static str, &'static str)],
    /// The parameter of `webhook` that the provider counts a robot by.
    pub robot_parameter: Option<&'static str>,
    /// Whether a program gets its messages, and nobody reads them.
    pub is_for_programs: bool,
    /// The provider's limit.
    pub per_minute: Option<u32>,
    /// What may be written beside the keys that every channel takes.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Its `setup.toml`, a [`Scaffold`](crate::domain::scaffold::Scaffold).
    pub setup: &'static str,
    /// What readers see of the body of a part; `None` where it is none of this kind.
    pub preview: fn(&str) -> Option<Preview>,
    /// What a refusal comes from and what to change, by the words of the answer as they were stored. What goes wrong on the
    /// way is in [`remedy::in_transit`].
    pub remedy: fn(&str) -> Option<Remedy>,
}

/// How a kind of channel is read from its table of the configuration.
pub trait FromSettings: DeserializeOwned + JsonSchema {
    const KIND: ChannelKind;

    /// Judges single values before the table is read.
    fn check(table: &mut dyn SettingsTable, reach: Reach);

    /// Judges what was read.
    fn check_whole(&self, _: &mut dyn SettingsTable) {}
}
