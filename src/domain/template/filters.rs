//! What templates can do with values: the filters, in the words and number forms of one language.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use minijinja::value::{Kwargs, Object, ObjectRepr, StringInput, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::bidi::isolated;
use crate::domain::language::{DayFormat, Language};
use crate::domain::money::Money;
use crate::domain::picture;
use crate::domain::template::fault::{OUTPUT_BYTES, TOO_LONG};

/// Adds the filters, and takes those away that would let a value through unescaped.
pub fn install(environment: &mut Environment<'static>, language: &Arc<Language>) {
    for unescaping in ["safe", "escape", "e", "tojson", "pprint"] {
        environment.remove_filter(unescaping);
    }
    let words = Arc::clone(language);
    environment.add_filter("money", move |state: &State, money: &Value| {
        show(state, money, |money| Ok(words.money(&money_of(money)?)))
    });
    let words = Arc::clone(language);
    environment.add_filter("number", move |state: &State, number: &Value| {
        show(state, number, |number| number_text(&words, number))
    });
    environment.add_filter("mask", |state: &State, text: &Value| show(state, text, |text| Ok(mask(&text.to_string()))));
    let words = Arc::clone(language);
    environment.add_filter("plural", move |state: &State, count: &Value, word: &str| {
        show(state, count, |count| {
            let number = count.as_i64().ok_or_else(|| invalid("plural needs a whole number"))?;
            words.plural(number, word).ok_or_else(|| invalid(format!("no word plural.{word} in the language file")))
        })
    });
    let words = Arc::clone(language);
    environment.add_filter("date", move |state: &State, time: &Value| {
        show(state, time, |time| Ok(words.date(date_of(state, time)?, DayFormat::Whole)))
    });
    let words = Arc::clone(language);
    environment.add_filter("weekday", move |state: &State, time: &Value| {
        show(state, time, |time| {
            let day = date_of(state, time)?.strftime("%a").to_string().to_lowercase();
            Ok(words.word(&format!("day.{day}")).map_or(day, str::to_owned))
        })
    });
    environment.add_filter("bars", |state: &State, values: &Value| {
        show(state, values, |values| {
            let values = values.try_iter()?.map(|value| value.as_i64());
            let values: Option<Vec<i64>> = values.collect();
            Ok(picture::bars(&values.ok_or_else(|| invalid("bars needs a list of whole numbers"))?))
        })
    });
    let words = Arc::clone(language);
    environment.add_filter("time", move |state: &State, time: &Value| {
        show(state, time, |time| time_of_day(&words, state, time))
    });
    let words = Arc::clone(language);
    environment
        .add_filter("when", move |state: &State, time: &Value| show(state, time, |time| when(&words, state, time)));
    let words = Arc::clone(language);
    environment.add_filter("duration", move |state: &State, seconds: &Value| {
        show(state, seconds, |seconds| duration(&words, seconds))
    });
    let words = Arc::clone(language);
    environment.add_filter("word", move |state: &State, coded: &Value, family: &str| {
        show(state, coded, |coded| word(&words, coded, family))
    });
    let words = Arc::clone(language);
    environment
        .add_filter("t", move |state: &State, key: &str, arguments: Kwargs| translate(&words, state, key, &arguments));
    let words = Arc::clone(language);
    environment.add_filter("list_of", move |state: &State, values: &Value| {
        show(state, values, |values| {
            let one = |value: Value| isolated(&value.to_string(), words.direction()).into_owned();
            let texts: Vec<String> = values.try_iter()?.map(one).collect();
            Ok(texts.join(words.word("format.list_separator").unwrap_or(", ")))
        })
    });
}

/// The time zone of a message, as the template value `timezone`.
#[derive(Debug)]
pub struct TemplateZone(pub TimeZone);

impl Object for TemplateZone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

/// Nothing stays nothing: a filter on an unknown field prints nothing. A name that nothing has is an error for `check`.
fn show(state: &State, value: &Value, text: impl FnOnce(&Value) -> Result<String, Error>) -> Result<Value, Error> {
    if value.is_undefined() && state.undefined_behavior() == UndefinedBehavior::Strict {
        // Fails as the engine's own filters do, and so names the value.
        StringInput::new(state, value)?;
    }
    if value.is_none() || value.is_undefined() {
        return Ok(Value::from(()));
    }
    text(value).map(Value::from)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn money_of(value: &Value) -> Result<Money, Error> {
    let (minor, currency) = (value.get_attr("minor")?, value.get_attr("currency")?);
    match (minor.as_i64(), currency.as_str()) {
        (Some(minor), Some(currency)) => Ok(Money::new(minor, currency)),
        _ => Err(invalid("money needs an amount such as order.total")),
    }
}

fn number_text(words: &Language, number: &Value) -> Result<String, Error> {
    match number.as_i64() {
        Some(whole) => Ok(words.number(whole)),
        None if number.is_number() || number.as_str().is_some() => Ok(words.decimal(&number.to_string())),
        None => Err(invalid("number needs a number")),
    }
}

/// Seconds in the largest unit that says enough: `7 minutes`, `26 hours`, `3 days`.
fn duration(words: &Language, seconds: &Value) -> Result<String, Error> {
    let seconds = seconds.as_i64().ok_or_else(|| invalid("duration needs whole seconds"))?;
    let (count, unit) = match seconds.abs() {
        0..90 => (seconds, "second"),
        90..5_400 => ((seconds + 30) / 60, "minute"),
        5_400..172_800 => ((seconds + 1_800) / 3_600, "hour"),
        _ => ((seconds + 43_200) / 86_400, "day"),
    };
    words.plural(count, unit).ok_or_else(|| invalid(format!("no word plural.{unit} in the language file")))
}

/// The end of a text, enough to recognise a number that one knows: `•••5678`.
fn mask(text: &str) -> String {
    let graphemes: Vec<&str> = text.graphemes(true).collect();
    let shown = (graphemes.len() / 3).min(4);
    format!("•••{}", graphemes[graphemes.len() - shown..].concat())
}

/// The words of a [`crate::domain::coded::Coded`], of a number or of a plain word. A number that has no word in the language
/// file is shown as such: `(code 5001)`.
fn word(words: &Language, coded: &Value, family: &str) -> Result<String, Error> {
    if let Some(own) = coded.as_str() {
        return Ok(words.word(&format!("{family}.{own}")).unwrap_or(own).to_owned());
    }
    let (known, code) = match coded.kind() {
        ValueKind::Map => (coded.get_attr("word")?, coded.get_attr("code")?.to_string()),
        _ => (Value::from(()), coded.to_string()),
    };
    let mut names = known.as_str().into_iter().chain([code.as_str()]);
    let named = names.find_map(|name| words.word(&format!("{family}.{name}")));
    let pattern = || words.word(&format!("{family}.number")).or_else(|| words.word("label.code"));
    Ok(named.or_else(pattern).unwrap_or("{code}").replace("{code}", &code))
}

/// A word of the language file with `{name}` filled in from the arguments. `default` stands in where there is no word.
fn translate(words: &Language, state: &State, key: &str, arguments: &Kwargs) -> Result<Value, Error> {
    let default: Option<Value> = arguments.get("default")?;
    let Some(pattern) = words.word(key) else {
        return match default {
            Some(default) => Ok(default),
            None if state.undefined_behavior() == UndefinedBehavior::Strict => {
                Err(invalid(format!("no word {key} in the language file")))
            }
            None => Ok(Value::from(key)),
        };
    };
    let mut text = pattern.to_owned();
    for name in arguments.args() {
        let value: Value = arguments.get(name)?;
        let value = if value.is_none() { String::new() } else { value.to_string() };
        let place = format!("{{{name}}}");
        // A word may have many places, and a value may be long.
        if text.matches(&place).count().saturating_mul(value.len()) > OUTPUT_BYTES {
            return Err(invalid(TOO_LONG));
        }
        text = text.replace(&place, &value);
    }
    Ok(Value::from(text))
}

/// A moment in the zone of the message. A template may set `timezone` to the name of another one.
fn local(state: &State, time: &Value) -> Result<(Timestamp, TimeZone), Error> {
    let at = time
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
        .ok_or_else(|| invalid("this is no time such as occurred_at"))?;
    let zone = state.lookup("timezone").unwrap_or_default();
    if let Some(zone) = zone.downcast_object_ref::<TemplateZone>() {
        return Ok((at, zone.0.clone()));
    }
    let zone = zone.as_str().map_or(Ok(TimeZone::UTC), TimeZone::get);
    zone.map(|zone| (at, zone)).map_err(|error| invalid(error.to_string()))
}

/// The local day of a moment, or a day itself, such as `data.report.from`.
fn date_of(state: &State, time: &Value) -> Result<civil::Date, Error> {
    match time.as_str().and_then(|text| text.parse::<Timestamp>().err().and(text.parse::<civil::Date>().ok())) {
        Some(date) => Ok(date),
        None => local(state, time).map(|(at, zone)| at.to_zoned(zone).date()),
    }
}

fn time_of_day(words: &Language, state: &State, time: &Value) -> Result<String, Error> {
    let (at, zone) = local(state, time)?;
    let pattern = words.word("format.time").unwrap_or("%H:%M");
    let text = at.to_zoned(zone.clone()).strftime(pattern).to_string();
    Ok(match zone_matters(at, &zone) {
        true => format!("{text} {}", at.to_zoned(zone).strftime("%Z")),
        false => text,
    })
}

/// The time of day, with the date before it when it is not the day on which the message came.
fn when(words: &Language, state: &State, time: &Value) -> Result<String, Error> {
    let (at, zone) = local(state, time)?;
    let time_of_day = time_of_day(words, state, time)?;
    let today = match state.lookup("received_at") {
        Some(received) => local(state, &received).ok().map(|(received, zone)| received.to_zoned(zone).date()),
        None => None,
    };
    let date = at.to_zoned(zone).date();
    let near = today.is_some_and(|today: civil::Date| today.year() == date.year());
    Ok(match today == Some(date) {
        true => time_of_day,
        false => {
            let date = words.date(date, if near { DayFormat::WithoutYear } else { DayFormat::Whole });
            format!("{date} {time_of_day}")
        }
    })
}

/// A time of day alone misleads where the clock is put back (it comes twice) and where the zone is nobody's own.
fn zone_matters(at: Timestamp, zone: &TimeZone) -> bool {
    let is_utc = *zone == TimeZone::UTC || zone.iana_name() == Some("UTC");
    is_utc || zone.to_ambiguous_timestamp(at.to_zoned(zone.clone()).datetime()).is_ambiguous()
}
