//! One table of a configuration to begin with: its names, its variables, and the values that are known already.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::scaffold::{FieldForm, FormField, Scaffold, Variable};
use crate::domain::secret::Secret;

/// The column at which a comment behind a value begins.
const COMMENTS_AT: usize = 48;
/// What begins a comment behind a value that is not known yet.
const MARK: &str = "change-me: ";

/// A source or a channel that is wanted.
#[derive(Clone)]
pub struct Wanted {
    pub kind: &'static str,
    pub scaffold: Scaffold,
    /// Its kind where none is chosen.
    pub name: Option<String>,
    /// By the key of their field; absent where what to write is left to whoever reads the file.
    pub values: Option<BTreeMap<String, Secret>>,
}

/// Where secrets that are known are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretsIn {
    /// In the file itself.
    #[default]
    File,
    /// In environment variables, of which the file has the names.
    Variables,
}

/// One table of the file, with the names of its variables.
pub struct ScaffoldTable {
    pub scaffold: Scaffold,
    pub kind: &'static str,
    pub name: String,
    /// Each with its name.
    pub variables: Vec<(Variable, String)>,
    values: Option<BTreeMap<String, Secret>>,
}

impl ScaffoldTable {
    /// Its lines behind the tag.
    pub fn lines(&self, secrets: SecretsIn, placeholders: &Placeholders) -> String {
        let lines = self.scaffold.table.trim().lines().map(|line| placeholders.fill(line, self));
        let Some(values) = &self.values else { return lines.map(|line| aligned(&line)).collect() };
        let fields = &self.scaffold.fields;
        let mut written = BTreeSet::new();
        let mut text = String::new();
        for line in lines {
            let Some(field) = fields.iter().find(|field| self.is_of(&line, field)) else {
                text += &aligned(&line);
                continue;
            };
            let Some(value) = values.get(&field.key) else { continue };
            written.insert(&field.key);
            let (code, comment) = line.split_once("  # ").unwrap_or((&line, ""));
            let code = match (&field.variable, secrets) {
                (Some(ending), SecretsIn::File) => code.replace(&self.reference(ending), &quoted(value.expose())),
                (Some(_), SecretsIn::Variables) => code.to_owned(),
                (None, _) => format!("{} = {}", field.key, plain(field, value)),
            };
            text += &with_comment(&code, comment.strip_prefix(MARK).unwrap_or(comment));
        }
        for field in fields.iter().filter(|field| !written.contains(&field.key)) {
            let Some(value) = values.get(&field.key) else { continue };
            let value = match (&field.variable, secrets) {
                (Some(ending), SecretsIn::Variables) => self.reference(ending),
                (Some(_), SecretsIn::File) => quoted(value.expose()),
                (None, _) => plain(field, value),
            };
            text += &format!("{} = {value}\n", field.key);
        }
        text
    }

    /// Whether a line has the value of a field.
    fn is_of(&self, line: &str, field: &FormField) -> bool {
        let is_plain = || line.strip_prefix(&field.key).is_some_and(|rest| rest.starts_with(" = "));
        match &field.variable {
            Some(ending) => line.contains(&self.reference(ending)) || line.contains(&raw_reference(ending)),
            None => is_plain(),
        }
    }

    /// How a secret is referred to.
    fn reference(&self, ending: &str) -> String {
        let name = self.variables.iter().find(|(known, _)| known.ending == ending).map(|(_, name)| name.as_str());
        name.map_or_else(|| raw_reference(ending), |name| format!("{{ env = \"{name}\" }}"))
    }
}

/// How it stands in the text of a kind.
fn raw_reference(ending: &str) -> String {
    format!("{{ env = \"<{ending}>\" }}")
}

/// A value that is no secret, as TOML. What is no number is written as a text, of which the check says what is wrong.
fn plain(field: &FormField, value: &Secret) -> String {
    let text = value.expose();
    match field.form {
        FieldForm::Number if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        FieldForm::Text | FieldForm::Number => quoted(text),
        FieldForm::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
        }
        FieldForm::Switch => "true".to_owned(),
    }
}

/// A text as TOML, in one line whatever is in it: what JSON escapes, TOML does as well.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Gives each wanted table a name and variables that nothing else has.
pub fn tables(wanted: &[Wanted], family: &str, taken: &mut BTreeSet<String>) -> Result<Vec<ScaffoldTable>, String> {
    let mut names = BTreeSet::new();
    for name in wanted.iter().filter_map(|one| one.name.clone()) {
        if !names.insert(name.clone()) {
            return Err(format!("the name \"{name}\" is given to two {family}s; each needs a name of its own"));
        }
    }
    let tables = wanted.iter().map(|Wanted { kind, scaffold, name, values }| {
        let name = name.clone().unwrap_or_else(|| {
            let name = first_free(kind, "-", |name| !names.contains(name));
            names.insert(name.clone());
            name
        });
        let variables = needed(scaffold, values.as_ref()).into_iter().map(|needed| {
            let variable = variable(&name, family, &needed.ending, taken);
            taken.insert(variable.clone());
            (needed, variable)
        });
        ScaffoldTable { variables: variables.collect(), scaffold: scaffold.clone(), kind, name, values: values.clone() }
    });
    Ok(tables.collect())
}

/// The variables that a table takes: those of its kind, or where its values are known, of the secrets among them.
fn needed(scaffold: &Scaffold, values: Option<&BTreeMap<String, Secret>>) -> Vec<Variable> {
    let Some(values) = values else { return scaffold.variables.clone() };
    let given = scaffold.fields.iter().filter(|field| values.contains_key(&field.key));
    let variable = |field: &FormField| {
        let ending = field.variable.clone()?;
        let known = scaffold.variables.iter().find(|known| known.ending == ending);
        Some(known.cloned().unwrap_or(Variable { ending, sample: "…".to_owned() }))
    };
    given.filter_map(variable).collect()
}

/// The name, or with a number behind it.
fn first_free(name: &str, gap: &str, is_free: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number: u32| format!("{name}{gap}{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| is_free(name)).expect("there are enough numbers")
}

/// The environment variable for a secret of a table.
fn variable(name: &str, family: &str, ending: &str, taken: &BTreeSet<String>) -> String {
    let capitals = |text: &str| text.to_ascii_uppercase().replace('-', "_");
    let plain = format!("{}_{ending}", capitals(name));
    let is_free = |variable: &str| !taken.contains(variable);
    match is_free(&plain) && !plain.starts_with(|c: char| c.is_ascii_digit()) {
        true => plain,
        false => first_free(&format!("{}_{plain}", capitals(family)), "_", is_free),
    }
}

/// What stands for `<…>` in the texts of all kinds.
pub struct Placeholders {
    pub file: String,
    pub orderbell: String,
    pub public_url: String,
    /// Where webhooks come in on this machine.
    pub listen: String,
}

impl Placeholders {
    pub fn fill(&self, text: &str, table: &ScaffoldTable) -> String {
        let address = format!("{}/hooks/{}", self.public_url, table.name);
        let text = text.replace("<NAME>", &table.name).replace("<ADDRESS>", &address);
        let text = text.replace("<ORDERBELL>", &self.orderbell);
        let fill =
            |text: String, (known, name): &(Variable, String)| text.replace(&format!("<{}>", known.ending), name);
        table.variables.iter().fold(text, fill)
    }
}

/// A line whose comment stands below the others.
pub fn aligned(line: &str) -> String {
    match line.split_once("  # ") {
        Some((code, comment)) => with_comment(code, comment),
        None => format!("{line}\n"),
    }
}

/// A value with its comment, which may be empty.
pub fn with_comment(code: &str, comment: &str) -> String {
    match comment {
        "" => format!("{code}\n"),
        comment => format!("{code:<width$} # {comment}\n", width = COMMENTS_AT - 1),
    }
}
