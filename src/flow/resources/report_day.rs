//! A report of one day: its figures, the message and the picture that they make, and sent again because a person wants it.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use poem_openapi::types::Any;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::event::{Event, EventId, Kind, OWN_SOURCE, SignatureCheck};
use crate::domain::figures;
use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::payload::Payload;
use crate::domain::picture::theme::Theme;
use crate::domain::report::Report;
use crate::domain::report::settings::ReportSettings;
use crate::domain::scene::Scene;
use crate::flow::render::report::drawn;
use crate::flow::report_send;
use crate::flow::resources::report::DayReport;
use crate::flow::resources::unsent::{LookRequest, ShownMessage};
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::routing::RoutingSnapshot;

type Answer<T> = Result<T, ResourceError>;

/// A day as its report says it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownDay {
    pub name: String,
    pub day: Date,
    pub before: Option<Date>,
    /// Absent where that has not come yet.
    pub after: Option<Date>,
    pub is_today: bool,
    pub as_of: Timestamp,
    pub message: ShownMessage,
    /// No webhook had come by the end of that day.
    pub is_before_all: bool,
    /// Stands for what persons have sent of it so far; whoever sends it says it.
    pub sent_so_far: String,
}

/// What a report says of a day.
struct MadeDay {
    routing: Arc<RoutingSnapshot>,
    settings: ReportSettings,
    scope: Scope,
    facts: Facts,
    report: Report,
    today: Date,
}

impl Resources {
    /// The figures of a day, also of today so far.
    pub async fn day_report(&self, name: &str, day: &str) -> Answer<DayReport> {
        let MadeDay { report, scope, .. } = self.made_day(name, day).await?;
        let figures = Any(serde_json::to_value(&report).unwrap_or_default());
        Ok(DayReport { name: name.to_owned(), day: scope.from.to_string(), figures })
    }

    /// The message of a day as it would be in a language, in no channel's dialect.
    pub async fn shown_day(&self, name: &str, day: &str, language: &str) -> Answer<ShownDay> {
        let MadeDay { report, scope, facts, today, .. } = self.made_day(name, day).await?;
        let (day, as_of) = (scope.from, report.as_of);
        let end = scope.days().pop().map(|day| day.until);
        let is_before_all = facts.begun_at.is_none_or(|begun| end.is_some_and(|end| begun >= end));
        let scene = Scene { event: event(report), order: None };
        let look = LookRequest { scene, table: None, language: language.to_owned(), channel: None };
        Ok(ShownDay {
            name: name.to_owned(),
            day,
            before: day.yesterday().ok(),
            after: day.tomorrow().ok().filter(|after| *after <= today),
            is_today: day == today,
            as_of,
            message: self.looked_at(look, None).await?,
            is_before_all,
            sent_so_far: self.sent_so_far(name).await?,
        })
    }

    /// The picture of a day, a PNG.
    pub async fn day_picture(&self, name: &str, day: &str, language: &str, theme: Theme) -> Answer<Vec<u8>> {
        let MadeDay { report, .. } = self.made_day(name, day).await?;
        let (templates, language) = (self.templates.get(), language.to_owned());
        let drawing = tokio::task::spawn_blocking(move || drawn(&report, &templates, &language, theme));
        drawing.await.map_err(|_| ResourceError::internal())?.map_err(|why| {
            tracing::error!(report = name, error = why, "the picture of a report cannot be drawn");
            ResourceError::internal()
        })
    }

    /// Sends a day to the channels of its report, as `orderbell report --send` does, unless a person has sent it meanwhile:
    /// `so_far` is what stood for that when somebody looked. Answers the channels.
    pub async fn send_day(&self, name: &str, day: &str, so_far: &str) -> Answer<Vec<String>> {
        let under_way = || ResourceError::Conflict(format!("the report \"{name}\" is being sent just now"));
        let _turn = self.sending.take(name).ok_or_else(under_way)?;
        let MadeDay { routing, settings, scope, facts, report, .. } = self.made_day(name, day).await?;
        if self.sent_so_far(name).await? != so_far {
            let text =
                format!("somebody has sent the report \"{name}\" since you opened this page; nothing was sent now");
            return Err(ResourceError::Conflict(text));
        }
        let now = self.clock.now();
        let channels = report_send::send(&*self.store, &routing, (&scope, &settings), &facts, report, now).await?;
        self.notifier.wake(&channels);
        Ok(channels)
    }

    async fn made_day(&self, name: &str, day: &str) -> Answer<MadeDay> {
        let (routing, now) = (self.routing.get(), self.clock.now());
        let missing = || ResourceError::Missing("such report in the configuration".to_owned());
        let settings = routing.reports.get(name).ok_or_else(missing)?.clone();
        let today = now.to_zoned(settings.timezone.zone.clone()).date();
        let day = match day {
            "today" => today,
            "yesterday" => today.yesterday().unwrap_or(today),
            other => {
                let missing =
                    || ResourceError::Missing(format!("day \"{other}\": write today, yesterday, or 2026-11-21"));
                other.parse::<Date>().map_err(|_| missing())?
            }
        };
        if day > today {
            return Err(ResourceError::Missing(format!("report of {day}, which has not come yet; today is {today}")));
        }
        let scope = Scope::of(&settings, name, day, day, false);
        let mut facts = self.store.report_facts(scope.clone()).await?;
        facts.note_observing(&scope, &routing.observing());
        let making = tokio::task::spawn_blocking(move || {
            let report = figures::report(&scope, &facts, now);
            MadeDay { settings, scope, facts, report, today, routing }
        });
        making.await.map_err(|_| ResourceError::internal())
    }

    async fn sent_so_far(&self, name: &str) -> Answer<String> {
        let history = self.store.report_history(name, 0).await?;
        Ok(history.by_hand.last().map_or("none".to_owned(), |newest| newest.event.id.to_string()))
    }
}

/// The event that would carry it.
fn event(report: Report) -> Event {
    Event {
        id: EventId(Uuid::nil()),
        kind: Kind::Report(report.name.clone()),
        source: OWN_SOURCE.to_owned(),
        occurred_at: Some(report.as_of),
        received_at: report.as_of,
        shop: None,
        order: None,
        data: Payload::Report(Box::new(report)).into(),
        proof: SignatureCheck::Own,
    }
}
