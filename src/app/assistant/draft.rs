//! The draft of a configuration: what was typed, as the text of a file, and what is wrong with that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use crate::channel::kinds::KINDS;
use crate::config;
use crate::config::context::{LoadContext, SecretReading};
use crate::config::scaffold;
use crate::config::scaffold::table::{SecretsIn, Wanted};
use crate::config::scaffold::{Decided, ScaffoldPlan};
use crate::diagnostic::{ConfigPart, Diagnostic, Severity};
use crate::domain::scaffold::{FieldForm, FormField, Scaffold};
use crate::domain::secret::Secret;
use crate::flow::setup_assistant::{
    EndingValues, Family, FieldView, GeneralValues, GivenTable, KindView, SecretsPlace, SetupError, SetupFinding,
    SetupStage, SetupView, TableDraft, TestView,
};
use crate::platform::kinds::PLATFORMS;

/// More tables of a family are no first start.
const MOST_TABLES: usize = 20;

/// What was typed so far.
pub struct Draft {
    general: GeneralValues,
    is_touched: bool,
    pub ending: EndingValues,
    sources: Vec<DraftTable>,
    channels: Vec<DraftTable>,
}

/// A source or a channel.
#[derive(Clone)]
pub struct DraftTable {
    wanted: Wanted,
    pub tested: Option<TestView>,
}

impl DraftTable {
    pub fn name(&self) -> &str {
        self.wanted.name.as_deref().unwrap_or(self.wanted.kind)
    }

    /// Whether another one sends or receives with the same values.
    pub fn is_same(&self, other: &Self) -> bool {
        let values = |table: &Self| {
            let values = table.wanted.values.iter().flatten();
            values.map(|(key, value)| (key.clone(), value.expose().to_owned())).collect::<Vec<_>>()
        };
        self.name() == other.name() && self.wanted.kind == other.wanted.kind && values(self) == values(other)
    }
}

impl Draft {
    /// Nothing yet but what most would choose.
    pub fn new() -> Self {
        let general = GeneralValues {
            language: "en".to_owned(),
            timezone: "Asia/Hong_Kong".to_owned(),
            listen: scaffold::LISTEN.to_owned(),
            ..GeneralValues::default()
        };
        let ending = EndingValues { report_at: scaffold::REPORT_AT.to_owned(), ..EndingValues::default() };
        Self { general, is_touched: false, ending, sources: Vec::new(), channels: Vec::new() }
    }

    /// Takes what holds for the file as a whole.
    pub fn set_general(&mut self, general: GeneralValues) {
        (self.general, self.is_touched) = (general, true);
    }

    pub fn tables(&self, family: Family) -> &[DraftTable] {
        match family {
            Family::Source => &self.sources,
            Family::Channel => &self.channels,
        }
    }

    pub fn tables_mut(&mut self, family: Family) -> &mut Vec<DraftTable> {
        match family {
            Family::Source => &mut self.sources,
            Family::Channel => &mut self.channels,
        }
    }

    /// Takes a table as it was typed.
    ///
    /// # Errors
    /// [`SetupError::Refused`].
    pub fn set(&mut self, family: Family, place: usize, given: GivenTable) -> Result<(), SetupError> {
        let refused = |said: String| Err(SetupError::Refused(said));
        let read = match family {
            Family::Source => scaffold::source,
            Family::Channel => scaffold::channel,
        };
        let GivenTable { kind, name, values: given, forgotten } = given;
        let name = if name.is_empty() { kind.clone() } else { name };
        let mut wanted = read(&format!("{kind}={name}")).map_err(SetupError::Refused)?;
        let tables = self.tables_mut(family);
        let place = place.min(tables.len());
        if place == MOST_TABLES {
            return refused(format!("there are {MOST_TABLES} already; add more to the file itself"));
        }
        if tables.iter().enumerate().any(|(at, table)| at != place && table.name() == name) {
            return refused(format!("the name \"{name}\" is given already; each needs a name of its own"));
        }
        let before = tables.get(place).filter(|before| before.wanted.kind == wanted.kind);
        let mut before = before.and_then(|before| before.wanted.values.clone()).unwrap_or_default();
        before.retain(|key, _| !forgotten.contains(key));
        wanted.values = Some(taken(&wanted.scaffold, before, &given));
        let table = DraftTable { wanted, tested: None };
        match tables.get_mut(place) {
            Some(known) if known.is_same(&table) => {}
            Some(known) => *known = table,
            None => tables.push(table),
        }
        Ok(())
    }

    /// The text of the file.
    pub fn text(&self, file: &Path, admin: SocketAddr, secrets: SecretsIn) -> String {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let wanted = |tables: &[DraftTable]| tables.iter().map(|table| table.wanted.clone()).collect();
        let known = |name: &&String| self.channels.iter().any(|table| table.name() == name.as_str());
        let GeneralValues { language, timezone, currency, public_url, listen } = &self.general;
        let plan = ScaffoldPlan {
            sources: wanted(&self.sources),
            channels: wanted(&self.channels),
            language: language.clone(),
            timezone: timezone.clone(),
            currency: some(currency),
            public_url: some(public_url).map(|url| url.trim_end_matches('/').to_owned()),
            decided: Some(Decided {
                secrets,
                listen: listen.clone(),
                admin,
                operator: self.ending.operator.iter().filter(known).cloned().collect(),
                report_at: some(&self.ending.report_at),
            }),
        };
        scaffold::write(&plan, file).expect("each table has a name of its own")
    }

    /// The draft as it is shown.
    pub fn view(&self, file: &Path, admin: SocketAddr, stage: SetupStage) -> SetupView {
        let text = self.text(file, admin, SecretsIn::File);
        let (problems, is_right) = problems(&text, file);
        let of = |parts: &[ConfigPart]| {
            let found = problems.iter().filter(|problem| parts.contains(&problem.part));
            found.map(|problem| finding(problem, &text)).collect::<Vec<_>>()
        };
        let table = |table: &DraftTable, part: ConfigPart| {
            let kind = kind(table.wanted.kind, &table.wanted.scaffold, table.wanted.values.as_ref());
            let findings = of(&[part]).into_iter().map(|found| placed(found, &kind.fields)).collect::<Vec<_>>();
            let is_right = findings.iter().all(|found| found.severity != "error");
            let name = table.name().to_owned();
            TableDraft { kind, name, address: None, findings, is_right, tested: table.tested.clone() }
        };
        let source = |one: &DraftTable| {
            let base = Some(self.general.public_url.trim_end_matches('/')).filter(|base| !base.is_empty());
            let address = base.map(|base| format!("{base}/hooks/{}", one.name()));
            TableDraft { address, ..table(one, ConfigPart::Source(one.name().to_owned())) }
        };
        let channel = |one: &DraftTable| table(one, ConfigPart::Channel(one.name().to_owned()));
        SetupView {
            stage,
            file: file.display().to_string(),
            command: format!("{} serve", scaffold::command(file)),
            general: self.general.clone(),
            is_touched: self.is_touched,
            general_findings: of(&[ConfigPart::File, ConfigPart::Top, ConfigPart::Server]),
            sources: self.sources.iter().map(source).collect(),
            channels: self.channels.iter().map(channel).collect(),
            platforms: PLATFORMS.iter().map(|known| kind(known.name, &Scaffold::read(known.setup), None)).collect(),
            channel_kinds: KINDS.iter().map(|known| kind(known.name, &Scaffold::read(known.setup), None)).collect(),
            ending: self.ending.clone(),
            findings: problems.iter().map(|problem| finding(problem, &text)).collect(),
            is_right: is_right && !self.sources.is_empty() && !self.channels.is_empty(),
        }
    }
}

/// Where secrets stand, as the scaffold calls it.
pub fn secrets_in(place: SecretsPlace) -> SecretsIn {
    match place {
        SecretsPlace::File => SecretsIn::File,
        SecretsPlace::Variables => SecretsIn::Variables,
    }
}

/// What is wrong with a text as the configuration of this file, and whether the daemon would start by it.
pub fn problems(text: &str, file: &Path) -> (Vec<Diagnostic>, bool) {
    match config::read_text(text, &LoadContext::of(file, SecretReading::Read)) {
        Ok(loaded) => (loaded.warnings, true),
        Err(problems) => (problems, false),
    }
}

/// A problem as it is shown; `text` is what it is in.
pub fn finding(problem: &Diagnostic, text: &str) -> SetupFinding {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let line = problem.line.and_then(|line| text.lines().nth(line.checked_sub(1)?));
    let key = line.and_then(|line| line.split_once(" = ")).map(|(key, _)| key.trim().to_owned());
    SetupFinding {
        severity: severity.to_owned(),
        message: problem.message.clone(),
        help: problem.help.clone(),
        key,
        line: problem.line,
    }
}

/// The same with the key of one of these fields, where it is about one.
fn placed(found: SetupFinding, fields: &[FieldView]) -> SetupFinding {
    let is_at = |field: &&FieldView| {
        let first = field.key.split('.').next();
        found.key.is_some() && found.key.as_deref() == first
    };
    let is_named = |field: &&FieldView| found.message.contains(&format!("\"{}\"", field.key));
    let field = fields.iter().find(is_at).or_else(|| fields.iter().find(is_named));
    SetupFinding { key: field.map(|field| field.key.clone()), ..found }
}

/// The values of a table after those that were typed now. A secret that was left empty stays.
fn taken(
    scaffold: &Scaffold,
    before: BTreeMap<String, Secret>,
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, Secret> {
    let value = |field: &FormField| {
        let text = given.get(&field.key).map(|text| text.trim()).unwrap_or_default();
        match (text, &field.variable) {
            ("", Some(_)) => before.get(&field.key).cloned(),
            ("", None) => None,
            (text, _) => Some(Secret::new(text)),
        }
    };
    scaffold.fields.iter().filter_map(|field| Some((field.key.clone(), value(field)?))).collect()
}

/// A kind with its fields, and the values that are no secrets.
fn kind(kind: &str, scaffold: &Scaffold, values: Option<&BTreeMap<String, Secret>>) -> KindView {
    let field = |field: &FormField| {
        let value = values.and_then(|values| values.get(&field.key));
        let form = match (&field.variable, field.form) {
            (Some(_), _) => "secret",
            (None, FieldForm::Text) => "text",
            (None, FieldForm::Number) => "number",
            (None, FieldForm::List) => "list",
            (None, FieldForm::Switch) => "switch",
        };
        FieldView {
            key: field.key.clone(),
            form: form.to_owned(),
            optional: field.optional,
            sample: field.sample.clone(),
            is_given: value.is_some(),
            value: value.filter(|_| form != "secret").map(|value| value.expose().to_owned()).unwrap_or_default(),
        }
    };
    KindView {
        kind: kind.to_owned(),
        what: scaffold.what.clone(),
        before: scaffold.before.clone(),
        fields: scaffold.fields.iter().map(field).collect(),
    }
}
