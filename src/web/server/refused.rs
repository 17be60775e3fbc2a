//! A log line for requests that were not accepted: a webhook that never reached its source should be findable.

use http::{Method, StatusCode};
use poem::web::RemoteAddr;
use tokio::time::Instant;

use crate::domain::log_limit::LogLimit;
use crate::domain::pace::Elapsed;
use crate::domain::text::clean_line;

/// Of a path, so many graphemes are shown; never the query, which may hold a code.
const PATH_GRAPHEMES: usize = 80;

/// What was logged of each status.
pub struct RefusalLog {
    begin: Instant,
    limit: LogLimit<StatusCode>,
}

impl Default for RefusalLog {
    #[expect(clippy::disallowed_methods, reason = "lines of the log are spaced by time that nobody can set")]
    fn default() -> Self {
        Self { begin: Instant::now(), limit: LogLimit::default() }
    }
}

impl RefusalLog {
    /// Logs an answer that accepts nothing; what a source refuses or cannot store is logged where the reason is known.
    pub fn log(&self, status: StatusCode, method: &Method, path: &str, peer: &RemoteAddr) {
        let Some(left_out) = self.limit.admit(&status, self.elapsed()) else { return };
        let path = clean_line(path, PATH_GRAPHEMES);
        tracing::warn!(status = status.as_u16(), %method, path, %peer, left_out, "a request was refused");
    }

    /// Logs how many lines were left out since, where no further one has said so.
    pub fn log_left_out(&self) {
        for (status, left_out) in self.limit.overdue(self.elapsed()) {
            tracing::warn!(status = status.as_u16(), left_out, "more requests were refused");
        }
    }

    fn elapsed(&self) -> Elapsed {
        Elapsed::try_from(self.begin.elapsed()).unwrap_or(Elapsed::MAX)
    }
}
