//! A log line for requests that got no yes: a webhook that never reached its source should be findable.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use http::Method;
use http::StatusCode;
use poem::web::RemoteAddr;

use crate::domain::text::clean_line;

/// One line for each status in this time, however many requests there are.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Of a path, so many graphemes are shown; never the query, which may hold a code.
const PATH_GRAPHEMES: usize = 80;

/// When each status was said last, and how many were not said since.
#[derive(Default)]
pub struct Refused(Mutex<HashMap<StatusCode, (Instant, u64)>>);

impl Refused {
    /// Logs an answer that was no yes; what a source does not believe or cannot store is told where the reason is known.
    pub fn log(&self, status: StatusCode, method: &Method, path: &str, peer: &RemoteAddr) {
        let Some(unsaid) = self.count(status, Instant::now()) else { return };
        let path = clean_line(path, PATH_GRAPHEMES);
        tracing::warn!(status = status.as_u16(), %method, path, %peer, unsaid, "a request was not taken");
    }

    /// How many were not said since the last line, or `None` when this one is not said either.
    fn count(&self, status: StatusCode, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(&status) {
            Some((at, unsaid)) if now.duration_since(*at) < SAY_EVERY => {
                *unsaid += 1;
                None
            }
            known => {
                let unsaid = known.map_or(0, |(_, unsaid)| *unsaid);
                said.insert(status, (now, 0));
                Some(unsaid)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_refusals_are_one_line_that_counts_them() {
        let refused = Refused::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(refused.count(StatusCode::NOT_FOUND, at(0)), Some(0));
        assert_eq!(refused.count(StatusCode::NOT_FOUND, at(1)), None);
        assert_eq!(refused.count(StatusCode::PAYLOAD_TOO_LARGE, at(1)), Some(0), "another status has its own line");
        assert_eq!(refused.count(StatusCode::NOT_FOUND, at(9)), None);
        assert_eq!(refused.count(StatusCode::NOT_FOUND, at(10)), Some(2));
        assert_eq!(refused.count(StatusCode::NOT_FOUND, at(20)), Some(0));
    }
}
