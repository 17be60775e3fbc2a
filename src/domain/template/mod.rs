//! Templates: which file serves which message, and how it is rendered so that no value can become markup.

mod context;
pub mod digest;
mod engine;
pub mod fault;
pub mod filters;
pub mod isolated;
pub mod pages;
pub mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use minijinja::{Environment, UndefinedBehavior, Value};
use sha2::{Digest, Sha256};

use crate::domain::compose::{Composed, composed};
use crate::domain::event::Kind;
use crate::domain::language::folders::Sources;
use crate::domain::language::{Language, folders};
use crate::domain::message_context::MessageContext;
use crate::domain::template::context::SeenContext;
pub use crate::domain::template::context::names;
use crate::domain::template::engine::Capped;
use crate::domain::template::fault::{ComposeError, TemplateErrors, TemplateFault};
use crate::domain::template::isolated::{IsolatedRenderer, RenderJob, Wire};
use crate::domain::{changed, unreadable};

/// All templates, those of each language compiled once, when the first reader of it gets a message. Cloning shares them.
#[derive(Clone)]
pub struct Templates {
    compiled: Arc<Compiled>,
    /// Asking for an unknown name is an error.
    strict: bool,
    /// Who renders what may be the merchant's; this process where absent.
    apart: Option<Arc<dyn IsolatedRenderer>>,
}

struct Compiled {
    /// By folder.
    languages: BTreeMap<String, OnceLock<Dialect>>,
    folders: Vec<String>,
    /// The merchant's files.
    overlay: Sources,
    /// Changes with the merchant's files.
    version: String,
}

/// The templates that readers of one language get.
struct Dialect {
    folder: String,
    environment: Environment<'static>,
    /// Templates that are rendered apart, and are not in the environment.
    apart: BTreeSet<String>,
    words: Arc<Language>,
    /// Folders to look in, best first.
    chain: Vec<String>,
}

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
        Self::with_overlay_watched(overlay, &mut |_| {})
    }

    /// As [`Templates::with_overlay`]; `reading` is called with each of the merchant's files before it is parsed.
    ///
    /// # Errors
    /// As [`Templates::with_overlay`].
    pub fn with_overlay_watched(overlay: &Sources, reading: &mut dyn FnMut(&str)) -> Result<Self, TemplateErrors> {
        Self::compile(overlay, None, reading)
    }

    /// As [`Templates::with_overlay`], but nothing of the merchant's is parsed or rendered in this process, except the words
    /// of a language: `apart` does that, for every template that brings something of the merchant's in.
    ///
    /// # Errors
    /// Language files that do not parse. Templates that do not are reported when they are rendered.
    pub fn apart(overlay: &Sources, apart: Arc<dyn IsolatedRenderer>) -> Result<Self, TemplateErrors> {
        Self::compile(overlay, Some(apart), &mut |_| {})
    }

    fn compile(
        overlay: &Sources,
        apart: Option<Arc<dyn IsolatedRenderer>>,
        reading: &mut dyn FnMut(&str),
    ) -> Result<Self, TemplateErrors> {
        let folders = folders::all(overlay);
        let (mut errors, mut languages) = (Vec::new(), BTreeMap::new());
        // A merchant's files are read now, so that each mistake is known; a language of ours may wait for its first reader.
        for folder in folders::folders(overlay) {
            let dialect = Dialect::read(&folder, &folders, overlay, apart.is_some(), &mut errors, reading);
            languages.insert(folder, OnceLock::from(dialect));
        }
        for folder in &folders {
            languages.entry(folder.clone()).or_default();
        }
        errors.sort_by(|a, b| (&a.template, a.line).cmp(&(&b.template, b.line)));
        errors.dedup();
        let (version, overlay) = (version(overlay), overlay.clone());
        let compiled = || Arc::new(Compiled { languages, folders, overlay, version });
        match errors.is_empty() {
            true => Ok(Self { compiled: compiled(), strict: false, apart }),
            false => Err(TemplateErrors(errors)),
        }
    }

    /// The built-in templates, shared, for whoever cannot use the merchant's.
    pub fn ours() -> Option<&'static Self> {
        static OURS: LazyLock<Option<Templates>> = LazyLock::new(|| Templates::built_in().ok());
        OURS.as_ref()
    }

    /// The same templates, rendered by someone else where they are rendered apart.
    pub fn rendered_by(&self, wrap: impl FnOnce(Arc<dyn IsolatedRenderer>) -> Arc<dyn IsolatedRenderer>) -> Self {
        Self { apart: self.apart.clone().map(wrap), ..self.clone() }
    }

    /// Whether some of them are rendered apart, which takes its time.
    pub fn are_apart(&self) -> bool {
        self.apart.is_some()
    }

    /// Changes with the merchant's files.
    pub fn version(&self) -> &str {
        &self.compiled.version
    }

    /// The merchant's files.
    pub fn overlay(&self) -> &Sources {
        &self.compiled.overlay
    }

    /// The same templates, in which asking for an unknown name or word is an error: for `check` and tests.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// The languages that there are, one folder each.
    pub fn languages(&self) -> Vec<String> {
        self.compiled.folders.clone()
    }

    /// The words and numbers of a language, or of the one that stands in for it.
    pub fn language(&self, language: &str) -> Option<&Language> {
        self.dialect(language).map(|dialect| dialect.words.as_ref())
    }

    /// The templates of a language, or of the one that stands in for it.
    fn dialect(&self, language: &str) -> Option<&Dialect> {
        let Compiled { languages, folders, overlay, .. } = self.compiled.as_ref();
        let folder = folders::serving(language, folders)?;
        let read = || Dialect::read(folder, folders, overlay, self.apart.is_some(), &mut Vec::new(), &mut |_| {});
        Some(languages.get(folder)?.get_or_init(read))
    }

    /// A word that a reader of this language gets, by its dotted key.
    pub fn word(&self, language: &str, key: &str) -> Option<&str> {
        self.language(language)?.word(key)
    }

    /// Renders the most specific template for this event, channel and language.
    ///
    /// # Errors
    /// There is none, or it failed. The caller sends [`crate::domain::compose::plain`] instead.
    pub fn compose(&self, view: &MessageContext<'_>) -> Result<Composed, ComposeError> {
        self.compose_by(&self.choose(view)?, view).map(|(composed, _)| composed)
    }

    /// The most specific template for this event, channel and language.
    ///
    /// # Errors
    /// There is none.
    pub fn choose(&self, view: &MessageContext<'_>) -> Result<ChosenTemplate<'_>, ComposeError> {
        let none = || ComposeError {
            template: format!("{}/{}.md", view.language, view.event.kind),
            line: None,
            span: None,
            fault: TemplateFault::UnknownFile,
            message: "there is no template for this kind".to_owned(),
        };
        let dialect = self.dialect(view.language).ok_or_else(none)?;
        let kind = &view.event.kind;
        let is_change = *kind == Kind::OrderPlaced && view.event.data.changed.is_some();
        let receiver = [view.channel_kind, view.channel];
        let paths = candidates(&dialect.chain, kind, is_change, receiver);
        let path = paths.into_iter().find(|path| dialect.has(path)).ok_or_else(none)?;
        let is_apart = self.apart.is_some() && dialect.apart.contains(&path);
        Ok(ChosenTemplate { dialect, path, is_apart })
    }

    /// Renders the template that was chosen. Answers also who gets the same of it.
    ///
    /// # Errors
    /// It failed.
    pub fn compose_by(
        &self,
        ChosenTemplate { dialect, path, is_apart }: &ChosenTemplate<'_>,
        view: &MessageContext<'_>,
    ) -> Result<(Composed, Audience), ComposeError> {
        let seen = Arc::new(SeenContext::new(context::context(view, Some(&dialect.words))));
        let markdown = self.render(dialect, path, view.channel, Value::from_dyn_object(seen.clone()))?;
        let audience = if *is_apart || seen.is_channel_asked() { Audience::Channel } else { Audience::Everyone };
        Ok((composed(&unreadable::noted(markdown, view.order, view.event, Some(&dialect.words)), view), audience))
    }

    /// Renders a template for a channel, here or apart.
    fn render(&self, dialect: &Dialect, path: &str, channel: &str, values: Value) -> Result<String, ComposeError> {
        match &self.apart {
            Some(apart) if dialect.apart.contains(path) => apart.render(&RenderJob {
                strict: self.strict,
                folder: dialect.folder.clone(),
                path: path.to_owned(),
                channel: channel.to_owned(),
                values: Wire::from(&values),
            }),
            _ => dialect.render(path, values, self.strict),
        }
    }

    /// Renders in this process what another one asks for.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub fn perform(&self, job: &RenderJob) -> Result<String, ComposeError> {
        let missing = || engine::nothing(&job.path);
        let dialect = self.dialect(&job.folder).ok_or_else(missing)?;
        dialect.render(&job.path, Value::from(&job.values), job.strict)
    }
}

/// The template that serves a message.
pub struct ChosenTemplate<'a> {
    dialect: &'a Dialect,
    path: String,
    is_apart: bool,
}

impl ChosenTemplate<'_> {
    /// In which folder and file it stands.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is rendered apart, which takes its time.
    pub fn is_apart(&self) -> bool {
        self.is_apart
    }
}

/// Who gets the same message of a template, if the event, the language and the time zone are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// It may say which channel it is for.
    Channel,
    Everyone,
}

impl Dialect {
    /// Reads what a language finds in its folders. What is `apart` is not parsed here, except words.
    fn read(
        folder: &str,
        folders: &[String],
        overlay: &Sources,
        apart: bool,
        errors: &mut Vec<ComposeError>,
        reading: &mut dyn FnMut(&str),
    ) -> Self {
        let chain = folders::chain(folder, folders, overlay);
        let built_in = folders::built_in_sources(&chain);
        let mut watched = |path: &str| {
            if overlay.contains_key(path) {
                reading(path)
            }
        };
        let words = Arc::new(engine::words(folder, &chain, &[&built_in, overlay], errors, &mut watched));
        let foreign = if apart { isolated::reaching(&chain, &built_in, overlay) } else { BTreeSet::new() };
        let read = |path: &str| !foreign.contains(path);
        let mut sources = built_in.clone();
        sources.extend(overlay.iter().map(|(path, source)| (path.clone(), source.clone())));
        let environment = engine::environment(&chain, &sources, &words, read, errors, &mut watched);
        Self { folder: folder.to_owned(), environment, apart: foreign, words, chain }
    }

    fn has(&self, path: &str) -> bool {
        self.apart.contains(path) || self.environment.get_template(path).is_ok()
    }

    fn render(&self, path: &str, values: Value, strict: bool) -> Result<String, ComposeError> {
        let mut stricter;
        let environment = match strict {
            true => {
                stricter = self.environment.clone();
                stricter.set_undefined_behavior(UndefinedBehavior::Strict);
                &stricter
            }
            false => &self.environment,
        };
        let mut output = Capped::default();
        let rendered = environment
            .get_template(path)
            .and_then(|template| template.render_captured_to(values, &mut output).map(drop));
        match rendered {
            Ok(()) => Ok(output.into_text()),
            Err(error) => Err(engine::described(path, &error)),
        }
    }
}

/// The paths that may serve, best first: the reader's language counts more than how specific a file is. A template of new
/// orders would tell a change as a new order, so it serves for a change only where no language has one for that.
pub fn candidates(chain: &[String], kind: &Kind, is_change: bool, [channel_kind, channel]: [&str; 2]) -> Vec<String> {
    let paths = |name: &str, folder: &String| {
        ["", channel_kind, channel].map(|ending| match ending {
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

/// A name of the merchant's files as they are, and of the built-in ones.
fn version(overlay: &Sources) -> String {
    let mut digest = Sha256::new();
    digest.update(env!("CARGO_PKG_VERSION"));
    for part in overlay.iter().flat_map(|(path, source)| [path, source]) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex::encode(&digest.finalize()[..8])
}
