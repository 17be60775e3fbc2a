//! The templates of pages: HTML under `templates/page/`, in the words of one language and with the filters that messages have.
//! Every value is escaped.

use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value, escape_formatter};

use crate::domain::language::Language;
use crate::domain::language::folders::{self, Sources, built_in_folders};
use crate::domain::template::engine::{described, words};
use crate::domain::template::fault::{ComposeError, TemplateErrors};
use crate::domain::template::filters;

/// The folder of the pages' templates.
const FOLDER: &str = "page";

/// The pages in one language.
pub struct PageTemplates {
    pub language: Arc<Language>,
    environment: Environment<'static>,
}

impl PageTemplates {
    /// Those in a built-in language.
    ///
    /// # Errors
    /// All files that do not parse; a test holds that they all do.
    pub fn of(language: &str) -> Result<Self, TemplateErrors> {
        let chain = folders::chain(language, built_in_folders(), &Sources::new());
        let sources = folders::built_in_sources(&[chain.as_slice(), &[FOLDER.to_owned()]].concat());
        let mut errors = Vec::new();
        let language = Arc::new(words(&chain[0], &chain, &[&sources], &mut errors, &mut |_| {}));
        let mut environment = Environment::new();
        filters::install(&mut environment, &language);
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(print_value);
        for (path, source) in &sources {
            let Some(name) = path.strip_prefix("page/").filter(|name| name.ends_with(".html")) else { continue };
            if let Err(error) = environment.add_template_owned(name.to_owned(), source.clone()) {
                errors.push(described(path, &error));
            }
        }
        if errors.is_empty() { Ok(Self { language, environment }) } else { Err(TemplateErrors(errors)) }
    }

    /// # Errors
    /// The template asks for what the values have not.
    pub fn render(&self, template: &str, values: Value) -> Result<String, ComposeError> {
        let rendered = self.environment.get_template(template).and_then(|template| template.render(values));
        rendered.map_err(|error| described(template, &error))
    }
}

/// What is unknown prints nothing.
fn print_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::None => Ok(()),
        _ => escape_formatter(out, state, value),
    }
}
