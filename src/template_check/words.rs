//! What is wrong with a template in a merchant's words, and what was probably meant.

use crate::diagnostic::suggest;
use crate::domain::settings::InvalidValue;
use crate::domain::template::fault::{ComposeError, TemplateFault};

/// The filters of templates, for suggestions.
const FILTERS: [&str; 16] = [
    "date", "default", "duration", "first", "join", "last", "length", "list_of", "lower", "mask", "money", "number",
    "plural", "t", "time", "when",
];

/// The engine's text in a merchant's words.
pub fn in_words(message: &str) -> String {
    match message.split_once(": ") {
        Some(("syntax error", rest)) => format!("this is not written as a template is: {rest}"),
        Some(("undefined value", rest)) => {
            format!("the template asks for what is not there: {}", rest.replace('`', "\""))
        }
        Some((_, rest)) => rest.to_owned(),
        None => message.to_owned(),
    }
}

pub fn syntax_help(message: &str) -> &'static str {
    match message {
        _ if message.contains("variable block") => "a value stands in {{ and }}: {{ order.total | money }}",
        _ if message.contains("end of input") => {
            "every {% if … %} has its {% endif %}, every {% for … %} its {% endfor %}"
        }
        _ if message.contains("unknown statement") => {
            "a {% endif %} or {% endfor %} needs an {% if … %} or {% for … %} before it"
        }
        _ => {
            "{{ value }} prints, {% if value %}…{% endif %} asks, {% for line in order.lines %}…{% endfor %} goes through a list"
        }
    }
}

/// What is wrong with a template that fails with a sample, and what would be right. `names` are those that there are.
pub fn explain(error: &ComposeError, source: Option<&str>, names: &[&str]) -> InvalidValue {
    let quoted = error.message.split('`').nth(1);
    let written = error.span.clone().and_then(|span| source?.get(span));
    match error.fault {
        TemplateFault::Undefined | TemplateFault::Operation if quoted.is_some() => {
            let name = quoted.unwrap_or_default();
            InvalidValue::new(format!("there is no \"{name}\" here"), nearest_name(name, names))
        }
        TemplateFault::UnknownFilter => {
            let filter = written.unwrap_or_default();
            let help = format!("{}; filters are: {}", suggest::meant(filter, &FILTERS), FILTERS.join(", "));
            let help =
                if suggest::nearest(filter, &FILTERS).is_some() { suggest::meant(filter, &FILTERS) } else { help };
            InvalidValue::new(format!("there is no filter \"{filter}\""), help)
        }
        TemplateFault::UnknownFile => {
            InvalidValue::new(in_words(&error.message), "it is looked for in the language's folder")
        }
        _ if error.message.contains("no word") => InvalidValue::new(
            in_words(&error.message),
            "add it to words.toml in this folder, or write the words themselves",
        ),
        _ if error.message.contains("several parts") => {
            let (message, help) = error.message.split_once("; ").unwrap_or((&error.message, ""));
            InvalidValue::new(in_words(message), help)
        }
        _ => match in_words(&error.message).split_once("; ") {
            Some((message, help)) => InvalidValue::new(message, help),
            None => {
                let help =
                    "filters write values: {{ order.total | money }}, {{ received_at | time }}, {{ 3 | number }}";
                InvalidValue::new(in_words(&error.message), help)
            }
        },
    }
}

/// What was probably meant by a name such as `order.totl`, else what there is beside it.
fn nearest_name(name: &str, names: &[&str]) -> String {
    let (parent, last) = name.rsplit_once('.').unwrap_or(("", name));
    let beside: Vec<&str> = match parent {
        "" => names.iter().copied().filter(|known| !known.contains('.')).collect(),
        _ => names.iter().filter_map(|known| known.strip_prefix(parent)?.strip_prefix('.')).collect(),
    };
    let beside: Vec<&str> = beside.into_iter().filter(|rest| !rest.contains('.')).collect();
    if beside.contains(&last) || (beside.is_empty() && names.contains(&parent)) {
        return format!("not every event has \"{parent}\"; ask for it first: {{% if {parent} %}}…{{% endif %}}");
    }
    let dot = if parent.is_empty() { "" } else { "." };
    if let Some(near) = suggest::nearest(last, &beside) {
        return format!("did you mean \"{parent}{dot}{near}\"?");
    }
    if !beside.is_empty() {
        let all: Vec<String> = beside.iter().map(|known| format!("{parent}{dot}{known}")).collect();
        return format!("there are: {}", all.join(", "));
    }
    // The name of a loop: its items are those of some list.
    let items: Vec<&str> = names.iter().filter_map(|known| known.rsplit_once("[].").map(|(_, item)| item)).collect();
    match suggest::nearest(last, &items) {
        Some(near) => format!("did you mean \"{parent}{dot}{near}\"?"),
        None => "`orderbell render` shows a message with its values".to_owned(),
    }
}
