//! What templates are tried with: an event as a template sees it, and samples of our own kinds. Those of a platform are in
//! `platform/scenes.rs`.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::data::{Notice, Unrecognised};
use crate::domain::document::PICTURE;
use crate::domain::event::{Event, EventId, Kind, OWN_SOURCE, SignatureCheck};
use crate::domain::figures::sample;
use crate::domain::order::Order;
use crate::domain::payload::{Data, Payload};
use crate::domain::report::Report;

/// The moment of the check, always the same, so that its findings are: Wednesday, 4 June 2025, 03:35:40 UTC.
const MOMENT_SECONDS: i64 = 1_749_008_140;

/// What a robot answered, as an attempt has it: readers see it in their own words.
const REFUSAL: &str =
    "errcode 310000 (the robot demands a keyword: set `keyword` to one of those in its security settings)";

/// The topics of notices, and one that this version does not know.
const NOTICES: [&str; 34] = [
    // The first is what `orderbell render` shows of a notice.
    "parked",
    "clock",
    "refused",
    "application",
    "token",
    "unproven",
    "observing",
    "replayed",
    "unreadable",
    "encoding",
    "crowded",
    "dead",
    "recipient",
    "template",
    "templates",
    "configuration",
    "secret",
    "stranded",
    "restarted",
    "condition",
    "waiting",
    "silent",
    "machine_clock",
    "database_clock",
    "disk",
    "unrouted",
    "report",
    "store",
    "loss",
    "configurations",
    "versions",
    "names",
    "backup",
    "another",
];

/// An event as a template sees it.
pub struct Scene {
    pub event: Event,
    pub order: Option<Order>,
}

/// Events of our own kinds, made by hand; reports as the configuration calls them.
pub fn own(reports: &[String]) -> Vec<Scene> {
    let mut scenes = Vec::new();
    let own = |kind, data| event(kind, OWN_SOURCE, data);
    scenes.push(own(Kind::Test, Data::default()));
    let unrecognised = Unrecognised { event: Some("1999".to_owned()), bytes: 1_204, malformed: false };
    scenes.push(own(Kind::Unrecognised, Payload::Unrecognised(unrecognised).into()));
    for topic in NOTICES {
        for subject in [Some("kitchen"), None] {
            let subject = subject.map(str::to_owned);
            let detail = subject.as_ref().map(|_| REFUSAL.to_owned());
            let bare = Notice { topic: topic.to_owned(), subject, detail, ..Notice::default() };
            let full = Notice {
                since: moment(-1_800),
                lasted_seconds: Some(1_800),
                count: Some(3),
                last_at: moment(-60),
                next_at: moment(600),
                off_by_seconds: Some(-90),
                instance: Some("bell-1:8787".to_owned()),
                ..bare.clone()
            };
            let over = Notice { until: moment(0), ..full.clone() };
            for notice in [full, bare, over] {
                scenes.push(own(Kind::OperatorNotice, Payload::Notice(Box::new(notice)).into()));
            }
        }
    }
    let daily = ["daily".to_owned()];
    for name in if reports.is_empty() { &daily } else { reports } {
        scenes.extend(
            forms(name)
                .into_iter()
                .map(|report| own(Kind::Report(name.clone()), Payload::Report(Box::new(report)).into())),
        );
    }
    scenes
}

/// A report in each of its forms: whatever is special about the day, with its picture in each of its places, and shortened.
fn forms(name: &str) -> Vec<Report> {
    let mut reports: Vec<Report> = sample::all(name).iter().map(|(_, sample)| sample.report()).collect();
    let Some(day) = reports.first().cloned() else { return reports };
    let address = "https://bell.example.com/charts/0123456789abcdef0123456789abcdef-en.png";
    for picture in [PICTURE, address] {
        reports.push(Report { picture: Some(picture.to_owned()), ..day.clone() });
    }
    reports.push(Report { picture_follows: true, ..day });
    let shortest: Vec<Report> =
        reports.iter().filter_map(|report| (0..).map_while(|times| report.shortened(times)).last()).collect();
    reports.extend(shortest);
    reports
}

/// So many seconds after the moment of the check.
pub fn moment(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(MOMENT_SECONDS + seconds).ok()
}

/// An event at the moment of the check.
pub fn event(kind: Kind, source: &str, data: Data) -> Scene {
    let now = moment(0).unwrap_or_default();
    let event = Event {
        id: EventId(Uuid::nil()),
        kind,
        source: source.to_owned(),
        occurred_at: Some(now),
        received_at: now,
        shop: None,
        order: None,
        data,
        proof: SignatureCheck::Own,
    };
    Scene { event, order: None }
}
