//! Ways out: what a channel is, and which ones there are.

mod charset;
pub mod dingtalk;
pub mod email;
pub mod errcode;
pub mod http;
pub mod remedy;
pub mod smtp;
pub mod unready;
pub mod webhook;
pub mod wecom;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::Timestamp;
use url::Host;
use url::Url;

use crate::channel::http::Http;
use crate::domain::mask::known::Mask;
use crate::domain::mask::known::Masking;
use crate::domain::message::Form;
use crate::domain::message::Message;
use crate::domain::message::Part;
use crate::domain::pace::Allowance;
use crate::domain::remedy::Remedy;
use crate::domain::retry::Answer;
use crate::domain::secret::Secret;

/// What surrounds one attempt of one part.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The part's idempotency key: the same in every attempt.
    pub key: String,
    /// The event's kind, for far sides that want it in a header.
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

pub type Sending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// One configured way out.
pub trait Channel: Send + Sync {
    /// The channel's kind in the configuration.
    fn kind(&self) -> &'static str;

    /// What the far side counts its allowance by: a hash, never the credential itself. Channels that share it share pacing.
    fn credential(&self) -> String;

    /// How many messages may be under way at once.
    fn at_once(&self) -> usize;

    /// Whether the far side gets the events of one order one after another, each only when the one before is done.
    fn in_order(&self) -> bool;

    /// How many messages the far side takes within how long; no limit where absent.
    fn allowance(&self) -> Option<Allowance> {
        None
    }

    /// Whether several deliveries may share a message. A program wants each event by itself, and keeps its id also when a
    /// person has it sent once more.
    fn gathers(&self) -> bool {
        true
    }

    /// Whether each part goes to somebody of his own, so that none of them waits for another: the recipients of a mail.
    fn to_each_his_own(&self) -> bool {
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

    /// Writes a message in the channel's dialect, in parts that each keep within the far side's limit. Pure: the same
    /// message gives the same bytes.
    fn write(&self, message: &Message, form: Form) -> Vec<Part>;

    /// As [`Channel::write`], in parts that are at most so large as [`Channel::size`] counts them, after a larger one was refused.
    /// What cannot be made so small is as small as it goes.
    fn write_within(&self, message: &Message, form: Form, _most: Option<usize>) -> Vec<Part> {
        self.write(message, form)
    }

    /// How large a part is by what the provider limits.
    fn size(&self, part: &Part) -> usize {
        part.body.len()
    }

    /// Sends one part and judges the answer. It never fails otherwise: what went wrong is an [`Answer`], in which what the
    /// receiver said is masked.
    fn send<'a>(&'a self, http: &'a Http, part: &'a Part, attempt: &'a Attempt) -> Sending<'a> {
        Box::pin(async move { self.exchange(http, part, attempt).await.masked(self.mask()) })
    }

    /// As [`Channel::send`], with the receiver's words as they came. Nobody else calls it.
    fn exchange<'a>(&'a self, http: &'a Http, part: &'a Part, attempt: &'a Attempt) -> Sending<'a>;

    /// What masks the channel's secrets in what its receiver says.
    fn mask(&self) -> &Mask;

    /// What a reader gets to see of a part: its text, and who is called beside it.
    fn shown(&self, part: &Part) -> String {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&part.body);
        parsed.ok().and_then(|body| serde_json::to_string_pretty(&body).ok()).unwrap_or_else(|| part.body.clone())
    }

    /// Why nothing can be sent, where that is known before anything is sent.
    fn unready(&self) -> Option<&str> {
        None
    }

    /// The part once more, with a mark before it, such as "possibly a repeat". `None` where the far side knows a repeat by its
    /// key, and where the part bears the mark already.
    fn marked(&self, _: &Part, _: &str) -> Option<Part> {
        None
    }
}

/// What a refusal comes from and what to change, by the kind of the channel and the words of the answer. What goes wrong on
/// the way there is in [`remedy::in_transit`].
pub fn remedy_of(kind: &str, words: &str) -> Option<Remedy> {
    match kind {
        "dingtalk" => dingtalk::answers::remedy(words),
        "wecom" => wecom::answers::remedy(words),
        "email" => email::answers::remedy(words),
        "webhook" => webhook::answers::remedy(words),
        _ => None,
    }
}

/// An answer's words as they stand beside what [`remedy_of`] says of them.
pub fn said_beside(kind: &str, words: &str) -> String {
    if remedy_of(kind, words).is_some() { remedy::beside(words) } else { words.to_owned() }
}

/// The kind of a configured channel: the registry. The configuration reads the tag `kind` first and the concrete struct
/// second. Two are equal when they do the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    DingTalk(dingtalk::DingTalk),
    WeCom(wecom::WeCom),
    Email(Box<email::Email>),
    Webhook(webhook::Webhook),
    /// Of any kind, without a secret that it needs.
    Unready(unready::Unready),
}

impl Way {
    pub fn channel(&self) -> &dyn Channel {
        match self {
            Way::DingTalk(channel) => channel,
            Way::WeCom(channel) => channel,
            Way::Email(channel) => channel.as_ref(),
            Way::Webhook(channel) => channel,
            Way::Unready(channel) => channel,
        }
    }

    /// Mail goes by no proxy; of the others, what a proxy says back is masked like the words of the receiver.
    pub fn goes_by(&mut self, proxy: &Secret) {
        let masking: &mut Masking = match self {
            Way::DingTalk(channel) => &mut channel.masking,
            Way::WeCom(channel) => &mut channel.masking,
            Way::Webhook(channel) => &mut channel.masking,
            Way::Email(_) | Way::Unready(_) => return,
        };
        masking.also(|secrets| secrets.address(proxy.expose()));
    }

    /// The channel itself, to be shared by those who send.
    pub fn shared(self) -> Arc<dyn Channel> {
        match self {
            Way::DingTalk(channel) => Arc::new(channel),
            Way::WeCom(channel) => Arc::new(channel),
            Way::Email(channel) => Arc::from(channel as Box<dyn Channel>),
            Way::Webhook(channel) => Arc::new(channel),
            Way::Unready(channel) => Arc::new(channel),
        }
    }

    /// The host whose clock the far side's answers show; `None` where they show none, or that of this very machine.
    pub fn clock_host(&self) -> Option<String> {
        let address = match self {
            Way::DingTalk(channel) => &channel.webhook,
            Way::WeCom(channel) => &channel.webhook,
            Way::Webhook(channel) => &channel.url,
            Way::Email(_) | Way::Unready(_) => return None,
        };
        let url = Url::parse(address.expose()).ok()?;
        let is_here = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        url.host_str().filter(|_| !is_here).map(str::to_owned)
    }
}
