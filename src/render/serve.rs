//! The process that renders: it takes jobs on standard input and answers on standard output, until that ends.

use std::io;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::domain::compose;
use crate::domain::language::folders::Sources;
use crate::domain::template::Templates;
use crate::domain::template::fault::{ComposeError, TemplateErrors, TemplateFault};
use crate::domain::template::isolated::RenderJob;
use crate::render::protocol::{RenderAnswer, RenderRequest};
use crate::render::{limits, protocol};

/// The hidden command of the process that renders.
pub const COMMAND: &str = "render-worker";

/// Binds this process, and serves.
///
/// # Errors
/// It cannot be bound, or the other side is no daemon.
pub fn run() -> io::Result<()> {
    // What a panic would say is answered instead; what is left on standard error is why this process ends.
    std::panic::set_hook(Box::new(|_| {}));
    limits::bind()?;
    let serving = std::thread::Builder::new().stack_size(limits::STACK_BYTES).spawn(serve)?;
    serving.join().unwrap_or_else(|_| Err(io::Error::other("it met an internal error")))
}

fn serve() -> io::Result<()> {
    let (mut input, mut output) = (BufReader::new(io::stdin().lock()), io::stdout().lock());
    protocol::write(&mut output, &RenderAnswer::Ready)?;
    let mut templates: Option<Templates> = None;
    while let Some(request) = protocol::read(&mut input)? {
        limits::begin()?;
        let answer = match request {
            RenderRequest::Load(overlay) => {
                let loaded = load(&overlay, &mut |path| {
                    let _ = limits::begin();
                    let _ = protocol::write(&mut output, &RenderAnswer::Reading(path.to_owned()));
                });
                match loaded {
                    Ok(loaded) => {
                        templates = Some(loaded);
                        RenderAnswer::Loaded(Vec::new())
                    }
                    Err(TemplateErrors(errors)) => RenderAnswer::Loaded(errors),
                }
            }
            RenderRequest::Render(job) => RenderAnswer::Rendered(render(templates.as_ref(), &job)),
        };
        protocol::write(&mut output, &answer)?;
    }
    Ok(())
}

fn load(overlay: &Sources, reading: &mut dyn FnMut(&str)) -> Result<Templates, TemplateErrors> {
    let mut last = String::new();
    let mut noting = |path: &str| {
        path.clone_into(&mut last);
        reading(path);
    };
    let loaded = catch_unwind(AssertUnwindSafe(|| Templates::with_overlay_watched(overlay, &mut noting)));
    loaded.unwrap_or_else(|_| Err(TemplateErrors(vec![panicked(&last)])))
}

fn render(templates: Option<&Templates>, job: &RenderJob) -> Result<String, ComposeError> {
    let templates = templates.ok_or_else(|| panicked(&job.path))?;
    let rendered = catch_unwind(AssertUnwindSafe(|| {
        let markdown = templates.perform(job)?;
        // Whoever asks reads it next, and must not be the first to do so.
        drop(compose::document(&markdown));
        Ok(markdown)
    }));
    rendered.unwrap_or_else(|_| Err(panicked(&job.path)))
}

fn panicked(path: &str) -> ComposeError {
    ComposeError {
        template: path.to_owned(),
        line: None,
        span: None,
        fault: TemplateFault::Operation,
        message: "orderbell met an internal error while it rendered this".to_owned(),
    }
}
