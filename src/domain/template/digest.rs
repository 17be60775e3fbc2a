//! Templates of what surrounds single messages: digests, and the notes before and behind a message.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{Value, context};

use crate::domain::compose::{Composed, composed};
use crate::domain::digest::{DigestEntry, DigestView, MergedDelivery, common_shop, totals};
use crate::domain::event::Kind;
use crate::domain::language::Language;
use crate::domain::template::context::data_in_words;
use crate::domain::template::engine::nothing;
use crate::domain::template::fault::ComposeError;
use crate::domain::template::filters::TemplateZone;
use crate::domain::template::values::value_of;
use crate::domain::template::{Dialect, Templates};
use crate::domain::{changed, unreadable};

/// What stands around a message.
pub struct DigestNotes<'a> {
    /// Channels that were sent the message in the place of this one, which catches up; said before the message.
    pub meanwhile: &'a [String],
    /// Channels that could not be reached, and since when; said before the message.
    pub unreached: &'a [(String, Timestamp)],
    /// What the message tells as well, because something newer of the same order does; said behind it.
    pub earlier: &'a [MergedDelivery],
}

impl DigestNotes<'_> {
    pub fn is_empty(&self) -> bool {
        self.meanwhile.is_empty() && self.unreached.is_empty() && self.earlier.is_empty()
    }
}

impl Templates {
    /// Renders several deliveries as one message, by `digest.md`.
    ///
    /// # Errors
    /// There is none, or it failed. The caller sends [`crate::domain::digest::plain`] instead.
    pub fn digest(&self, view: &DigestView<'_>) -> Result<Composed, ComposeError> {
        let (dialect, path) = self.find(view.language, &["digest.md"])?;
        let groups: Vec<Value> = view.groups().iter().map(|(kind, entries)| group(dialect, kind, entries)).collect();
        let context = context! {
            groups => groups,
            count => view.entries.len(),
            orders => orders(view.entries),
            detail => view.detail.as_str(),
            language => view.language,
            timezone => Value::from_object(TemplateZone(view.timezone.clone())),
            channel => view.channel,
            channel_kind => view.channel_kind,
        };
        let markdown = self.render(dialect, &path, view.channel, context)?;
        let first = view.entries.first().ok_or_else(|| nothing(&path))?;
        Ok(composed(&markdown, &view.view(first)))
    }

    /// The message with its notes around it, by `_meanwhile.md`, `_unreached.md` and `_earlier.md`.
    ///
    /// # Errors
    /// One of them failed; the message is better than no message.
    pub fn noted(
        &self,
        message: &Composed,
        notes: &DigestNotes<'_>,
        language: &str,
        timezone: &TimeZone,
        view: &crate::domain::message_context::MessageContext<'_>,
    ) -> Result<Composed, ComposeError> {
        let zone = || Value::from_object(TemplateZone(timezone.clone()));
        // By it a time of the same day is known, and goes without its date.
        let received_at = || value_of(&view.event.received_at);
        let mut pieces = vec![message.markdown.clone()];
        if !notes.unreached.is_empty() {
            let (dialect, path) = self.find(language, &["_unreached.md"])?;
            let channels: Vec<Value> = notes
                .unreached
                .iter()
                .map(|(channel, since)| context! { channel => channel, since => value_of(since) })
                .collect();
            pieces.insert(
                0,
                self.render(
                    dialect,
                    &path,
                    view.channel,
                    context! { unreached => channels, received_at => received_at(), timezone => zone() },
                )?,
            );
        }
        if !notes.meanwhile.is_empty() {
            let (dialect, path) = self.find(language, &["_meanwhile.md"])?;
            let values =
                context! { channels => value_of(&notes.meanwhile), received_at => received_at(), timezone => zone() };
            pieces.insert(0, self.render(dialect, &path, view.channel, values)?);
        }
        if !notes.earlier.is_empty() {
            let (dialect, path) = self.find(language, &["_earlier.md"])?;
            let earlier: Vec<Value> = notes
                .earlier
                .iter()
                .map(|earlier| {
                    let kind = if earlier.changed { changed::NAME.to_owned() } else { earlier.kind.to_string() };
                    context! { kind => kind, at => value_of(&earlier.at) }
                })
                .collect();
            pieces.push(self.render(
                dialect,
                &path,
                view.channel,
                context! { earlier => earlier, received_at => received_at(), timezone => zone() },
            )?);
        }
        Ok(Composed { title: message.title.clone(), ..composed(&pieces.join("\n\n"), view) })
    }

    /// The templates for a language, and the first of these files that they have.
    fn find(&self, wanted: &str, files: &[&str]) -> Result<(&Dialect, String), ComposeError> {
        let dialect = self.dialect(wanted);
        let path = dialect.and_then(|dialect| {
            let paths =
                dialect.chain.iter().flat_map(|folder| files.iter().map(move |file| format!("{folder}/{file}")));
            paths.into_iter().find(|path| dialect.has(path))
        });
        let missing = || nothing(&format!("{wanted}/{}", files.first().unwrap_or(&"")));
        Ok((dialect.ok_or_else(missing)?, path.ok_or_else(missing)?))
    }
}

/// How many orders they are about.
fn orders(entries: &[DigestEntry<'_>]) -> usize {
    let orders = entries.iter().filter_map(|entry| Some((&entry.event.source, &entry.order?.number)));
    orders.collect::<BTreeSet<_>>().len()
}

fn group(dialect: &Dialect, kind: &Kind, entries: &[DigestEntry<'_>]) -> Value {
    let shown: Vec<Value> = entries.iter().map(|one| entry(one, &dialect.words)).collect();
    let is_changed = entries.iter().any(DigestEntry::is_changed);
    let name = if is_changed { changed::NAME.to_owned() } else { kind.to_string() };
    context! {
        kind => kind.to_string(),
        changed => is_changed,
        word => plural(&dialect.words, &name),
        count => entries.len(),
        totals => value_of(&totals(kind, entries)),
        shop => value_of(&common_shop(entries)),
        entries => shown,
    }
}

fn entry(entry: &DigestEntry<'_>, words: &Language) -> Value {
    let order = entry.order.map(|order| unreadable::order_in_words(order, entry.event, Some(words)));
    let shop = entry.order.and_then(|order| order.shop.as_ref()).or(entry.event.shop.as_ref());
    context! {
        title => value_of(&entry.title),
        kind => entry.event.kind.to_string(),
        order => value_of(&order.as_deref()),
        shop => value_of(&shop),
        data => value_of(data_in_words(&entry.event.data, Some(words)).as_ref()),
        occurred_at => value_of(&entry.event.occurred_at),
        received_at => value_of(&entry.event.received_at),
    }
}

/// The plural word of a kind in digests, where the language has one: `digest_order_placed`.
fn plural(words: &Language, kind: &str) -> Option<String> {
    let word = format!("digest_{}", kind.replace('.', "_"));
    words.word(&format!("plural.{word}.other")).is_some().then_some(word)
}
