//! What the forms of the set-up do.

use minijinja::context;
use poem::web::{Data, Form, Path};
use poem::{Response, handler};

use crate::flow::setup_assistant::{EndingValues, Family, GeneralValues, GivenTable, SecretsPlace, SetupError};
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::setup::steps::{Came, SharedAssistant, TablePlace, leads_to, show, show_file, show_table};
use crate::web::admin::problem::Problem;

/// The fields of a form in their sequence.
type Fields = Form<Vec<(String, String)>>;

/// Before the keys of a table's values, so that none is mistaken for another field.
const VALUE: &str = "value.";

/// The first of this name.
fn field<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim()).unwrap_or_default()
}

#[handler]
pub async fn general(reader: Reader, Data(assistant): Data<&SharedAssistant>, Form(fields): Fields) -> Response {
    let text = |name: &str| field(&fields, name).to_owned();
    assistant.set_general(GeneralValues {
        language: text("language"),
        timezone: text("timezone"),
        currency: text("currency").to_uppercase(),
        public_url: text("public_url"),
        listen: text("listen"),
    });
    let view = assistant.view();
    match view.general_findings.iter().any(|found| found.severity == "error") {
        true => show(&reader, &view, "general", Came::default(), context! {}),
        false => leads_to("/setup/source/0"),
    }
}

#[handler]
pub async fn take_table(
    reader: Reader,
    Data(assistant): Data<&SharedAssistant>,
    Path(place): Path<TablePlace>,
    Form(fields): Fields,
) -> Result<Response, Problem> {
    let value = |(name, value): &(String, String)| Some((name.strip_prefix(VALUE)?.to_owned(), value.clone()));
    let forgotten = fields.iter().filter(|(name, _)| name == "forget").map(|(_, key)| key.clone());
    let kind = field(&fields, "kind");
    let given = GivenTable {
        kind: kind.to_owned(),
        name: field(&fields, "name").to_owned(),
        values: fields.iter().filter_map(value).collect(),
        forgotten: forgotten.collect(),
    };
    let came = match assistant.set_table(place.family(), place.place(), given) {
        Err(error) => return show_table(&reader, &assistant.view(), &place, Some(kind), error.into()),
        Ok(()) => done(assistant, &place, field(&fields, "then")).await,
    };
    match came {
        Done::Next => Ok(leads_to(place.next())),
        Done::Stay(came) => show_table(&reader, &assistant.view(), &place, None, came),
    }
}

/// What comes after a table was taken.
enum Done {
    Next,
    Stay(Came),
}

/// Does with a table what its button says.
async fn done(assistant: &SharedAssistant, place: &TablePlace, then: &str) -> Done {
    let view = assistant.view();
    let is_right = place.tables(&view).get(place.place()).is_some_and(|table| table.is_right);
    let came = |done: Result<(), SetupError>| done.err().map(Came::from).unwrap_or_default();
    match (then, place.family()) {
        _ if !is_right => Done::Stay(Came::default()),
        ("next", _) => Done::Next,
        ("try", Family::Channel) => Done::Stay(came(assistant.test(place.place()).await.map(drop))),
        ("try", Family::Source) => Done::Stay(match assistant.try_sample(place.place()) {
            Ok(sample) => Came { sample: Some(sample), ..Came::default() },
            Err(error) => error.into(),
        }),
        _ => Done::Stay(Came::default()),
    }
}

#[handler]
pub async fn remove(Data(assistant): Data<&SharedAssistant>, Path(place): Path<TablePlace>) -> Response {
    assistant.remove_table(place.family(), place.place());
    let first = TablePlace::first(place.family());
    leads_to(&first.path())
}

#[handler]
pub async fn ending(Data(assistant): Data<&SharedAssistant>, Form(fields): Fields) -> Response {
    let named = fields.iter().filter(|(name, _)| name == "operator");
    assistant.set_ending(EndingValues {
        operator: named.map(|(_, value)| value.clone()).collect(),
        report_at: field(&fields, "report_at").to_owned(),
        secrets: match field(&fields, "secrets") {
            "variables" => SecretsPlace::Variables,
            _ => SecretsPlace::File,
        },
    });
    leads_to("/setup/file")
}

#[handler]
pub async fn save(reader: Reader, Data(assistant): Data<&SharedAssistant>) -> Response {
    match assistant.save() {
        Ok(()) => leads_to("/setup/file"),
        Err(error) => show_file(&reader, assistant, error.into()),
    }
}

/// Where it works, the daemon answers what comes next.
#[handler]
pub async fn start(reader: Reader, Data(assistant): Data<&SharedAssistant>) -> Response {
    match assistant.start().await {
        Ok(()) => leads_to("/"),
        Err(error) => show_file(&reader, assistant, error.into()),
    }
}
