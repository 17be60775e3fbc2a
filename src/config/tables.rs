//! The tables of the file by their names: `[server]`, `[channel.<name>]`, `[[route]]`; and those that nobody knows.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::section::Section;
use crate::config::{values, words};
use crate::diagnostic::collect::Diagnostics;

/// Everything that may stand at the top of the file.
const KNOWN: [&str; 14] = [
    "language",
    "timezone",
    "currency",
    "templates",
    "server",
    "admin",
    "store",
    "operator",
    "source",
    "channel",
    "route",
    "report",
    "heartbeat",
    "backup",
];

/// Takes `[name]` out of the file; an empty one where there is none.
pub fn table<'t>(root: &mut DeTable<'t>, name: &str, problems: &'t Diagnostics<'t>) -> Section<'t> {
    let empty = || Section::new(format!("in [{name}]"), 0..0, DeTable::new(), problems);
    let Some((key, value)) = root.remove_entry(name) else {
        return empty();
    };
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Section::new(format!("in [{name}]"), span, table, problems),
        _ => {
            problems.error(key.span(), format!("\"{name}\" must be a table"), format!("write [{name}], once"));
            empty()
        }
    }
}

/// Takes all `[family.<name>]` out of the file, in the order in which they stand there.
pub fn named<'t>(
    root: &mut DeTable<'t>,
    family: &str,
    problems: &'t Diagnostics<'t>,
) -> Vec<(Spanned<String>, Section<'t>)> {
    let help = format!("each {family} is a table with a name: [{family}.my-{family}]");
    let Some((key, value)) = root.remove_entry(family) else {
        return Vec::new();
    };
    let span = value.span();
    let DeValue::Table(tables) = value.into_inner() else {
        problems.error(key.span(), format!("there is no [[{family}]]"), help);
        return Vec::new();
    };
    let mut sections = Vec::new();
    for (name, value) in tables {
        let at = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            // A key directly under [family]: the name is missing.
            problems.error(span.clone(), format!("[{family}] has no name"), help.clone());
            continue;
        };
        let text = name.get_ref().to_string();
        if let Err(invalid) = values::name(&text) {
            problems.error(name.span(), invalid.message, invalid.help);
        }
        let section = Section::new(format!("in [{family}.{text}]"), at, table, problems);
        sections.push((Spanned::new(name.span(), text), section));
    }
    sections.sort_by_key(|(name, _)| name.span().start);
    sections
}

/// Takes all `[[name]]` out of the file.
pub fn repeated<'t>(root: &mut DeTable<'t>, name: &str, problems: &'t Diagnostics<'t>) -> Vec<Section<'t>> {
    let Some((key, value)) = root.remove_entry(name) else {
        return Vec::new();
    };
    let section = |span, table| Section::new(format!("in this [[{name}]]"), span, table, problems);
    let span = value.span();
    match value.into_inner() {
        DeValue::Array(list) => list
            .into_iter()
            .filter_map(|value| {
                let span = value.span();
                match value.into_inner() {
                    DeValue::Table(table) => Some(section(span, table)),
                    _ => {
                        problems.error(span, format!("a {name} is a table"), format!("write [[{name}]]"));
                        None
                    }
                }
            })
            .collect(),
        DeValue::Table(table) => {
            let help = format!("write [[{name}]] with two brackets on each side; there may be several");
            problems.error(key.span(), format!("\"{name}\" is a list"), help);
            vec![section(span, table)]
        }
        _ => {
            problems.error(key.span(), format!("\"{name}\" must be a table"), format!("write [[{name}]]"));
            Vec::new()
        }
    }
}

/// Says of what is left in the file that nobody knows it.
pub fn unknown_tables(root: &DeTable<'_>, problems: &Diagnostics<'_>) {
    for key in root.keys() {
        let mut said = words::unknown_key(key.get_ref(), &KNOWN, "at the top of the file");
        let before = problems.text().get(..key.span().start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        if words::is_bare(key.get_ref()) && line.trim_start().starts_with('[') {
            said.message = format!("there is no table [{}]", key.get_ref());
        }
        problems.error(key.span(), said.message, said.help);
    }
}
