//! The steps of the set-up as they are shown.

use std::sync::Arc;

use http::{StatusCode, header};
use minijinja::{Value, context};
use poem::web::{Data, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::domain::remedy;
use crate::flow::setup_assistant::{
    Family, SampleRead, SetupAssistant, SetupError, SetupFinding, SetupStage, SetupView, TableDraft, TestView,
};
use crate::web::admin::page::meaning::meaning;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::plain;
use crate::web::admin::problem::Problem;

/// Who makes the configuration, for the handlers.
pub type SharedAssistant = Arc<dyn SetupAssistant>;

/// The steps in their sequence, with their addresses.
const STEPS: [(&str, &str); 5] = [
    ("general", "/setup/general"),
    ("source", "/setup/source/0"),
    ("channel", "/setup/channel/0"),
    ("ending", "/setup/ending"),
    ("file", "/setup/file"),
];

/// What came of what a person has asked for, besides what the draft says.
#[derive(Default)]
pub struct Came {
    /// Why it was not done.
    pub refused: Option<String>,
    pub findings: Vec<SetupFinding>,
    pub sample: Option<SampleRead>,
}

impl From<SetupError> for Came {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Wrong(findings) => Self { findings, ..Self::default() },
            SetupError::Refused(said) | SetupError::Busy(said) => Self { refused: Some(said), ..Self::default() },
        }
    }
}

/// Where a table stands in the addresses.
#[derive(Clone, Debug, Deserialize)]
pub struct TablePlace {
    family: String,
    place: usize,
}

impl TablePlace {
    pub fn first(family: Family) -> Self {
        let family = match family {
            Family::Source => "source",
            Family::Channel => "channel",
        };
        Self { family: family.to_owned(), place: 0 }
    }

    pub fn family(&self) -> Family {
        match self.family.as_str() {
            "source" => Family::Source,
            _ => Family::Channel,
        }
    }

    pub fn place(&self) -> usize {
        self.place
    }

    pub fn path(&self) -> String {
        format!("/setup/{}/{}", self.family, self.place)
    }

    /// The step that follows.
    pub fn next(&self) -> &'static str {
        match self.family() {
            Family::Source => "/setup/channel/0",
            Family::Channel => "/setup/ending",
        }
    }

    pub fn tables<'v>(&self, view: &'v SetupView) -> &'v [TableDraft] {
        match self.family() {
            Family::Source => &view.sources,
            Family::Channel => &view.channels,
        }
    }
}

#[derive(Deserialize)]
pub struct Choice {
    /// The kind that is to be filled in, where there is nothing at the place yet, or another kind.
    kind: Option<String>,
}

/// There is nothing else to look at yet.
#[handler]
pub async fn begin() -> Response {
    leads_to("/setup")
}

/// Leads on, after a form too.
pub fn leads_to(path: &str) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish()
}

/// A file that is there needs no draft.
#[handler]
pub async fn first(Data(assistant): Data<&SharedAssistant>) -> Response {
    match assistant.view().stage {
        SetupStage::Draft => leads_to("/setup/general"),
        SetupStage::Saved | SetupStage::Broken { .. } => leads_to("/setup/file"),
    }
}

#[handler]
pub async fn general(reader: Reader, Data(assistant): Data<&SharedAssistant>) -> Response {
    show(&reader, &assistant.view(), "general", Came::default(), context! {})
}

#[handler]
pub async fn table_form(
    reader: Reader,
    Data(assistant): Data<&SharedAssistant>,
    Path(place): Path<TablePlace>,
    Query(choice): Query<Choice>,
) -> Result<Response, Problem> {
    show_table(&reader, &assistant.view(), &place, choice.kind.as_deref(), Came::default())
}

#[handler]
pub async fn ending(reader: Reader, Data(assistant): Data<&SharedAssistant>) -> Response {
    show(&reader, &assistant.view(), "ending", Came::default(), context! {})
}

#[handler]
pub async fn file(reader: Reader, Data(assistant): Data<&SharedAssistant>) -> Response {
    show_file(&reader, assistant, Came::default())
}

/// The file as it may be shown, to be kept by the browser.
#[handler]
pub async fn download(Data(assistant): Data<&SharedAssistant>) -> Response {
    Response::builder()
        .content_type("application/toml; charset=utf-8")
        .header(header::CONTENT_DISPOSITION, "attachment; filename=\"orderbell.toml\"")
        .body(assistant.text())
}

/// The last step.
pub fn show_file(reader: &Reader, assistant: &SharedAssistant, came: Came) -> Response {
    show(reader, &assistant.view(), "file", came, context! { text => assistant.text() })
}

/// The form of a source or a channel; the kinds to choose from, where none is chosen.
pub fn show_table(
    reader: &Reader,
    view: &SetupView,
    place: &TablePlace,
    kind: Option<&str>,
    came: Came,
) -> Result<Response, Problem> {
    let (tables, kinds) = match place.family() {
        Family::Source => (&view.sources, &view.platforms),
        Family::Channel => (&view.channels, &view.channel_kinds),
    };
    let missing = || Problem::of_status(StatusCode::NOT_FOUND).detail("there is nothing at this place yet");
    if place.place() > tables.len() {
        return Err(missing());
    }
    let known = tables.get(place.place());
    let kind = match kind.filter(|kind| known.is_none_or(|known| known.kind.kind != **kind)) {
        Some(kind) => Some(kinds.iter().find(|known| known.kind == kind).ok_or_else(missing)?),
        None => known.map(|known| &known.kind),
    };
    let table = known.filter(|known| kind.is_some_and(|kind| kind.kind == known.kind.kind));
    let shown = context! {
        family => place.family.as_str(),
        path => place.path(),
        next => place.next(),
        place => place.place(),
        kinds => plain(kinds),
        kind => plain(kind),
        table => plain(table),
        advice => table.and_then(|table| table.tested.as_ref()).map(|tested| advice(tested, reader)),
        tables => plain(tables),
    };
    Ok(show(reader, view, &place.family, came, shown))
}

/// What a test came to, in the words of whoever reads it.
fn advice(tested: &TestView, reader: &Reader) -> Value {
    let answer = reader.words().map(|words| remedy::localized(&tested.answer, words).into_owned());
    context! {
        meaning => meaning(reader, tested.cause.as_deref(), tested.change.as_deref()),
        answer => answer.as_deref().unwrap_or(&tested.answer),
    }
}

/// A step with what came of what was asked.
pub fn show(reader: &Reader, view: &SetupView, step: &str, came: Came, shown: Value) -> Response {
    let steps = STEPS.map(|(name, path)| context! { name => name, path => path, is_done => is_done(view, name) });
    let Came { refused, findings, sample } = came;
    let shown = context! {
        step => step,
        steps => Vec::from(steps),
        draft => plain(view),
        refused => refused,
        wrong => plain(findings),
        sample => plain(sample),
        ..shown
    };
    reader.page("setup", shown)
}

/// Whether nothing is left to do in a step.
fn is_done(view: &SetupView, step: &str) -> bool {
    let is_refused = |table: &TableDraft| table.tested.as_ref().is_some_and(|tested| !tested.accepted);
    let is_well = |table: &TableDraft| table.is_right && !is_refused(table);
    let all = |tables: &[TableDraft]| !tables.is_empty() && tables.iter().all(is_well);
    match step {
        "source" => all(&view.sources),
        "channel" => all(&view.channels),
        "file" => view.stage == SetupStage::Saved,
        _ => false,
    }
}
