//! What a template sees of an event: its names, each of which is always there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::value::{Enumerator, Object, ValueKind};
use minijinja::{Value, context};

use crate::domain::bidi::led_by_code;
use crate::domain::event::{Event, Kind};
use crate::domain::language::Language;
use crate::domain::message_context::MessageContext;
use crate::domain::payload::{Data, Payload};
use crate::domain::template::filters::TemplateZone;
use crate::domain::template::values::value_of;
use crate::domain::{fold, remedy, unreadable};

/// What a template sees. Each name is always there; what is unknown is `none`.
pub(super) fn context(view: &MessageContext<'_>, words: Option<&Language>) -> Value {
    let event = view.event;
    // An event may be shown without the store at hand: then it is all that is known of its order.
    let alone = (view.order.is_none() && event.order.is_some()).then(|| fold::merge(None, event));
    let order = view.order.or(alone.as_ref()).map(|order| unreadable::order_in_words(order, event, words));
    let order = order.as_deref();
    let shop = order.and_then(|order| order.shop.as_ref()).or(event.shop.as_ref());
    context! {
        kind => event.kind.to_string(),
        source => &event.source,
        shop => value_of(&shop),
        order => value_of(&order),
        data => value_of(data_in_words(&event.data, words).as_ref()),
        occurred_at => value_of(&event.occurred_at),
        received_at => value_of(&event.received_at),
        language => view.language,
        timezone => Value::from_object(TemplateZone(view.timezone.clone())),
        channel => view.channel,
        channel_kind => view.channel_kind,
        picture => picture(event),
        report => match &event.kind { Kind::Report(name) => Value::from(name.as_str()), _ => Value::from(()) },
    }
}

/// What a template sees, which notes whether the template asks for the channel.
#[derive(Debug)]
pub(super) struct SeenContext {
    values: Value,
    is_channel_asked: AtomicBool,
}

impl SeenContext {
    pub fn new(values: Value) -> Self {
        Self { values, is_channel_asked: AtomicBool::new(false) }
    }

    pub fn is_channel_asked(&self) -> bool {
        self.is_channel_asked.load(Ordering::Relaxed)
    }
}

impl Object for SeenContext {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if matches!(key, "channel" | "channel_kind") {
            self.is_channel_asked.store(true, Ordering::Relaxed);
        }
        self.values.get_attr(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.try_iter().into_iter().flatten().collect())
    }
}

/// What an event says beside its order, in the reader's language as far as it holds words of our own.
pub(super) fn data_in_words<'a>(data: &'a Data, words: Option<&Language>) -> Cow<'a, Data> {
    let mut data = unreadable::data_in_words(data, words);
    let Some(words) = words else { return data };
    match &data.payload {
        Payload::Notice(notice) if notice.detail.is_some() => {
            if let Payload::Notice(notice) = &mut data.to_mut().payload {
                notice.detail = notice.detail.take().map(|detail| detail_in_words(&notice.topic, &detail, words));
            }
        }
        Payload::Report(report) if !report.service.parked.is_empty() => {
            if let Payload::Report(report) = &mut data.to_mut().payload {
                let parked = report.service.parked.iter_mut();
                parked.for_each(|parked| parked.reason = answer_in_words(&parked.reason, words));
            }
        }
        _ => {}
    }
    data
}

/// What a notice quotes, by its topic: the words of `check` are English, and another language says that they are.
fn detail_in_words(topic: &str, detail: &str, words: &Language) -> String {
    match topic {
        "template" | "templates" | "configuration" => {
            words.word("label.check").unwrap_or("{detail}").replace("{detail}", detail)
        }
        "dead" | "replayed" => with_kind_in_words(&remedy::localized(detail, words), words),
        _ => answer_in_words(detail, words),
    }
}

fn answer_in_words(answer: &str, words: &Language) -> String {
    led_by_code(&remedy::localized(answer, words)).into_owned()
}

/// What begins with the kind of an event, as what is said of one that was given up, begins with its name.
fn with_kind_in_words(detail: &str, words: &Language) -> String {
    let end = detail.find([' ', ':', '：']).unwrap_or(detail.len());
    let (kind, rest) = detail.split_at(end);
    let known = kind.parse::<Kind>().ok().and_then(|kind| words.word(&format!("kind.{kind}")));
    known.map_or_else(|| detail.to_owned(), |name| format!("{name}{rest}"))
}

/// The address of a report's picture, which we have made ourselves and which is therefore no text to be escaped.
fn picture(event: &Event) -> Value {
    let address = event.data.report().and_then(|report| report.picture.as_ref());
    let is_plain =
        |address: &&String| address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_~%?&=".contains(&byte));
    match address.filter(is_plain) {
        Some(address) => Value::from_safe_string(address.clone()),
        None => Value::from(()),
    }
}

/// The names that a template could ask for with this event: `order.total`, and for the items of a list `order.lines[].name`.
pub fn names(view: &MessageContext<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    note_names(&context(view, None), "", &mut names);
    names
}

fn note_names(value: &Value, path: &str, names: &mut BTreeSet<String>) {
    match value.kind() {
        ValueKind::Map => {
            for key in value.try_iter().into_iter().flatten() {
                let inner = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                let found = value.get_item(&key).unwrap_or_default();
                names.insert(inner.clone());
                note_names(&found, &inner, names);
            }
        }
        ValueKind::Seq => {
            for item in value.try_iter().into_iter().flatten() {
                note_names(&item, &format!("{path}[]"), names);
            }
        }
        _ => {}
    }
}
