//! Templates that are not ours, rendered outside this process: what is asked of whoever does it, and how values travel there.

use std::collections::BTreeSet;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde::{Deserialize, Serialize};

use crate::domain::language::folders::Sources;
use crate::domain::template::fault::ComposeError;
use crate::domain::template::filters::TemplateZone;

/// Renders a merchant's own templates where they can do no harm, whatever they do.
pub trait IsolatedRenderer: Send + Sync {
    /// # Errors
    /// What is wrong with the template; that it was stopped ([`crate::domain::template::fault::TemplateFault::Exhausted`]); or that nothing
    /// can be rendered at all ([`crate::domain::template::fault::TemplateFault::Unavailable`]).
    fn render(&self, job: &RenderJob) -> Result<String, ComposeError>;
}

/// One template to be rendered with its values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenderJob {
    /// Asking for an unknown name is an error.
    pub strict: bool,
    /// The language's folder.
    pub folder: String,
    /// The template's path.
    pub path: String,
    /// For whom it is; those who render for one channel must not keep another waiting.
    pub channel: String,
    pub values: Wire,
}

/// A template value on its way to another process. Nothing is lost: floats travel by their bits, maps keep their sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Wire {
    #[serde(rename = "n")]
    None,
    #[serde(rename = "u")]
    Undefined,
    #[serde(rename = "b")]
    Bool(bool),
    #[serde(rename = "i")]
    Integer(i64),
    /// Beyond the integers above, as text.
    #[serde(rename = "w")]
    Wide(String),
    #[serde(rename = "f")]
    Float(u64),
    #[serde(rename = "s")]
    Text(String),
    /// Made by us, and therefore not to be escaped.
    #[serde(rename = "r")]
    Raw(String),
    #[serde(rename = "l")]
    List(Vec<Wire>),
    #[serde(rename = "m")]
    Map(Vec<(Wire, Wire)>),
    /// By its IANA name.
    #[serde(rename = "z")]
    Zone(String),
}

impl From<&Value> for Wire {
    fn from(value: &Value) -> Self {
        if let Some(TemplateZone(zone)) = value.downcast_object_ref::<TemplateZone>() {
            return Self::Zone(zone.iana_name().unwrap_or("UTC").to_owned());
        }
        let items = || value.try_iter().into_iter().flatten();
        match value.kind() {
            ValueKind::Undefined => Self::Undefined,
            ValueKind::None => Self::None,
            ValueKind::Bool => Self::Bool(value.is_true()),
            ValueKind::Number if value.is_integer() => match value.as_i64() {
                Some(whole) => Self::Integer(whole),
                None => Self::Wide(value.to_string()),
            },
            ValueKind::Number => Self::Float(f64::try_from(value.clone()).unwrap_or_default().to_bits()),
            ValueKind::Seq | ValueKind::Iterable => Self::List(items().map(|item| Self::from(&item)).collect()),
            ValueKind::Map => {
                let entry = |key: Value| {
                    let found = value.get_item(&key).unwrap_or_default();
                    (Self::from(&key), Self::from(&found))
                };
                Self::Map(items().map(entry).collect())
            }
            _ if value.is_safe() => Self::Raw(value.to_string()),
            _ => Self::Text(value.to_string()),
        }
    }
}

impl From<&Wire> for Value {
    fn from(wire: &Wire) -> Self {
        match wire {
            Wire::None => Self::from(()),
            Wire::Undefined => Self::UNDEFINED,
            Wire::Bool(yes) => Self::from(*yes),
            Wire::Integer(whole) => Self::from(*whole),
            Wire::Wide(text) => text.parse::<i128>().map_or_else(|_| Self::from(text.as_str()), Self::from),
            Wire::Float(bits) => Self::from(f64::from_bits(*bits)),
            Wire::Text(text) => Self::from(text.as_str()),
            Wire::Raw(text) => Self::from_safe_string(text.clone()),
            Wire::List(items) => items.iter().map(Self::from).collect(),
            Wire::Map(entries) => {
                Self::from_pairs(entries.iter().map(|(key, value)| (Self::from(key), Self::from(value))))
            }
            Wire::Zone(name) => {
                let zone = jiff::tz::TimeZone::get(name).unwrap_or(jiff::tz::TimeZone::UTC);
                Self::from_object(TemplateZone(zone))
            }
        }
    }
}

/// Of the templates that a language finds in these folders, the merchant's, and the built-in ones that bring one of those in.
///
/// A built-in template names what it includes or imports as it is; whoever names a file of the merchant's, in whichever
/// folder that lies, brings it in.
pub(super) fn reaching(chain: &[String], built_in: &Sources, overlay: &Sources) -> BTreeSet<String> {
    let is_own = |path: &String| path.split_once('/').is_some_and(|(folder, _)| chain.iter().any(|own| own == folder));
    let is_template = |path: &&String| path.ends_with(".md") && is_own(path);
    let mut reaching: BTreeSet<String> = overlay.keys().filter(is_template).cloned().collect();
    loop {
        let names: BTreeSet<&str> =
            reaching.iter().filter_map(|path| path.split_once('/')).map(|(_, name)| name).collect();
        let names: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
        let brings_in = |(path, source): &(&String, &String)| {
            is_template(path) && !reaching.contains(*path) && names.iter().any(|name| source.contains(name))
        };
        let more: Vec<String> = built_in.iter().filter(brings_in).map(|(path, _)| path.clone()).collect();
        if more.is_empty() {
            return reaching;
        }
        reaching.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::folders::{built_in_folders, built_in_sources};

    #[test]
    fn a_value_comes_back_as_it_went() {
        let pairs =
            [("z", Value::from(1)), ("a", Value::from(0.1_f64)), ("n", Value::from(())), ("u", Value::from(u64::MAX))];
        let value = Value::from(vec![
            Value::from_pairs(pairs),
            Value::from_safe_string("<b>".to_owned()),
            Value::from("<b>"),
            Value::from(true),
            Value::from_object(TemplateZone(jiff::tz::TimeZone::get("Asia/Riyadh").unwrap())),
        ]);
        let wire = Wire::from(&value);
        let text = serde_json::to_string(&wire).unwrap();
        let back = Value::from(&serde_json::from_str::<Wire>(&text).unwrap());
        assert_eq!(Wire::from(&back), wire);
        assert_eq!(back.to_string(), value.to_string());
        assert!(back.get_item(&Value::from(1)).unwrap().is_safe());
    }

    #[test]
    fn built_in_templates_name_what_they_bring_in_as_it_is() {
        for (path, source) in built_in_sources(built_in_folders()) {
            for tag in source.split("{%").skip(1) {
                let mut words = tag.trim_start_matches(['-', '+', ' ']).split_whitespace();
                if let (Some("include" | "import" | "from"), Some(name)) = (words.next(), words.next()) {
                    assert!(name.starts_with('"') && name.ends_with(".md\""), "{path}: {name}");
                }
            }
        }
    }

    #[test]
    fn whoever_includes_a_merchants_file_however_far_is_rendered_apart() {
        let chain = ["zh-CN".to_owned(), "en".to_owned()];
        let overlay =
            Sources::from([("zh-CN/_stock.md".to_owned(), String::new()), ("fr/test.md".to_owned(), String::new())]);
        let reaching = reaching(&chain, &built_in_sources(&chain), &overlay);
        for path in ["zh-CN/_stock.md", "zh-CN/stock.low.md", "en/stock.low.md"] {
            assert!(reaching.contains(path), "{path} in {reaching:?}");
        }
        assert!(!reaching.contains("zh-CN/order.placed.md") && !reaching.contains("fr/test.md"));
    }
}
