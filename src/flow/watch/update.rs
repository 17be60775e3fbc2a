//! How the watch changes what the operator knows: the memory of it and the notice in one commit.

use jiff::Timestamp;

use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::IncidentKey;
use crate::flow::watch::incidents::{IncidentChange, KnownIncident};
use crate::flow::watch::scope::WatchScope;
use crate::flow::watch::{SelfWatch, observing};
use crate::store::StoreError;
use crate::store::health::{HealthSnapshot, Incident, IncidentUpdate};

impl SelfWatch {
    /// Makes a change of what the operator knows.
    pub(super) async fn make(
        &self,
        key: &IncidentKey,
        change: &IncidentChange,
        scope: &WatchScope,
        sight: &HealthSnapshot,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (topic, subject) = (key.topic.as_str(), key.subject.as_str());
        let stored = scope.subject(key);
        let row = |known: &KnownIncident| Some(Incident { subject: stored.clone(), ..known.row(key) });
        let (after, notice) = match change {
            IncidentChange::Begins(known) | IncidentChange::Again(known) => (row(known), Some(&known.notice)),
            IncidentChange::Noted(known) => (row(known), None),
            IncidentChange::Ends(notice) => (None, Some(notice)),
            IncidentChange::Lapses => (None, None),
        };
        let is_this = |incident: &&Incident| incident.topic == topic && incident.subject == stored;
        let before = sight.incidents.iter().find(is_this).cloned();
        let known = before.as_ref().and_then(KnownIncident::of).and_then(|(_, known)| known.notice.count).unwrap_or(0);
        let telling = IncidentUpdate {
            before,
            after,
            notice: notice.map(|notice| self.with.notices.record(notice.clone(), now)),
        };
        if !self.with.notices.change(telling).await? {
            return Ok(());
        }
        let detail = notice.and_then(|notice| notice.detail.as_deref());
        let count = notice.and_then(|notice| notice.count);
        let lasted_seconds = notice.and_then(|notice| notice.lasted_seconds);
        let off_by_seconds = notice.and_then(|notice| notice.off_by_seconds);
        match change {
            IncidentChange::Begins(_) => {
                tracing::warn!(
                    topic,
                    subject,
                    detail,
                    count,
                    lasted_seconds,
                    off_by_seconds,
                    "the operator is notified"
                )
            }
            IncidentChange::Noted(_) => {}
            IncidentChange::Again(_) if key.topic == Topic::Observing => observing::log(subject),
            IncidentChange::Again(_) if count.is_some() => {
                tracing::warn!(topic, subject, detail, count, "the operator is notified that there is more")
            }
            IncidentChange::Again(_) => {
                tracing::warn!(topic, subject, detail, lasted_seconds, "the operator is notified again")
            }
            IncidentChange::Ends(_) => {
                tracing::info!(topic, subject, lasted_seconds, "the operator is notified that it is over")
            }
            IncidentChange::Lapses => tracing::info!(topic, subject, "incident cleared: no longer configured"),
        }
        if key.topic == Topic::Unproven {
            self.with.source_activity.notified_of_unfit(subject, count.unwrap_or(0).saturating_sub(known));
        }
        if key.topic == Topic::Unrouted
            && matches!(change, IncidentChange::Ends(_) | IncidentChange::Lapses)
            && let Ok(kind) = subject.parse()
        {
            self.with.source_activity.forget(&kind);
        }
        Ok(())
    }

    /// Clears the incidents of instances that are gone, where this one leads.
    pub(super) async fn clear_left_behind(&mut self, sight: &HealthSnapshot) -> Result<(), StoreError> {
        let elapsed = self.with.clock.elapsed();
        let Some(company) = self.with.company.as_ref().filter(|_| self.with.leadership.leads(elapsed)) else {
            return Ok(());
        };
        let roster = company.roster.get();
        let running = roster.instances.iter().map(|one| one.announcement.name.clone());
        let running = running.chain([company.instance.name.clone()]).collect();
        for incident in self.absences.left_behind(&sight.incidents, &running, elapsed) {
            tracing::info!(
                topic = incident.topic,
                subject = incident.subject,
                "incident cleared: its instance is gone"
            );
            let change = IncidentUpdate { before: Some(incident), after: None, notice: None };
            self.with.notices.change(change).await?;
        }
        Ok(())
    }
}
