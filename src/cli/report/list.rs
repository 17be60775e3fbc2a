//! All reports: when each is sent, what became of the last one, and when the next one is due.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::domain::report::settings::ReportSettings;
use crate::domain::report::upcoming::Upcoming;
use crate::flow::report_schedule;
use crate::flow::reports;
use crate::flow::why::source::sentence;
use crate::store::StoreError;
use crate::store::address::StoreUrl;
use crate::store::history::found::{ReportHistory, RunHistory};

/// A report of the configuration, and what the store knows of it.
pub struct ListRow<'a> {
    pub name: &'a str,
    pub report: &'a ReportSettings,
    /// Absent where there is no store yet.
    pub history: Option<ReportHistory>,
}

/// Whether a daemon holds the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    Running,
    Stopped,
}

impl Daemon {
    /// # Errors
    /// [`StoreError`]: that cannot be seen.
    pub async fn of(store: &StoreUrl) -> Result<Self, StoreError> {
        Ok(match crate::store::is_held_by_daemon(store).await? {
            true => Daemon::Running,
            false => Daemon::Stopped,
        })
    }
}

impl ListRow<'_> {
    fn last(&self) -> Option<&RunHistory> {
        self.history.as_ref().and_then(|history| history.runs.last())
    }

    fn next(&self, now: Timestamp) -> Option<Upcoming> {
        let past = self.history.as_ref().map(|history| history.past).unwrap_or_default();
        self.report.schedule().upcoming(&past, now)
    }

    fn zone(&self) -> &TimeZone {
        &self.report.timezone.zone
    }
}

pub fn text(rows: &[ListRow<'_>], daemon: Daemon, now: Timestamp) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!("{}: {}\n", row.name, report_schedule::words(row.report)));
        text.push_str(&format!("    last: {}\n", row.last().map_or_else(|| never(row), |run| last(run, row.zone()))));
        let Some(next) = row.next(now) else { continue };
        text.push_str(&format!("    next: {}\n", next_words(&next, row.zone(), daemon, now)));
        if let Some(skipped) = reports::skipped_words(&next, row.name, row.zone()) {
            text.push_str(&format!("          {}.\n", sentence(&skipped)));
        }
    }
    if rows.is_empty() {
        text.push_str("There is no report in the configuration; one begins with [report.daily].\n");
    } else {
        text.push_str("`orderbell why report.NAME` says more of one.\n");
    }
    if daemon == Daemon::Stopped && !rows.is_empty() {
        text.push_str("The daemon does not run: no report is made before `orderbell serve` does.\n");
    }
    text
}

/// What there is to say of a report that was not made yet.
fn never(row: &ListRow<'_>) -> String {
    let begun = row.history.as_ref().and_then(|history| history.past.covered).and_then(|before| before.tomorrow().ok());
    match begun {
        Some(first) => format!("none yet; it begins with {first}"),
        None => "none yet; no daemon has taken it up".to_owned(),
    }
}

fn last(run: &RunHistory, zone: &TimeZone) -> String {
    let made = run.made_at.map(|at| format!(", made on {}", reports::local(at, zone))).unwrap_or_default();
    let about = reports::days(run.from, run.to);
    let Some(history) = &run.history else { return format!("about {about}{made}; it is removed, as it is old") };
    let deliveries = history.deliveries.iter().filter(|delivery| delivery.instead_of.is_none());
    let fares: Vec<String> = deliveries
        .map(|delivery| {
            let channel = &delivery.channel;
            match delivery.state.as_str() {
                "delivered" => format!("delivered to {channel}"),
                "merged" => match delivery.carrier.as_ref().filter(|carrier| carrier.channel != *channel) {
                    Some(carrier) => format!("delivered to {} in the place of {channel}", carrier.channel),
                    None => format!("delivered to {channel} in one message with others"),
                },
                "waiting" => format!("it waits for {channel}"),
                "dead" => format!("given up for {channel}"),
                "cancelled" => format!("cancelled for {channel}"),
                other => format!("{other} for {channel}"),
            }
        })
        .collect();
    let fares = if fares.is_empty() { "it had no channel".to_owned() } else { fares.join(", ") };
    format!("about {about}{made}; {fares}")
}

fn next_words(next: &Upcoming, zone: &TimeZone, daemon: Daemon, now: Timestamp) -> String {
    let (at, about) = (reports::local(next.due_at, zone), reports::days(next.from, next.to));
    match (next.due_at > now, daemon) {
        (true, _) => format!("{at}, about {about}"),
        (false, Daemon::Running) => {
            format!("due since {at}, about {about}; it is made within seconds, or the daemon's log says why not")
        }
        (false, Daemon::Stopped) => {
            format!("due since {at}, about {about}; it is made as soon as `orderbell serve` runs")
        }
    }
}

pub fn json(rows: &[ListRow<'_>], daemon: Daemon, now: Timestamp) -> Value {
    rows.iter().map(|row| row_json(row, daemon, now)).collect()
}

fn row_json(row: &ListRow<'_>, daemon: Daemon, now: Timestamp) -> Value {
    let mut object = Map::from_iter([("name".to_owned(), Value::from(row.name))]);
    object.extend(report_schedule::facts(row.report));
    object.insert("daemon_runs".to_owned(), (daemon == Daemon::Running).into());
    if let Some(run) = row.last() {
        let deliveries = run.history.iter().flat_map(|history| &history.deliveries);
        let deliveries = deliveries.filter(|delivery| delivery.instead_of.is_none()).map(|delivery| {
            json!({ "id": delivery.id, "channel": delivery.channel, "state": delivery.state,
                "attempts": delivery.attempts, "due_at": delivery.due_at, "answer": delivery.answer })
        });
        let deliveries: Vec<Value> = deliveries.collect();
        let last = json!({ "event": run.event, "from": run.from, "to": run.to, "made_at": run.made_at,
            "deliveries": deliveries });
        object.insert("last".to_owned(), last);
    }
    if let Some(next) = row.next(now) {
        let note = reports::skipped_words(&next, row.name, row.zone()).map(|skipped| sentence(&skipped));
        let next = json!({ "due_at": next.due_at, "from": next.from, "to": next.to, "note": note });
        object.insert("next".to_owned(), next);
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::{DeliveryId, Event, EventId, Kind, OWN_SOURCE, SignatureCheck};
    use crate::domain::local_time::Zone;
    use crate::domain::payload::Data;
    use crate::domain::report::upcoming::Past;
    use crate::store::history::found::{DeliveryHistory, EventHistory, Other};

    fn report(at: &str) -> ReportSettings {
        let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
        ReportSettings {
            at: at.parse().unwrap(),
            to: vec!["owner".to_owned()],
            timezone: Zone { name: "Asia/Hong_Kong".to_owned(), zone },
            days: None,
            sources: None,
            shops: None,
            attach_csv: false,
        }
    }

    fn history(past: Past) -> ReportHistory {
        ReportHistory { report: "daily".to_owned(), past, runs: Vec::new(), count: 0, by_hand: Vec::new() }
    }

    /// Twelve o'clock on the 24th of November 2026.
    fn noon() -> Timestamp {
        "2026-11-24T04:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_report_that_is_due_says_what_it_waits_for() {
        let past = Past { covered: "2026-11-21".parse().ok(), made_at: None };
        let report = report("08:57");
        let rows = [ListRow { name: "daily", report: &report, history: Some(history(past)) }];
        let due =
            "next: due since 2026-11-24 08:57 +08:00 (Asia/Hong_Kong), about 2026-11-22 to 2026-11-23; it is made";
        let text = |daemon| text(&rows, daemon, noon());
        let running = text(Daemon::Running);
        assert!(running.contains(&format!("{due} within seconds")) && !running.contains("does not run"), "{running}");
        let stopped = text(Daemon::Stopped);
        assert!(stopped.contains(&format!("{due} as soon as `orderbell serve` runs")), "{stopped}");
        assert!(stopped.contains("The daemon does not run"), "{stopped}");
    }

    #[test]
    fn a_time_that_brings_no_report_today_is_explained() {
        let taken_up = history(Past { covered: "2026-11-23".parse().ok(), made_at: None });
        let made_at = "2026-11-24T00:57:00Z".parse().ok();
        let reported = history(Past { covered: "2026-11-23".parse().ok(), made_at });
        let report = report("12:01");
        for (history, why) in [
            (
                taken_up,
                "a new report begins with the day that is due next, which was 2026-11-24 when it was set up; 2026-11-23 lies before",
            ),
            (reported, "2026-11-23 was reported on 2026-11-24 08:57 already, and no day comes twice"),
        ] {
            let rows = [ListRow { name: "daily", report: &report, history: Some(history) }];
            let shown = text(&rows, Daemon::Running, noon());
            for piece in [
                "next: 2026-11-25 12:01 +08:00 (Asia/Hong_Kong), about 2026-11-24\n",
                "None comes at 12:01 today: ",
                why,
                "`orderbell report daily --date 2026-11-23 --send` sends that day now.",
            ] {
                assert!(shown.contains(piece), "{piece}\n{shown}");
            }
            let note = json(&rows, Daemon::Running, noon())[0]["next"]["note"].clone();
            assert!(note.as_str().is_some_and(|note| note.contains(why)), "{note}");
        }
        // Before anything was stored, the report of a minute from now still comes.
        let rows = [ListRow { name: "daily", report: &report, history: None }];
        let shown = text(&rows, Daemon::Stopped, noon());
        assert!(shown.contains("next: 2026-11-24 12:01 +08:00 (Asia/Hong_Kong), about 2026-11-23\n"), "{shown}");
        assert!(shown.contains("none yet; no daemon has taken it up") && !shown.contains("None comes"), "{shown}");
    }

    /// A delivery in a state; its message was that of the carrier's channel, where there is one.
    fn delivery(channel: &str, state: &str, carrier: Option<&str>) -> DeliveryHistory {
        let (id, event) = (DeliveryId(Uuid::nil()), EventId(Uuid::nil()));
        let other = |channel: &str| Other {
            id,
            event,
            kind: "report.daily".to_owned(),
            order: None,
            channel: channel.to_owned(),
            state: "delivered".to_owned(),
            due_at: noon(),
            instead_of: None,
        };
        DeliveryHistory {
            is_urgent: false,
            id,
            channel: channel.to_owned(),
            state: state.to_owned(),
            due_at: noon(),
            created_at: noon(),
            attempts: 1,
            outcome: None,
            answer: None,
            tries: Vec::new(),
            steps: Vec::new(),
            carrier: carrier.map(other),
            carried: Vec::new(),
            instead_of: None,
            unreached: Vec::new(),
            stand_ins: Vec::new(),
        }
    }

    #[test]
    fn what_became_of_the_last_one_is_said_for_each_channel() {
        let event = Event {
            id: EventId(Uuid::nil()),
            kind: Kind::Report("daily".to_owned()),
            source: OWN_SOURCE.to_owned(),
            occurred_at: None,
            received_at: noon(),
            shop: None,
            order: None,
            data: Data::default(),
            proof: SignatureCheck::Own,
        };
        let stands_in = DeliveryHistory {
            instead_of: delivery("owner", "merged", Some("spare")).carrier,
            ..delivery("spare", "delivered", None)
        };
        let deliveries = vec![
            delivery("erp", "delivered", None),
            delivery("owner", "merged", Some("spare")),
            stands_in,
            delivery("kitchen", "merged", Some("kitchen")),
            delivery("office", "waiting", None),
            delivery("bar", "dead", None),
            delivery("desk", "cancelled", None),
        ];
        let routes = String::new();
        let history = EventHistory { event, repeats: 0, last_repeat_at: None, routes, deliveries };
        let day = "2026-11-23".parse().unwrap();
        let run = RunHistory {
            from: day,
            to: day,
            event: EventId(Uuid::nil()),
            made_at: Some(noon()),
            history: Some(history),
        };
        let zone = report("08:57").timezone.zone;
        assert_eq!(
            last(&run, &zone),
            "about 2026-11-23, made on 2026-11-24 12:00 +08:00 (Asia/Hong_Kong); delivered to erp, delivered to spare \
             in the place of owner, delivered to kitchen in one message with others, it waits for office, given up for \
             bar, cancelled for desk"
        );
        let removed = RunHistory { history: None, ..run };
        assert!(last(&removed, &zone).ends_with("; it is removed, as it is old"));
    }
}
