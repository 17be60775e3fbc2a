//! Whether the reports that are due have been made and have arrived.

use jiff::{SignedDuration, Timestamp};

use crate::domain::data::Notice;
use crate::domain::report::calendar::LATE_AFTER;
use crate::domain::retry;
use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::{ConditionState, ConditionStates, IncidentKey, wrong};
use crate::store::reports::ReportStatus;

/// So long whoever makes and sends a report may take where its time is seen late, because the daemon was off or the clock or
/// the configuration was changed; and so long its cause may be waited for.
const TURN: SignedDuration = SignedDuration::from_mins(1);

/// The report that was due last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReport {
    pub name: String,
    pub due_at: Timestamp,
    /// Since when it is seen that it is due.
    pub watched_since: Timestamp,
    pub status: ReportStatus,
    /// Why it could not be made, where somebody tried.
    pub failure: Option<String>,
}

pub fn note(reports: &[LastReport], now: Timestamp, states: &mut ConditionStates) {
    for report in reports {
        let key = IncidentKey { topic: Topic::Report, subject: report.name.clone() };
        states.insert(key, state(report, now));
    }
}

fn state(report: &LastReport, now: Timestamp) -> ConditionState {
    let late_at = (report.due_at + LATE_AFTER).max(report.watched_since + TURN);
    let detail = match &report.status {
        ReportStatus::NotBegun => return ConditionState::Fine,
        ReportStatus::Made { undelivered, .. } if undelivered.is_empty() => return ConditionState::Fine,
        // Also while an earlier one is known to be missing: what becomes of this one says whether that is over.
        _ if now < late_at => return ConditionState::Unclear,
        // It has not been tried yet.
        ReportStatus::Missing if report.failure.is_none() && now < late_at + TURN => return ConditionState::Unclear,
        ReportStatus::Missing => report.failure.clone(),
        ReportStatus::Made { undelivered, .. } => {
            let said = undelivered.iter().map(|one| {
                let words = one.answer.as_deref().map(retry::redacted).filter(|words| !words.is_empty());
                format!("{}: {}", one.channel, words.unwrap_or(&one.state))
            });
            Some(said.collect::<Vec<_>>().join("; "))
        }
    };
    wrong(report.due_at, Notice { detail, ..Notice::default() })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::EventId;
    use crate::store::reports::Undelivered;

    fn after(minutes: i64, status: ReportStatus, failure: Option<&str>) -> Result<ConditionState, Option<String>> {
        since_start(i64::MAX, minutes, status, failure)
    }

    /// Where the daemon has looked for so many minutes.
    fn since_start(
        looked: i64,
        minutes: i64,
        status: ReportStatus,
        failure: Option<&str>,
    ) -> Result<ConditionState, Option<String>> {
        let due_at = Timestamp::from_second(1_790_000_000).unwrap();
        let watched_since = due_at + SignedDuration::from_mins(minutes.saturating_sub(looked).max(-1_000));
        let (name, failure) = ("daily".to_owned(), failure.map(str::to_owned));
        let report = LastReport { name, due_at, watched_since, status, failure };
        match state(&report, due_at + SignedDuration::from_mins(minutes)) {
            ConditionState::Wrong(wrong) => {
                assert_eq!(wrong.since, due_at);
                Err(wrong.notice.detail)
            }
            state => Ok(state),
        }
    }

    fn made(undelivered: &[(&str, &str, Option<&str>)]) -> ReportStatus {
        let one = |(channel, state, answer): &(&str, &str, Option<&str>)| Undelivered {
            channel: (*channel).to_owned(),
            state: (*state).to_owned(),
            answer: answer.map(str::to_owned),
        };
        ReportStatus::Made { event: EventId(Uuid::nil()), undelivered: undelivered.iter().map(one).collect() }
    }

    #[test]
    fn fifteen_minutes_after_its_time_a_report_that_is_not_there_is_missed() {
        assert_eq!(after(14, ReportStatus::Missing, None), Ok(ConditionState::Unclear));
        assert_eq!(
            after(15, ReportStatus::Missing, None),
            Ok(ConditionState::Unclear),
            "the cause may be known in a minute"
        );
        assert_eq!(after(16, ReportStatus::Missing, None), Err(None));
        assert_eq!(
            after(15, ReportStatus::Missing, Some("the disk is full")),
            Err(Some("the disk is full".to_owned()))
        );
        assert_eq!(after(60, ReportStatus::NotBegun, None), Ok(ConditionState::Fine), "the first one is due tomorrow");
    }

    #[test]
    fn a_daemon_that_was_off_meanwhile_may_make_it_first() {
        let full = Some("the disk is full");
        assert_eq!(since_start(0, 300, ReportStatus::Missing, full), Ok(ConditionState::Unclear));
        assert_eq!(since_start(1, 300, ReportStatus::Missing, full), Err(Some("the disk is full".to_owned())));
        let fresh = made(&[("owner", "waiting", None)]);
        assert_eq!(since_start(0, 300, fresh.clone(), None), Ok(ConditionState::Unclear));
        assert_eq!(since_start(1, 300, fresh, None), Err(Some("owner: waiting".to_owned())));
    }

    #[test]
    fn a_report_that_was_made_and_has_not_arrived_is_missed_with_the_receivers_words() {
        assert_eq!(after(15, made(&[]), None), Ok(ConditionState::Fine));
        assert_eq!(after(1, made(&[]), None), Ok(ConditionState::Fine), "it has arrived at once");
        let late = made(&[("owner", "waiting", Some("HTTP 503")), ("office", "dead", None)]);
        assert_eq!(after(14, late.clone(), None), Ok(ConditionState::Unclear));
        assert_eq!(after(15, late, None), Err(Some("owner: HTTP 503; office: dead".to_owned())));
    }
}
