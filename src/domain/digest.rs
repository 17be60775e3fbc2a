//! Digests: one message that carries several deliveries, with a line for each, in as much detail as there is room for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::compose;
use crate::domain::compose::Composed;
use crate::domain::event::{Event, Kind};
use crate::domain::message_context::MessageContext;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::shop::Shop;
use crate::domain::text::escape_value;

/// So many deliveries share a message at most, however long it may be: nobody reads more.
pub const MOST: usize = 200;

/// One of those that share a message.
#[derive(Clone, Copy)]
pub struct DigestEntry<'a> {
    pub event: &'a Event,
    /// The order as it stands now, when the event is about one.
    pub order: Option<&'a Order>,
    /// What its own message is called, where [`DigestEntry::needs_title`].
    pub title: Option<&'a str>,
}

impl DigestEntry<'_> {
    /// Whether it is about an order that is other than it was.
    pub fn is_changed(&self) -> bool {
        self.event.data.changed.is_some()
    }

    /// Whether its line is its title: that of a new or paid order is made of the order itself.
    pub fn needs_title(event: &Event, order: Option<&Order>) -> bool {
        order.is_none() || !matches!(event.kind, Kind::OrderPlaced | Kind::OrderPaid)
    }
}

/// How much is said of each. What is left out is always the same, in this sequence; never number, shop, total or reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetailLevel {
    /// All items, with their options.
    Options,
    /// All items.
    Items,
    /// The first three items, and how many more there are.
    FewItems,
    /// No items.
    Heads,
}

impl DetailLevel {
    /// The next that says more.
    pub fn more(self) -> Option<DetailLevel> {
        match self {
            DetailLevel::Options => None,
            DetailLevel::Items => Some(DetailLevel::Options),
            DetailLevel::FewItems => Some(DetailLevel::Items),
            DetailLevel::Heads => Some(DetailLevel::FewItems),
        }
    }

    /// As templates know it.
    pub fn as_str(self) -> &'static str {
        match self {
            DetailLevel::Options => "options",
            DetailLevel::Items => "items",
            DetailLevel::FewItems => "few",
            DetailLevel::Heads => "none",
        }
    }
}

/// What a digest is made from.
#[derive(Clone, Copy)]
pub struct DigestView<'a> {
    /// In the sequence of arrival.
    pub entries: &'a [DigestEntry<'a>],
    pub detail: DetailLevel,
    pub language: &'a str,
    pub timezone: &'a TimeZone,
    pub channel: &'a str,
    pub channel_kind: &'a str,
}

impl<'a> DigestView<'a> {
    /// One entry as a message by itself would see it.
    pub fn view(&self, entry: &DigestEntry<'a>) -> MessageContext<'a> {
        MessageContext {
            event: entry.event,
            order: entry.order,
            language: self.language,
            timezone: self.timezone,
            channel: self.channel,
            channel_kind: self.channel_kind,
        }
    }

    /// The entries by kind, in the sequence in which kinds are listed; orders that changed behind those that are new.
    pub fn groups(&self) -> Vec<(&'a Kind, Vec<DigestEntry<'a>>)> {
        let mut groups: BTreeMap<(&Kind, bool), Vec<DigestEntry<'a>>> = BTreeMap::new();
        for entry in self.entries {
            groups.entry((&entry.event.kind, entry.is_changed())).or_default().push(*entry);
        }
        groups.into_iter().map(|((kind, _), entries)| (kind, entries)).collect()
    }
}

/// What the orders of one kind come to, by currency: amounts are never added across currencies. Only where every entry adds
/// to what was sold.
pub fn totals(kind: &Kind, entries: &[DigestEntry<'_>]) -> Vec<Money> {
    if !matches!(kind, Kind::OrderPlaced | Kind::OrderPaid) || entries.iter().any(DigestEntry::is_changed) {
        return Vec::new();
    }
    let mut sums: BTreeMap<&str, Option<Money>> = BTreeMap::new();
    for total in entries.iter().filter_map(|entry| entry.order?.total.as_ref()) {
        let sum = sums.entry(&total.currency).or_insert_with(|| Some(Money::new(0, &total.currency)));
        *sum = sum.as_ref().and_then(|sum| sum.plus(total));
    }
    sums.into_values().flatten().collect()
}

/// The shop of all entries, where it is the same.
pub fn common_shop<'a>(entries: &[DigestEntry<'a>]) -> Option<&'a Shop> {
    let shop =
        |entry: &DigestEntry<'a>| entry.order.and_then(|order| order.shop.as_ref()).or(entry.event.shop.as_ref());
    let first = entries.first().and_then(shop)?;
    (entries.len() > 1 && entries.iter().all(|entry| shop(entry) == Some(first))).then_some(first)
}

/// The built-in plain form: it needs no template and cannot fail.
pub fn plain(view: &DigestView<'_>) -> Composed {
    let titles =
        view.entries.iter().map(|entry| format!("- {}\n", escape_value(&compose::plain(&view.view(entry)).title)));
    let markdown = format!("# Orderbell × {}\n\n{}", view.entries.len(), titles.collect::<String>());
    match view.entries.first() {
        Some(first) => compose::composed(&markdown, &view.view(first)),
        None => Composed { title: "Orderbell".to_owned(), markdown, document: Default::default() },
    }
}

/// An earlier delivery of the same order, merged into a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedDelivery {
    pub kind: Kind,
    /// It was about an order that is other than it was.
    pub changed: bool,
    pub at: Timestamp,
}
