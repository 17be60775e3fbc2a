//! The template engine as it is set up for one language: what it reads, how it prints, and how its errors are said.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};

use crate::domain::bidi::{Direction, isolated};
use crate::domain::language::Language;
use crate::domain::language::folders::{Sources, WORDS};
use crate::domain::template::fault::{ComposeError, OUTPUT_BYTES, TOO_LONG, TemplateFault};
use crate::domain::template::filters;
use crate::domain::text::escape_value;

/// Instructions that one message may take. An order of 500 lines with options and notes takes under 30 000; what takes
/// more than this loops.
const FUEL: u64 = 50_000;

/// The mode in which everything is rendered: values are escaped for Markdown.
const MODE: &str = "markdown";

/// The words of a language, each from the last layer that has it.
pub(super) fn words(
    folder: &str,
    chain: &[String],
    layers: &[&Sources],
    errors: &mut Vec<ComposeError>,
    reading: &mut dyn FnMut(&str),
) -> Language {
    let mut words = Language::new(folder);
    for template in chain.iter().rev().flat_map(|fallback| WORDS.map(|file| format!("{fallback}/{file}"))) {
        for source in layers.iter().filter_map(|layer| layer.get(&template)) {
            reading(&template);
            if let Err(error) = words.read(source) {
                let (template, message) = (template.clone(), error.to_string());
                let (line, span, fault) = (error.line, error.span, TemplateFault::Syntax);
                errors.push(ComposeError { template, line, span, fault, message });
            }
        }
    }
    words
}

/// The engine with the templates that a language finds in these folders, as far as `takes` has them.
pub(super) fn environment(
    chain: &[String],
    sources: &Sources,
    words: &Arc<Language>,
    takes: impl Fn(&str) -> bool,
    errors: &mut Vec<ComposeError>,
    reading: &mut dyn FnMut(&str),
) -> Environment<'static> {
    let mut environment = Environment::new();
    filters::install(&mut environment, words);
    // A line that is nothing but a tag becomes an empty line, of which one in a row is kept (`compose::without_gaps`).
    // With trim_blocks a line that merely ends in a tag would run into the next one, which surprises whoever edits it.
    let syntax = SyntaxConfig::builder().lstrip_blocks(true).build();
    environment.set_syntax(syntax.unwrap_or_default());
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::Custom(MODE.into()));
    let direction = words.direction();
    environment.set_formatter(move |out, state, value| print_value(out, state, value, direction));
    let mut served = Vec::new();
    for (path, source) in sources {
        let Some((folder, _)) = path.split_once('/') else { continue };
        if !path.ends_with(".md") || !chain.iter().any(|known| known == folder) || !takes(path) {
            continue;
        }
        reading(path);
        match environment.add_template_owned(path.clone(), source.clone()) {
            Ok(()) => served.push(path.clone()),
            Err(error) => errors.push(described(path, &error)),
        }
    }
    // An included file is looked for in the reader's language first, whichever folder the including one is in.
    let chain = chain.to_vec();
    environment.set_path_join_callback(move |name, _| {
        let found = chain.iter().map(|folder| format!("{folder}/{name}")).find(|path| served.contains(path));
        found.map_or(name.into(), Into::into)
    });
    environment
}

/// Prints a value: escaped, on one line, in its own order beside words of this direction; nothing when it is unknown.
fn print_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
    direction: Direction,
) -> Result<(), minijinja::Error> {
    let refuse = |message: &str| Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.to_owned()));
    if !matches!(state.auto_escape(), AutoEscape::Custom(mode) if mode == MODE) {
        return refuse("autoescape cannot be changed");
    }
    // Before it is escaped, which takes much longer than making it.
    if value.as_str().is_some_and(|text| text.len() > OUTPUT_BYTES) {
        return refuse(TOO_LONG);
    }
    if value.is_safe() {
        // What a macro or a captured block printed has been escaped piece by piece.
        return out.write_str(value.as_str().unwrap_or_default()).map_err(Into::into);
    }
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(()),
        ValueKind::Bool => refuse("a yes or no cannot be printed; ask for it with {% if … %}"),
        ValueKind::Map => refuse("this has several parts; print one of them, or use a filter such as money or word"),
        ValueKind::Seq | ValueKind::Iterable => refuse("this is a list; go through it with {% for … %}"),
        // A template may count with what a macro printed.
        ValueKind::Number => out.write_str(&escape_value(&value.to_string())).map_err(Into::into),
        _ => {
            let text = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
            out.write_str(&isolated(&escape_value(&text), direction)).map_err(Into::into)
        }
    }
}

/// An error with its place. What a value says is never in it: the engine's texts name types and the template's own words.
pub(super) fn described(path: &str, error: &minijinja::Error) -> ComposeError {
    let mut message = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let mut innermost = error;
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message = source.to_string();
        if let Some(source) = source.downcast_ref::<minijinja::Error>() {
            innermost = source;
            message = source.detail().map_or_else(|| source.kind().to_string(), str::to_owned);
        }
        cause = source.source();
    }
    ComposeError {
        template: innermost.name().or(error.name()).unwrap_or(path).to_owned(),
        line: innermost.line().or(error.line()),
        span: if innermost.line().is_some() { innermost.range() } else { error.range() },
        fault: match innermost.kind() {
            ErrorKind::SyntaxError => TemplateFault::Syntax,
            ErrorKind::UndefinedError => TemplateFault::Undefined,
            ErrorKind::UnknownFilter => TemplateFault::UnknownFilter,
            ErrorKind::TemplateNotFound | ErrorKind::BadInclude => TemplateFault::UnknownFile,
            _ => TemplateFault::Operation,
        },
        message,
    }
}

/// Takes so much and no more.
#[derive(Default)]
pub(super) struct Capped(Vec<u8>);

impl Capped {
    pub fn into_text(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES {
            return Err(io::Error::other(TOO_LONG));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// That there is no template at all.
pub(super) fn nothing(path: &str) -> ComposeError {
    ComposeError {
        template: path.to_owned(),
        line: None,
        span: None,
        fault: TemplateFault::UnknownFile,
        message: "there is no such template".to_owned(),
    }
}
