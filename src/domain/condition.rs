//! The `when` of a route: an expression over an event and its order, parsed once, judged inside the commit.

mod bounds;
pub mod error;

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Expression, UndefinedBehavior, Value};
use serde::{Deserialize, Deserializer};

use crate::domain::condition::error::ConditionError;
use crate::domain::event::Event;
use crate::domain::money::Money;
use crate::domain::order::{Order, OrderLine, OrderState};
use crate::domain::payload::Data;
use crate::domain::shop::Shop;
use crate::domain::template::values::value_of;

/// Instructions that one judgement may take. A condition over all lines of a large order takes under 5 000.
const FUEL: u64 = 10_000;

/// A longer one is nested too deeply to be sure of the stack, or no condition.
const MOST_BYTES: usize = 2_000;

/// The names that a condition may ask for.
const NAMES: [&str; 5] = ["order", "shop", "kind", "source", "data"];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    bounds::install(&mut environment);
    environment
});

/// A condition such as `order.total >= 500 and order.currency == "HKD"`. Cloning shares it.
///
/// Every amount is a number in major units. What is not known of an event is undefined: asking for it fails, unless it is
/// asked with `is defined` or has a `default`. A misspelt name is found when the condition is parsed.
#[derive(Clone)]
pub struct Condition(Arc<Parsed>);

struct Parsed {
    text: String,
    expression: Expression<'static, 'static>,
    /// Which of [`NAMES`] it asks for.
    asks: Vec<&'static str>,
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// When it is no expression, asks for a name that there is not, compares what can never be equal, or gives something
    /// else than yes or no.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MOST_BYTES {
            let message = format!("it is too long: a condition has at most {MOST_BYTES} characters");
            return Err(ConditionError { message, offset: 0 });
        }
        let expression = ENVIRONMENT.compile_expression_owned(text.to_owned()).map_err(|error| described(&error))?;
        let mut paths: Vec<String> = expression.undeclared_variables(true).into_iter().collect();
        paths.sort();
        for path in &paths {
            known(path).map_err(|message| at(text, path, message))?;
        }
        literals(text)?;
        bounds::products(text)?;
        let asks = |name: &&&str| paths.iter().any(|path| path.split('.').next() == Some(**name));
        let asks = NAMES.iter().filter(asks).copied().collect();
        let condition = Self(Arc::new(Parsed { text: text.to_owned(), expression, asks }));
        condition.try_out()?;
        Ok(condition)
    }

    /// Whether it holds for an event. `order` is the order after the event, when the event is about one.
    ///
    /// # Errors
    /// When it asks for what is not known of this event, or takes too long. The event should then be let through.
    pub fn holds(&self, event: &Event, order: Option<&Order>) -> Result<bool, ConditionError> {
        let shop = order.and_then(|order| order.shop.as_ref()).or(event.shop.as_ref());
        let value = |name: &str| match name {
            "order" => order.map_or(Value::UNDEFINED, order_value),
            "shop" => shop.map_or(Value::UNDEFINED, |shop| plain(value_of(shop))),
            "kind" => Value::from(event.kind.to_string()),
            "source" => Value::from(event.source.as_str()),
            _ => plain(value_of(&event.data)),
        };
        let values = Value::from_pairs(self.0.asks.iter().map(|name| (*name, value(name))));
        self.judge(values).map_err(|error| described(&error))
    }

    fn judge(&self, values: Value) -> Result<bool, Error> {
        let result = self.0.expression.eval(values)?;
        match result.kind() {
            ValueKind::Bool => Ok(result.is_true()),
            ValueKind::Undefined | ValueKind::None => Err(ErrorKind::UndefinedError.into()),
            other => Err(Error::new(ErrorKind::NonPrimitive, format!("this gives a {other}, not a yes or no"))),
        }
    }

    /// Judges an event of which everything but `data` is known, to find what would fail for every event.
    fn try_out(&self) -> Result<(), ConditionError> {
        let order = Order {
            number: "1".to_owned(),
            short_number: Some("1".to_owned()),
            state: OrderState::Placed,
            revision: 1,
            placed_at: Some(jiff::Timestamp::UNIX_EPOCH),
            latest_at: Some(jiff::Timestamp::UNIX_EPOCH),
            total: Some(Money::new(100, "HKD")),
            lines: vec![OrderLine { name: "1".to_owned(), quantity: Some(1), ..OrderLine::default() }],
            ..Order::default()
        };
        let shop = Shop { id: "1".to_owned(), name: Some("Shop".to_owned()) };
        let value = |name: &str| match name {
            "order" => order_value(&order),
            "shop" => plain(value_of(&shop)),
            "data" => plain(value_of(&Data::default())),
            _ => Value::from("order.placed"),
        };
        match self.judge(Value::from_pairs(self.0.asks.iter().map(|name| (*name, value(name))))) {
            Err(error) if for_every_event(error.kind()) => Err(described(&error)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.0.text)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Condition {}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whether a condition that fails so fails for every event, whatever is known of it.
fn for_every_event(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
            | ErrorKind::NonPrimitive
            | ErrorKind::OutOfFuel
    )
}

/// An order as conditions see it: with its currency beside the total.
fn order_value(order: &Order) -> Value {
    let mut pairs = known_pairs(&value_of(order));
    pairs.push((Value::from("total_is_approximate"), Value::from(order.total_is_approximate)));
    if let Some(total) = &order.total {
        pairs.push((Value::from("currency"), Value::from(total.currency.as_str())));
    }
    Value::from_pairs(pairs)
}

/// The entries of a map that are known.
fn known_pairs(map: &Value) -> Vec<(Value, Value)> {
    let keys = map.try_iter().into_iter().flatten();
    let pairs = keys.filter_map(|key| Some((key.clone(), plain(map.get_item(&key).ok()?))));
    pairs.filter(|(_, value)| !value.is_none()).collect()
}

/// A value as conditions see it: amounts are numbers in major units, and what is unknown is not there.
fn plain(value: Value) -> Value {
    match value.kind() {
        ValueKind::Map => amount(&value).unwrap_or_else(|| Value::from_pairs(known_pairs(&value))),
        ValueKind::Seq => value.try_iter().into_iter().flatten().map(plain).collect(),
        _ => value,
    }
}

/// What serialises as [`Money`] does.
fn amount(value: &Value) -> Option<Value> {
    let (minor, currency) = (value.get_attr("minor").ok()?.as_i64()?, value.get_attr("currency").ok()?);
    let text = Money::new(minor, currency.as_str()?).major();
    match text.parse::<i64>() {
        Ok(whole) => Some(Value::from(whole)),
        // The same reading as that of a number in a condition, so that equal texts are equal numbers.
        Err(_) => text.parse::<f64>().ok().map(Value::from),
    }
}

/// Whether there is such a name, as far as the first dot within it.
fn known(path: &str) -> Result<(), String> {
    let mut steps = path.split('.');
    let (name, field) = (steps.next().unwrap_or_default(), steps.next());
    if !NAMES.contains(&name) {
        return Err(format!("there is no {}", meant(name, &NAMES.map(str::to_owned))));
    }
    let fields = match name {
        "order" => value_of(&Order::default()),
        "data" => value_of(&Data::default()),
        "shop" => value_of(&Shop { id: String::new(), name: None }),
        _ => return field.map_or(Ok(()), |field| Err(format!("{name} is a text and has no {field}"))),
    };
    let mut fields: Vec<String> = fields.try_iter().into_iter().flatten().map(|key| key.to_string()).collect();
    if name == "order" {
        fields.push("currency".to_owned());
    }
    match field {
        Some(field) if !fields.iter().any(|known| known == field) => {
            Err(format!("{name} has no {}", meant(field, &fields)))
        }
        _ => Ok(()),
    }
}

/// A name that there is not, with the one that was probably meant, or with all that there are.
fn meant(name: &str, known: &[String]) -> String {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match near {
        Some((distance, near)) if distance <= 2 => format!("\"{name}\"; did you mean \"{near}\"?"),
        _ => format!("\"{name}\"; there is: {}", known.join(", ")),
    }
}

/// A text is never equal to a number, nor more than one: `order.total >= "500"` would be silent for ever.
fn literals(text: &str) -> Result<(), ConditionError> {
    let number = |first: char| first.is_ascii_digit() || first == '-';
    let quoted = |first: char| matches!(first, '"' | '\'');
    for (path, wrong, message) in [
        ("order.total", &quoted as &dyn Fn(char) -> bool, "order.total is a number: write it without quotes"),
        ("shop.id", &number, "shop.id is a text: write it in quotes"),
        ("order.number", &number, "order.number is a text: write it in quotes"),
        ("order.short_number", &number, "order.short_number is a text: write it in quotes"),
    ] {
        for (found, _) in text.match_indices(path) {
            let rest = text[found + path.len()..].trim_start();
            let operand = rest.trim_start_matches(['<', '>', '=', '!']).trim_start();
            if operand.len() < rest.len() && operand.starts_with(wrong) {
                return Err(ConditionError { message: message.to_owned(), offset: text.len() - operand.len() });
            }
        }
    }
    Ok(())
}

fn at(text: &str, path: &str, message: String) -> ConditionError {
    ConditionError { message, offset: text.find(path).unwrap_or(0) }
}

/// An error in our words. The engine's own texts name types and the condition's words, never a value.
fn described(error: &Error) -> ConditionError {
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too long".to_owned(),
        (ErrorKind::UndefinedError, None) => "it asks for what is not known of this event".to_owned(),
        (ErrorKind::UndefinedError, Some(detail)) => format!("it asks for what is not known of this event: {detail}"),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    };
    ConditionError { message, offset: error.range().map_or(0, |range| range.start) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_meant_is_said_with_its_place() {
        for (text, offset, said) in [
            ("order.total >=", 12, "unexpected end of input"),
            ("order.total > 5 )", 16, "unexpected input"),
            ("é > 5 ?", 7, "unexpected character"),
            ("5 < order.totl", 4, "order has no \"totl\"; did you mean \"total\"?"),
            ("ordr.total > 5", 0, "did you mean \"order\"?"),
            ("weather == 'fine'", 0, "there is: order, shop, kind, source, data"),
            ("kind.name == 'x'", 0, "kind is a text and has no name"),
            ("order.currency == HKD", 18, "there is no \"HKD\""),
            ("order.total >= \"500\"", 15, "order.total is a number: write it without quotes"),
            ("shop.id==145541", 9, "shop.id is a text: write it in quotes"),
            ("order.total", 0, "not a yes or no"),
            ("order.total | nope", 14, "filter nope is unknown"),
            ("order.total is nope", 15, "test nope is unknown"),
            ("range(9)", 0, "there is no \"range\""),
            ("kind * 100000000 == 'x'", 5, "only amounts, quantities and numbers can be multiplied"),
            ("([1] * 100000000) | length > 1", 5, "only amounts, quantities and numbers can be multiplied"),
            ("10000000 * kind == 'x'", 9, "only amounts, quantities and numbers can be multiplied"),
            ("1000000 * order.total | string == 'x'", 8, "only amounts, quantities and numbers can be multiplied"),
            ("order.total | string * 1000000 == 'x'", 21, "only amounts, quantities and numbers can be multiplied"),
            ("('x') * 9 == 'y'", 6, "only amounts, quantities and numbers can be multiplied"),
            ("{'quantity': 'x'}.quantity * 99 == 'y'", 27, "only amounts, quantities and numbers can be multiplied"),
            ("2 * order.lines[0].name == 'y'", 2, "only amounts, quantities and numbers can be multiplied"),
            ("kind | indent(1000000000) == 'x'", 7, "filter indent is unknown"),
            ("'%1000000000d' | format(1) == 'x'", 17, "filter format is unknown"),
        ] {
            let error = Condition::parse(text).expect_err(text);
            assert!(error.message.contains(said), "{text}: {error}");
            assert_eq!(error.offset, offset, "{text}: {error}");
        }
    }

    #[test]
    fn a_condition_is_shared_among_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Condition>();
    }
}
