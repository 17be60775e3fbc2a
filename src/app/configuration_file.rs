//! The file of the configuration as it is shown to people: what is in force of it, and what it says on disk.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config;
use crate::config::configured::Config;
use crate::config::context::{Depth, LoadContext, SecretReading};
use crate::config::listeners::Server;
use crate::config::shown;
use crate::config::store::StoreConfig;
use crate::diagnostic;
use crate::diagnostic::{Diagnostic, Severity};
use crate::domain::secret::Secret;
use crate::flow::Current;
use crate::flow::configuration_file::{
    ConfigurationFile, FileExamination, FileProblem, FileSeverity, PendingKey, ShownConfiguration,
};

/// So many problems are shown.
const PROBLEMS: usize = 100;
/// And so many bytes of each.
const PROBLEM_BYTES: usize = 8 * 1024;
/// So many bytes of the configuration are shown.
const TEXT_BYTES: usize = 512 * 1024;

/// What only a restart can change, as it is in force.
#[derive(Clone)]
pub struct FixedSettings {
    pub server: Server,
    /// Absent where nothing listens for it.
    pub admin: Option<SocketAddr>,
    pub store: StoreConfig,
}

impl FixedSettings {
    /// What a configuration says otherwise.
    pub fn pending(&self, config: &Config) -> Vec<PendingKey> {
        let days = |store: &StoreConfig| format!("{} h", store.keep.as_hours());
        let admin = |listen: Option<SocketAddr>| listen.map_or("none".to_owned(), |listen| listen.to_string());
        let new_admin = config.admin.as_ref().map(|admin| admin.listen);
        let keys = [
            ("server.listen", self.server.listen.to_string(), config.server.listen.to_string()),
            ("server.max_body", self.server.max_body_bytes.to_string(), config.server.max_body_bytes.to_string()),
            ("admin.listen", admin(self.admin), admin(new_admin)),
            ("store.url", self.store.url.to_string(), config.store.url.to_string()),
            ("store.keep", days(&self.store), days(&config.store)),
        ];
        let keys = keys.into_iter().filter(|(_, in_force, in_file)| in_force != in_file);
        keys.map(|(key, in_force, in_file)| PendingKey { key, in_force, in_file }).collect()
    }
}

/// The file, and what is in force of it. Cloning shares it.
#[derive(Clone)]
pub struct FileOnDisk {
    /// Absent where no file is read while the daemon runs.
    file: Option<PathBuf>,
    fixed: FixedSettings,
    /// The text that is in force.
    text: Current<Secret>,
    shown: Current<ShownConfiguration>,
}

impl FileOnDisk {
    pub fn new(file: Option<&Path>, fixed: FixedSettings, text: &Secret, now: Timestamp) -> Self {
        let shown = shown_configuration(file, &fixed, text, now);
        let (text, shown) = (Current::new(text.clone()), Current::new(shown));
        Self { file: file.map(Path::to_owned), fixed, text, shown }
    }

    /// Another text has come in force.
    pub fn replace(&self, text: &Secret, now: Timestamp) {
        self.shown.replace(shown_configuration(self.file.as_deref(), &self.fixed, text, now));
        self.text.replace(text.clone());
    }
}

impl ConfigurationFile for FileOnDisk {
    fn in_force(&self) -> Arc<ShownConfiguration> {
        self.shown.get()
    }

    fn examine(&self) -> Option<FileExamination> {
        let file = self.file.as_deref()?;
        let written_at = fs::metadata(file).and_then(|data| data.modified()).ok();
        let examined = FileExamination {
            file: file.display().to_string(),
            problems: Vec::new(),
            left_out: 0,
            starts: false,
            is_in_force: false,
            written_at: written_at.and_then(|at| Timestamp::try_from(at).ok()),
            pending: Vec::new(),
        };
        let text = match config::text_of(file) {
            Ok(text) => text,
            Err(problems) => return Some(with_problems(examined, &problems)),
        };
        let read = config::examine_text(&text, &LoadContext::of(file, SecretReading::Read));
        let config = config::usable(&text, file, Depth::Start);
        let pending = config.map(|read| self.fixed.pending(&read.config)).unwrap_or_default();
        let is_in_force = text == self.text.get().expose();
        let examined = FileExamination { starts: read.starts, is_in_force, pending, ..examined };
        Some(with_problems(examined, &read.problems))
    }
}

fn with_problems(examined: FileExamination, problems: &[Diagnostic]) -> FileExamination {
    let shown = problems.iter().take(PROBLEMS).map(|problem| FileProblem {
        severity: match problem.severity {
            Severity::Error => FileSeverity::Error,
            Severity::Warning => FileSeverity::Warning,
            Severity::Note => FileSeverity::Note,
        },
        text: cut(diagnostic::render_one(problem), PROBLEM_BYTES),
    });
    FileExamination { problems: shown.collect(), left_out: problems.len().saturating_sub(PROBLEMS), ..examined }
}

fn shown_configuration(
    file: Option<&Path>,
    fixed: &FixedSettings,
    text: &Secret,
    since: Timestamp,
) -> ShownConfiguration {
    let context = LoadContext::of(file.unwrap_or(Path::new("orderbell.toml")), SecretReading::Placeholders);
    let text = cut(shown::shown(text.expose(), &context).unwrap_or_default(), TEXT_BYTES);
    let (store, store_place) = (fixed.store.url.database(), fixed.store.url.to_string());
    ShownConfiguration { text, since, store, store_place }
}

/// No more than so many bytes.
fn cut(text: String, most: usize) -> String {
    match text.len() {
        length if length <= most => text,
        _ => format!("{}…", &text[..text.floor_char_boundary(most)]),
    }
}
