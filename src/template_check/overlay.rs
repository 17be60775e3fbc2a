//! The merchant's templates: read, compiled, and their names held against the kinds, channels and languages that there are.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::diagnostic;
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::encoding;
use crate::diagnostic::{Diagnostic, Severity, suggest};
use crate::domain::changed;
use crate::domain::event::Kind;
use crate::domain::language::folders;
use crate::domain::language::folders::{Sources, built_in_folders};
use crate::domain::settings::InvalidValue;
use crate::domain::template::Templates;
use crate::domain::template::fault::{ComposeError, TemplateErrors, TemplateFault};
use crate::render;
use crate::render::{Isolation, PoolLimits};
use crate::template_check::folder::{FolderContent, FolderError};
use crate::template_check::{folder, words};

/// All samples of one template take less than this on the slowest machine, unless it is at fault.
const TRIAL: Duration = Duration::from_secs(60);

/// The folder as far as it could be read; empty where there is none.
#[derive(Default)]
pub struct Overlay {
    /// As it is shown in problems.
    path: PathBuf,
    content: FolderContent,
    /// Those that could not be compiled.
    broken: Vec<String>,
    /// Whether it cannot be known which those are.
    is_unavailable: bool,
}

impl Overlay {
    /// Reads the folder that is configured; what stops that is reported at its place in the configuration.
    pub fn read(path: Option<&Path>, at: Range<usize>, problems: &Diagnostics<'_>) -> Self {
        let Some(path) = path.filter(|_| !problems.is_broken()) else { return Self::default() };
        let content = folder::content(path);
        let content =
            content.unwrap_or_else(|error| FolderContent { unusable: vec![error], ..FolderContent::default() });
        for error in &content.unusable {
            let help = match error {
                FolderError::Encoding { .. } => encoding::HELP,
                _ => "templates lie in a folder for each language: templates/en/order.placed.md",
            };
            problems.without_words(at.clone(), error.to_string(), help);
        }
        Self { path: path.to_owned(), content, ..Self::default() }
    }

    /// Whether everything in it could be read.
    pub fn is_whole(&self) -> bool {
        self.content.unusable.is_empty()
    }

    /// The files by language and name.
    pub fn files(&self) -> &Sources {
        &self.content.sources
    }

    /// The files that can be used; a built-in one stands in for each other.
    pub fn into_files(mut self) -> Sources {
        self.content.sources.retain(|path, _| !self.broken.contains(path));
        self.content.sources
    }

    /// The built-in languages and those of this folder.
    pub fn languages(&self, built_in: &[&str]) -> Vec<String> {
        let mut languages: Vec<String> = built_in.iter().map(|&language| language.to_owned()).collect();
        languages.extend(folders::folders(&self.content.sources));
        languages.sort();
        languages.dedup();
        languages
    }

    /// Compiles the templates; those that cannot be are reported, and built-in ones stand in for them.
    pub fn compile(&mut self, problems: &Diagnostics<'_>) {
        if self.content.sources.is_empty() {
            return;
        }
        let Err(TemplateErrors(errors)) = render::parsed(&self.content.sources, &Isolation::of_this_program()) else {
            return;
        };
        let (unavailable, errors): (Vec<_>, Vec<_>) =
            errors.into_iter().partition(|error| error.fault == TemplateFault::Unavailable);
        if let Some(error) = unavailable.into_iter().next() {
            let help = "messages go out by the built-in templates meanwhile";
            let folder = self.path.display().to_string();
            let said = InvalidValue::new(error.message, help);
            problems.elsewhere(vec![diagnostic::in_file(Severity::Warning, folder, None, said)]);
            self.is_unavailable = true;
        }
        let problem = |error: &ComposeError| {
            let (message, help) = match error.message.split_once("; ") {
                Some((message, help)) if error.fault == TemplateFault::Exhausted => (message.to_owned(), help),
                _ if error.template.rsplit('/').next().is_some_and(folders::holds_words) => (
                    words::in_words(&error.message),
                    "a language file is TOML: [kind], and under it \"order.placed\" = \"New order\"",
                ),
                _ => (words::in_words(&error.message), words::syntax_help(&error.message)),
            };
            self.problem(Severity::Error, error, message, help.to_owned())
        };
        problems.elsewhere(errors.iter().map(problem).collect::<Vec<_>>());
        self.broken = errors.into_iter().map(|error| error.template).collect();
    }

    /// The templates as far as they can be compiled; none where that cannot be known.
    pub fn working(&self) -> Option<Templates> {
        if self.is_unavailable {
            return None;
        }
        let mut sources = self.content.sources.clone();
        sources.retain(|path, _| !self.broken.contains(path));
        // A template that was stopped once has shown what it does.
        let limits = PoolLimits { strikes: 1, template: Some(TRIAL), ..PoolLimits::default() };
        render::templates_within(&sources, &Isolation::of_this_program(), limits).ok()
    }

    /// Where a file or a folder of it is, as it is shown in problems.
    pub fn place(&self, path: &str) -> String {
        self.path.join(path).display().to_string()
    }

    /// A problem of one template, with its line where that is known.
    pub fn problem(&self, severity: Severity, error: &ComposeError, message: String, help: String) -> Diagnostic {
        let own = self.content.sources.get(&error.template);
        let built_in = || folders::built_in_source(&error.template).map(Cow::into_owned);
        let (file, text) = match own {
            Some(text) => (self.place(&error.template), Some(text.clone())),
            None => (format!("{} (built in)", error.template), built_in()),
        };
        let at = text.as_deref().and_then(|text| {
            let line = |line: usize| {
                let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
                start..start + text[start..].lines().next().unwrap_or_default().len()
            };
            let span = error.span.clone().filter(|span| text.get(span.clone()).is_some_and(|inner| !inner.is_empty()));
            Some((text, span.or_else(|| error.line.map(line))?))
        });
        diagnostic::in_file(severity, file, at, InvalidValue::new(message, help))
    }

    /// A template that parses and fails with an event of this kind. `names` are those that templates can ask for.
    pub fn failure(&self, severity: Severity, error: &ComposeError, kind: &Kind, names: &[&str]) -> Diagnostic {
        let source = self.content.sources.get(&error.template).map(String::as_str);
        let said = words::explain(error, source, names);
        let consequence = match severity {
            Severity::Error => format!("{kind} would go out in its plain form: {}", said.message),
            Severity::Warning | Severity::Note => format!("{kind} goes out, but {}", said.message),
        };
        self.problem(severity, error, consequence, said.help)
    }

    /// A warning about a file as a whole.
    pub fn warning(&self, path: &str, said: InvalidValue) -> Diagnostic {
        diagnostic::in_file(Severity::Warning, self.path.join(path).display().to_string(), None, said)
    }

    /// Warns of files that no message will ever be made from. `endings` are the names of channels and of their kinds,
    /// `used` the languages of the channels.
    pub fn unused(&self, endings: &[&str], reports: &[String], used: &[&str]) -> Vec<Diagnostic> {
        let warning = |path: &str, said| self.warning(path, said);
        let mut problems = Vec::new();
        let is_note = |path: &str| path.to_uppercase().starts_with("README");
        for path in self.content.ignored.iter().filter(|path| !is_note(path)) {
            let help = "a template lies in a language's folder and ends in .md: en/order.placed.md";
            problems.push(warning(path, InvalidValue::new("this is no template, and is not read", help)));
        }
        let languages = folders::folders(&self.content.sources);
        let mut said = Vec::new();
        for path in self.content.sources.keys() {
            let Some((folder, file)) = path.split_once('/') else { continue };
            let is_language = languages.iter().any(|language| language == folder);
            if folders::is_built_in(path) {
                continue;
            }
            if !is_language || !is_read(folder, &self.content.sources, used) {
                if !said.contains(&folder) {
                    said.push(folder);
                    let mut known: Vec<&str> = built_in_folders().iter().map(String::as_str).collect();
                    known.extend(used.iter().filter(|language| !is_built_in_language(language)));
                    let help = suggest::language(folder, &known);
                    let message = format!("no channel's language is \"{folder}\": this folder is never used");
                    problems.push(warning(folder, InvalidValue::new(message, help)));
                }
                continue;
            }
            if let Some(invalid) = misnamed(file, endings, reports) {
                problems.push(warning(path, invalid));
            }
        }
        problems
    }
}

/// Whether someone whose language is one of `used` ever gets a template of this folder.
fn is_read(folder: &str, sources: &Sources, used: &[&str]) -> bool {
    let all = folders::all(sources);
    let reads = |language: &&str| folders::chain(language, &all, sources).iter().any(|read| read == folder);
    is_built_in_language(folder) || used.iter().any(reads)
}

fn is_built_in_language(folder: &str) -> bool {
    built_in_folders().iter().any(|known| known == folder)
}

/// What is wrong with the name of a file in a language's folder.
fn misnamed(file: &str, endings: &[&str], reports: &[String]) -> Option<InvalidValue> {
    if file.starts_with('_') || folders::holds_words(file) {
        return None;
    }
    let Some(name) = file.strip_suffix(".md") else {
        let help = "a template ends in .md, such as order.placed.md; the words of a language are in words.toml";
        return Some(InvalidValue::new("this is no template, and is not read", help));
    };
    let reports = reports.iter().map(|name| Kind::Report(name.clone()));
    let kinds: Vec<Kind> = Kind::ALL.iter().cloned().chain(reports).collect();
    let texts: Vec<String> = kinds.iter().map(Kind::to_string).chain([changed::NAME.to_owned()]).collect();
    let families: Vec<String> = kinds.iter().map(Kind::family).chain(["report".to_owned()]).collect();
    if texts.iter().chain(&families).any(|known| known == name) {
        return None;
    }
    // The longest kind counts: a report may have a dot in its name.
    let kind = texts.iter().filter(|kind| name.starts_with(&format!("{kind}."))).max_by_key(|kind| kind.len());
    let Some(kind) = kind else {
        let mut known: Vec<&str> = texts.iter().map(String::as_str).collect();
        // order.plaecd.kitchen: the mistake is in the kind.
        let (start, end) = endings
            .iter()
            .filter_map(|ending| Some((name.strip_suffix(ending)?.strip_suffix('.')?, format!(".{ending}"))))
            .next()
            .unwrap_or((name, String::new()));
        known.extend(families.iter().map(String::as_str));
        let help = match suggest::nearest(start, &known) {
            Some(near) => format!("did you mean \"{near}{end}.md\"?"),
            None => format!("kinds are: {}", texts.join(", ")),
        };
        return Some(InvalidValue::new(format!("no event is of the kind \"{start}\": this file is never used"), help));
    };
    let ending = &name[kind.len() + 1..];
    if endings.contains(&ending) {
        return None;
    }
    let help = match suggest::nearest(ending, endings) {
        Some(near) => format!("did you mean \"{kind}.{near}.md\"?"),
        None => format!("channels and their kinds are: {}", endings.join(", ")),
    };
    Some(InvalidValue::new(
        format!("there is no channel \"{ending}\", nor a kind of them: this file is never used"),
        help,
    ))
}
