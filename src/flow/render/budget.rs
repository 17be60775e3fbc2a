//! How long the templates of one message may take in all: a digest renders many.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::template::Templates;
use crate::domain::template::fault::{ComposeError, TemplateFault};
use crate::domain::template::isolated::{IsolatedRenderer, RenderJob};

/// For one message.
const TIME: Duration = Duration::from_secs(10);

/// Renders until the time is used up, or nobody waits for the message any more.
struct Budget {
    renderer: Arc<dyn IsolatedRenderer>,
    left: Mutex<Duration>,
    given_up: CancellationToken,
}

/// The same templates, for one message.
pub fn of_one_message(templates: &Templates, given_up: CancellationToken) -> Templates {
    templates.rendered_by(|renderer| Arc::new(Budget { renderer, left: Mutex::new(TIME), given_up }))
}

impl Budget {
    fn left(&self) -> std::sync::MutexGuard<'_, Duration> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsolatedRenderer for Budget {
    #[expect(clippy::disallowed_methods, reason = "how long another process has taken")]
    fn render(&self, job: &RenderJob) -> Result<String, ComposeError> {
        let error = |fault, message: String| ComposeError {
            template: job.path.clone(),
            line: None,
            span: None,
            fault,
            message,
        };
        if self.given_up.is_cancelled() {
            return Err(error(TemplateFault::Unavailable, "nobody waits for this message".to_owned()));
        }
        if self.left().is_zero() {
            let message = format!("the templates of one message take more than {} seconds", TIME.as_secs());
            return Err(error(TemplateFault::Exhausted, message));
        }
        let begin = Instant::now();
        let rendered = self.renderer.render(job);
        let mut left = self.left();
        *left = left.saturating_sub(begin.elapsed());
        rendered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::template::isolated::Wire;

    struct Never;

    impl IsolatedRenderer for Never {
        fn render(&self, _: &RenderJob) -> Result<String, ComposeError> {
            panic!("it is not asked any more")
        }
    }

    #[test]
    fn when_the_time_is_used_up_no_template_is_rendered() {
        let (path, channel, values) = ("en/test.md".to_owned(), String::new(), Wire::None);
        let job = RenderJob { strict: false, folder: "en".to_owned(), path, channel, values };
        let given_up = CancellationToken::new();
        let budget = |left, given_up: &CancellationToken| Budget {
            renderer: Arc::new(Never),
            left: Mutex::new(left),
            given_up: given_up.clone(),
        };
        assert_eq!(budget(Duration::ZERO, &given_up).render(&job).unwrap_err().fault, TemplateFault::Exhausted);
        given_up.cancel();
        assert_eq!(budget(TIME, &given_up).render(&job).unwrap_err().fault, TemplateFault::Unavailable);
    }
}
