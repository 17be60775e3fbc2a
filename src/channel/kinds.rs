//! Which kinds of channels there are, and a configured one of any kind.

use std::sync::Arc;

use url::{Host, Url};

use crate::channel::{Channel, ChannelKind, FromSettings, dingtalk, email, remedy, unready, webhook, wecom};
use crate::domain::preview::{Preview, PreviewContent};
use crate::domain::remedy::Remedy;
use crate::domain::secret::Secret;
use crate::domain::settings::{Reach, ReadSettings};

/// The registry: the struct of each kind, which is its implementation.
macro_rules! kinds {
    ($($variant:ident($config:ty),)*) => {
        /// A configured channel. Two are equal when they do the same.
        #[expect(clippy::large_enum_variant, reason = "there are few, and each is made once")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ChannelConfig {
            $($variant($config),)*
            /// Of any kind, without a secret that it needs.
            Unready(unready::Unready),
        }

        /// All kinds.
        pub const KINDS: &[ChannelKind] = &[$(<$config>::KIND),*];

        impl ChannelConfig {
            /// Reads the table of a kind, without what all channels have; `None` when something needed is wrong or missing.
            pub fn read(kind: &str, table: &mut impl ReadSettings, reach: Reach) -> Option<Self> {
                $(if kind == <$config>::KIND.name {
                    <$config>::check(table, reach);
                    let read = table.read::<$config>()?;
                    read.check_whole(table);
                    return Some(Self::$variant(read));
                })*
                None
            }

            pub fn channel(&self) -> &dyn Channel {
                match self {
                    $(Self::$variant(channel) => channel,)*
                    Self::Unready(channel) => channel,
                }
            }

            pub fn channel_mut(&mut self) -> &mut dyn Channel {
                match self {
                    $(Self::$variant(channel) => channel,)*
                    Self::Unready(channel) => channel,
                }
            }

            /// The channel itself, to be shared by those who send.
            pub fn shared(self) -> Arc<dyn Channel> {
                match self {
                    $(Self::$variant(channel) => Arc::new(channel),)*
                    Self::Unready(channel) => Arc::new(channel),
                }
            }
        }
    };
}

// A new kind is its folder, the line of its module in `mod.rs`, and its line here.
kinds! {
    DingTalk(dingtalk::DingTalk),
    WeCom(wecom::WeCom),
    Email(email::Email),
    Webhook(webhook::WebhookChannel),
}

/// The kind of this name.
pub fn kind_named(name: &str) -> Option<&'static ChannelKind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// As the configuration calls them.
pub fn kind_names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// What a refusal comes from, by the name of the channel's kind and the words of the answer.
pub fn remedy_of(kind: &str, words: &str) -> Option<Remedy> {
    (kind_named(kind)?.remedy)(words)
}

/// What readers see of the body of a part, whatever channel it was written for: each kind knows its own, also when the channel is
/// gone.
pub fn preview(body: &str) -> Preview {
    let known = KINDS.iter().find_map(|kind| (kind.preview)(body));
    known.unwrap_or_else(|| Preview::of(PreviewContent::Text(body.to_owned())))
}

/// An answer's words as they stand beside what [`remedy_of`] says of them.
pub fn said_beside(kind: &str, words: &str) -> String {
    if remedy_of(kind, words).is_some() { remedy::beside(words) } else { words.to_owned() }
}

impl ChannelConfig {
    /// What a proxy says back is masked like the words of the receiver.
    pub fn goes_by(&mut self, proxy: &Secret) {
        if let Some(masking) = self.channel_mut().masking() {
            masking.also(|secrets| secrets.address(proxy.expose()));
        }
    }

    /// The host whose clock the receiver's answers show; `None` where they show none, or that of this very machine.
    pub fn clock_host(&self) -> Option<String> {
        let url = Url::parse(self.channel().address()?.expose()).ok()?;
        let is_here = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        url.host_str().filter(|_| !is_here).map(str::to_owned)
    }
}
