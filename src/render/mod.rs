//! A merchant's own templates, parsed and rendered in a process of their own: whatever they do there, they do no harm here.
//!
//! The process is this program again, with a hidden command. It gets the templates and the values of one message, no secret
//! and no environment, and limits of memory, time and stack. It is started when a template is needed, kept while it is used,
//! and ended when it has been idle for a minute. Built-in templates need none of this.

#![expect(
    clippy::disallowed_methods,
    reason = "how long another process has taken, which only the machine's clock can say"
)]

mod limits;
mod pool;
mod protocol;
pub mod serve;
mod worker;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::domain::language::folders::Sources;
use crate::domain::template::Templates;
use crate::domain::template::fault::{ComposeError, TemplateErrors, TemplateFault};
pub use crate::render::pool::Pool;
pub use crate::render::pool::PoolLimits;

/// So many templates that end the process are found out in one go; each takes up to its limit of time.
const MOST_DEADLY: usize = 16;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Where a merchant's templates are parsed and rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// In processes of this program.
    Process(PathBuf),
    /// Here, for templates that one trusts: those of a test.
    #[default]
    Off,
}

impl Isolation {
    /// By this program, where it has said that it has the hidden command.
    pub fn of_this_program() -> Self {
        PROGRAM.get().cloned().map_or(Self::Off, Self::Process)
    }
}

/// Says that the running program has the hidden command, so that it renders by itself.
pub fn this_program_has_the_command() {
    // The program that runs, also when an upgrade has put another in its place.
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() { running } else { std::env::current_exe().unwrap_or(running) };
    let _ = PROGRAM.set(program);
}

/// The templates of a merchant whose files are known to parse. Nothing is started before a template is needed.
///
/// # Errors
/// As [`Templates::apart`].
pub fn templates(overlay: &Sources, isolation: &Isolation) -> Result<Templates, TemplateErrors> {
    templates_within(overlay, isolation, PoolLimits::default())
}

/// As [`templates`], within other limits.
///
/// # Errors
/// As [`templates`].
pub fn templates_within(
    overlay: &Sources,
    isolation: &Isolation,
    limits: PoolLimits,
) -> Result<Templates, TemplateErrors> {
    match isolation {
        Isolation::Process(program) if has_templates(overlay) => {
            Templates::apart(overlay, Arc::new(Pool::new(program.clone(), overlay.clone(), limits)))
        }
        _ => Templates::with_overlay(overlay),
    }
}

/// The templates of a merchant, parsed once to see whether they can be.
///
/// # Errors
/// All files that do not parse, or that would end whoever parses them; or that none can be parsed now
/// ([`TemplateFault::Unavailable`]).
pub fn parsed(overlay: &Sources, isolation: &Isolation) -> Result<Templates, TemplateErrors> {
    let Isolation::Process(program) = isolation else { return Templates::with_overlay(overlay) };
    if !has_templates(overlay) {
        return Templates::with_overlay(overlay);
    }
    let mut errors: Vec<ComposeError> = Vec::new();
    let mut left = overlay.clone();
    for round in 1.. {
        let pool = Pool::new(program.clone(), left.clone(), PoolLimits::default());
        let found = pool.load();
        let deadly =
            found.iter().find(|error| error.fault == TemplateFault::Exhausted).map(|error| error.template.clone());
        errors.extend(found);
        match deadly {
            Some(path) if left.remove(&path).is_some() && round < MOST_DEADLY => {}
            _ if errors.is_empty() => return Templates::apart(overlay, Arc::new(pool)),
            _ => break,
        }
    }
    errors.sort_by(|a, b| (&a.template, a.line).cmp(&(&b.template, b.line)));
    errors.dedup();
    Err(TemplateErrors(errors))
}

/// What bounds the trial of a template while somebody waits for it.
const TRIAL: PoolLimits = PoolLimits {
    processes: 1,
    strikes: 1,
    render: Duration::from_secs(8),
    template: Some(Duration::from_secs(12)),
    load: Duration::from_secs(15),
    wait: Duration::from_secs(1),
    idle: Duration::from_secs(5),
};

/// As [`parsed`], to render a message or two of them while somebody waits: within shorter limits, and in a process that ends
/// when the templates are dropped.
///
/// # Errors
/// As [`parsed`], but of files that end the process only the first.
pub fn trial(overlay: &Sources, isolation: &Isolation) -> Result<Templates, TemplateErrors> {
    match isolation {
        Isolation::Process(program) if has_templates(overlay) => {
            let pool = Pool::new(program.clone(), overlay.clone(), TRIAL);
            let errors = pool.load();
            if errors.is_empty() { Templates::apart(overlay, Arc::new(pool)) } else { Err(TemplateErrors(errors)) }
        }
        _ => Templates::with_overlay(overlay),
    }
}

/// Without any, what is the merchant's are words alone, which are read and used within bounds.
fn has_templates(overlay: &Sources) -> bool {
    overlay.keys().any(|path| path.ends_with(".md"))
}
