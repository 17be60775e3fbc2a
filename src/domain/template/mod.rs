//! Templates: which file serves which message, and how it is rendered so that no value can become markup.

pub mod digest;
mod filters;
pub mod values;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use minijinja::AutoEscape;
use minijinja::Environment;
use minijinja::ErrorKind;
use minijinja::Output;
use minijinja::State;
use minijinja::UndefinedBehavior;
use minijinja::Value;
use minijinja::context;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;

use crate::domain::changed;
use crate::domain::compose::Composed;
use crate::domain::compose::View;
use crate::domain::compose::composed;
use crate::domain::event::Event;
use crate::domain::event::Kind;
use crate::domain::language;
use crate::domain::language::Language;
use crate::domain::language::Sources;
use crate::domain::order;
use crate::domain::template::filters::Zone;
use crate::domain::template::values::value_of;
use crate::domain::text::escape_value;
use crate::domain::unreadable;

/// Instructions that one message may take. An order of 500 lines with options and notes takes under 30 000; what takes
/// more than this loops.
const FUEL: u64 = 50_000;

/// A rendered message may not be longer; the widest channel takes 20 000 bytes a part.
const OUTPUT_BYTES: usize = 256 * 1024;

const TOO_LONG: &str = "the message is longer than 256 KiB";

/// The mode in which everything is rendered: values are escaped for Markdown.
const MODE: &str = "markdown";

/// All templates, compiled once; shared by everyone who composes.
pub struct Templates {
    /// By folder.
    languages: BTreeMap<String, Dialect>,
    folders: Vec<String>,
}

/// The templates that readers of one language get.
struct Dialect {
    environment: Environment<'static>,
    words: Arc<Language>,
    /// Folders to look in, best first.
    chain: Vec<String>,
}

/// A template that cannot be used, or that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("templates/{template}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ComposeError {
    /// The path below `templates/`.
    pub template: String,
    /// From 1.
    pub line: Option<usize>,
    /// Bytes of the template's source, where that is known.
    pub span: Option<Range<usize>>,
    pub fault: Fault,
    /// What is wrong; it may quote the template, never a value.
    pub message: String,
}

/// What sort of mistake a template has: whoever mends it needs another hint for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It cannot be read as a template, or as a language file.
    Syntax,
    /// It asks for a value that is not there.
    Undefined,
    UnknownFilter,
    /// It includes or imports a file that is not there.
    UnknownFile,
    /// A filter or an operation does not take this value, or a limit is passed.
    Operation,
}

/// Every template that does not parse, so that all can be mended at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct TemplateErrors(pub Vec<ComposeError>);

impl Templates {
    /// The built-in templates.
    ///
    /// # Errors
    /// When one does not parse; a test holds that they all do.
    pub fn built_in() -> Result<Self, TemplateErrors> {
        Self::with_overlay(&Sources::new())
    }

    /// The built-in templates with the merchant's files before them: paths such as `zh-CN/order.placed.md`. The words of
    /// a merchant's `words.toml` are taken over the built-in ones, one by one.
    ///
    /// # Errors
    /// All templates and language files that do not parse.
    pub fn with_overlay(overlay: &Sources) -> Result<Self, TemplateErrors> {
        let built_in = language::built_in_sources();
        let mut sources = built_in.clone();
        sources.extend(overlay.iter().map(|(path, source)| (path.clone(), source.clone())));
        let folders = language::folders(&sources);
        let mut errors = Vec::new();
        let mut languages = BTreeMap::new();
        for folder in &folders {
            let chain = language::chain(folder, &folders);
            let words = words(folder, &chain, &[&built_in, overlay], &mut errors);
            let words = Arc::new(words);
            let environment = environment(&chain, &sources, &words, &mut errors);
            languages.insert(folder.clone(), Dialect { environment, words, chain });
        }
        errors.sort_by(|a, b| (&a.template, a.line).cmp(&(&b.template, b.line)));
        errors.dedup();
        match errors.is_empty() {
            true => Ok(Self { languages, folders }),
            false => Err(TemplateErrors(errors)),
        }
    }

    /// The same templates, in which asking for an unknown name or word is an error: for `check` and tests.
    pub fn strict(mut self) -> Self {
        for dialect in self.languages.values_mut() {
            dialect.environment.set_undefined_behavior(UndefinedBehavior::Strict);
        }
        self
    }

    /// The languages that there are, one folder each.
    pub fn languages(&self) -> Vec<String> {
        self.folders.clone()
    }

    /// The words and numbers of a language, or of the one that stands in for it.
    pub fn language(&self, language: &str) -> Option<&Language> {
        let folder = language::chain(language, &self.folders).into_iter().next()?;
        self.languages.get(&folder).map(|dialect| dialect.words.as_ref())
    }

    /// A word that a reader of this language gets, by its dotted key.
    pub fn word(&self, language: &str, key: &str) -> Option<&str> {
        self.language(language)?.word(key)
    }

    /// Renders the most specific template for this event, channel and language.
    ///
    /// # Errors
    /// There is none, or it failed. The caller sends [`crate::domain::compose::plain`] instead.
    pub fn compose(&self, view: &View<'_>) -> Result<Composed, ComposeError> {
        let none = || ComposeError {
            template: format!("{}/{}.md", view.language, view.event.kind),
            line: None,
            span: None,
            fault: Fault::UnknownFile,
            message: "there is no template for this kind".to_owned(),
        };
        let folders = language::chain(view.language, &self.folders);
        let dialect = folders.first().and_then(|folder| self.languages.get(folder)).ok_or_else(none)?;
        let path = candidates(&dialect.chain, view).into_iter().find(|path| dialect.has(path)).ok_or_else(none)?;
        let markdown = dialect.render(&path, context(view, Some(&dialect.words)))?;
        Ok(composed(&unreadable::noted(markdown, view.order, view.event, Some(&dialect.words)), view))
    }
}

impl Dialect {
    fn has(&self, path: &str) -> bool {
        self.environment.get_template(path).is_ok()
    }

    fn render(&self, path: &str, context: Value) -> Result<String, ComposeError> {
        let mut output = Capped::default();
        let rendered = self
            .environment
            .get_template(path)
            .and_then(|template| template.render_captured_to(context, &mut output).map(drop));
        match rendered {
            Ok(()) => Ok(String::from_utf8_lossy(&output.0).into_owned()),
            Err(error) => Err(described(path, &error)),
        }
    }
}

/// The paths that may serve, best first: the reader's language counts more than how specific a file is. A template of new
/// orders would tell a change as a new order, so it serves for a change only where no language has one for that.
fn candidates(chain: &[String], view: &View<'_>) -> Vec<String> {
    let kind = &view.event.kind;
    let is_change = *kind == Kind::OrderPlaced && view.event.data.changed.is_some();
    let paths = |name: &str, folder: &String| {
        ["", view.channel_kind, view.channel].map(|ending| match ending {
            "" => format!("{folder}/{name}.md"),
            ending => format!("{folder}/{name}.{ending}.md"),
        })
    };
    let changes = chain.iter().filter(|_| is_change).flat_map(|folder| paths(changed::NAME, folder).into_iter().rev());
    let others = chain.iter().flat_map(|folder| {
        let family = format!("{folder}/{}.md", kind.family());
        paths(&kind.to_string(), folder).into_iter().rev().chain([family])
    });
    changes.chain(others).collect()
}

/// What a template sees. Each name is always there; what is unknown is `none`.
fn context(view: &View<'_>, words: Option<&Language>) -> Value {
    let event = view.event;
    // An event may be shown without the store at hand: then it is all that is known of its order.
    let alone = (view.order.is_none() && event.order.is_some()).then(|| order::absorb(None, event));
    let order = view.order.or(alone.as_ref()).map(|order| unreadable::order_in_words(order, event, words));
    let order = order.as_deref();
    let shop = order.and_then(|order| order.shop.as_ref()).or(event.shop.as_ref());
    context! {
        kind => event.kind.to_string(),
        source => &event.source,
        shop => value_of(&shop),
        order => value_of(&order),
        data => value_of(unreadable::data_in_words(&event.data, words).as_ref()),
        occurred_at => value_of(&event.occurred_at),
        received_at => value_of(&event.received_at),
        language => view.language,
        timezone => Value::from_object(Zone(view.timezone.clone())),
        channel => view.channel,
        channel_kind => view.channel_kind,
        picture => picture(event),
        report => match &event.kind { Kind::Report(name) => Value::from(name.as_str()), _ => Value::from(()) },
    }
}

/// The address of a report's picture, which we have made ourselves and which is therefore no text to be escaped.
fn picture(event: &Event) -> Value {
    let address = event.data.report.as_ref().and_then(|report| report.picture.as_ref());
    let is_plain =
        |address: &&String| address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_~%?&=".contains(&byte));
    match address.filter(is_plain) {
        Some(address) => Value::from_safe_string(address.clone()),
        None => Value::from(()),
    }
}

/// The names that a template could ask for with this event: `order.total`, and for the items of a list `order.lines[].name`.
pub fn names(view: &View<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    note_names(&context(view, None), "", &mut names);
    names
}

fn note_names(value: &Value, path: &str, names: &mut BTreeSet<String>) {
    match value.kind() {
        ValueKind::Map => {
            for key in value.try_iter().into_iter().flatten() {
                let inner = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                let found = value.get_item(&key).unwrap_or_default();
                names.insert(inner.clone());
                note_names(&found, &inner, names);
            }
        }
        ValueKind::Seq => {
            for item in value.try_iter().into_iter().flatten() {
                note_names(&item, &format!("{path}[]"), names);
            }
        }
        _ => {}
    }
}

fn words(folder: &str, chain: &[String], layers: &[&Sources], errors: &mut Vec<ComposeError>) -> Language {
    let mut words = Language::new(folder);
    for fallback in chain.iter().rev() {
        let template = format!("{fallback}/{}", language::WORDS);
        for source in layers.iter().filter_map(|layer| layer.get(&template)) {
            if let Err(error) = words.read(source) {
                let (template, message) = (template.clone(), error.to_string());
                let (line, span, fault) = (error.line, error.span, Fault::Syntax);
                errors.push(ComposeError { template, line, span, fault, message });
            }
        }
    }
    words
}

fn environment(
    chain: &[String],
    sources: &Sources,
    words: &Arc<Language>,
    errors: &mut Vec<ComposeError>,
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
    environment.set_formatter(print_value);
    let mut served = Vec::new();
    for (path, source) in sources {
        let Some((folder, _)) = path.split_once('/') else { continue };
        if !path.ends_with(".md") || !chain.iter().any(|known| known == folder) {
            continue;
        }
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

/// Prints a value: escaped, on one line; nothing when it is unknown.
fn print_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
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
        ValueKind::String => out.write_str(&escape_value(value.as_str().unwrap_or_default())).map_err(Into::into),
        _ => out.write_str(&escape_value(&value.to_string())).map_err(Into::into),
    }
}

/// An error with its place. What a value says is never in it: the engine's texts name types and the template's own words.
fn described(path: &str, error: &minijinja::Error) -> ComposeError {
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
            ErrorKind::SyntaxError => Fault::Syntax,
            ErrorKind::UndefinedError => Fault::Undefined,
            ErrorKind::UnknownFilter => Fault::UnknownFilter,
            ErrorKind::TemplateNotFound | ErrorKind::BadInclude => Fault::UnknownFile,
            _ => Fault::Operation,
        },
        message,
    }
}

/// Takes so much and no more.
#[derive(Default)]
struct Capped(Vec<u8>);

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
