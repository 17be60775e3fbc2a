//! What Orderbell makes itself: notices, tests and incidents.

use orderbell::domain::data::{Notice, Unrecognised};
use orderbell::domain::event::{Event, Kind};
use orderbell::domain::payload::{Data, Payload};

use crate::words::samples::{Sample, at, event, sample};

pub fn our_own() -> Vec<Sample> {
    let own = |kind, data| Event { source: "orderbell".to_owned(), shop: None, occurred_at: None, ..event(kind, data) };
    let said = |name: &str, notice: Notice| {
        sample(name, own(Kind::OperatorNotice, Payload::Notice(Box::new(notice)).into()), None)
    };
    let notice = |topic: &str, subject: Option<&str>, detail: Option<&str>| said(topic, about(topic, subject, detail));
    let unrecognised = Unrecognised { event: Some("1999".to_owned()), bytes: 1204, malformed: false };
    let malformed = Unrecognised { event: Some("1001".to_owned()), malformed: true, ..unrecognised.clone() };
    vec![
        sample("", event(Kind::Unrecognised, Payload::Unrecognised(unrecognised).into()), None),
        sample("malformed", event(Kind::Unrecognised, Payload::Unrecognised(malformed).into()), None),
        sample("", own(Kind::Test, Data::default()), None),
        said("clock", Notice { off_by_seconds: Some(7_205), ..about("clock", Some("keeta-sa"), None) }),
        notice("application", Some("keeta-sa"), Some("it names application 42")),
        notice("refused", Some("keeta-sa"), Some("checked against https://bell.example.com/hooks/keeta-sa")),
        notice("token", Some("licences"), None),
        said("crowded", Notice { count: Some(1_476), ..about("crowded", None, Some("1024")) }),
        notice("replayed", Some("licences"), Some("order.cancelled")),
        notice(
            "unreadable",
            Some("keeta-sa"),
            Some("event 1001, 1204 bytes: orderbell why 01984a10-0000-7000-8000-000000000001"),
        ),
        notice("encoding", Some("keeta-sa"), Some("br")),
        notice("recipient", Some("owner"), Some("RCPT TO o***@example.com: 550 5.1.1")),
        notice("template", Some("zh-CN/order.placed.md"), Some("line 3: undefined value")),
        notice(
            "condition",
            Some("order.total >= 500"),
            Some("route 2, store.hours: it asks for what is not known of this event"),
        ),
        notice(
            "templates",
            Some("templates/en/order.placed.md:3:5"),
            Some("this asks for \"order.totl\", which is not known; did you mean \"order.total\"?"),
        ),
        notice(
            "configuration",
            Some("orderbell.toml:12:1"),
            Some("there is no channel \"kitchn\"; did you mean \"kitchen\"? (and 1 more)"),
        ),
        said(
            "parked.unready",
            Notice {
                count: Some(3),
                ..about(
                    "parked",
                    Some("office"),
                    Some("nothing is sent without its secret: the environment variable OFFICE is not set"),
                )
            },
        ),
        notice("stranded", Some("kitchen"), Some("12")),
        said(
            "restarted",
            Notice {
                instance: Some("bell-2:8787".to_owned()),
                ..about("restarted", Some("channel kitchen"), Some("it ended by a panic"))
            },
        ),
        notice("disc_full", None, Some("12 MB left")),
        said(
            "store.over",
            Notice {
                since: Some(at("2025-06-04T03:30:00Z")),
                until: Some(at("2025-06-04T03:34:00Z")),
                lasted_seconds: Some(240),
                ..about("store", None, Some("the database /var/lib/orderbell/orderbell.db is no longer there; move it back, and orderbell goes on by itself"))
            },
        ),
        said(
            "loss",
            Notice {
                since: Some(at("2025-06-03T21:30:00Z")),
                last_at: Some(at("2025-06-04T03:34:00Z")),
                ..about("loss", None, Some("the write-ahead log is damaged: events 41 to 57 are not there"))
            },
        ),
    ]
    .into_iter()
    .chain(incidents().into_iter().map(|(name, notice)| said(&name, notice)))
    .collect()
}

fn about(topic: &str, subject: Option<&str>, detail: Option<&str>) -> Notice {
    let (subject, detail) = (subject.map(str::to_owned), detail.map(str::to_owned));
    Notice { topic: topic.to_owned(), subject, detail, ..Notice::default() }
}

/// A robot's refusal as it is stored.
const KEYWORD: &str =
    "errcode 310000 (the robot demands a keyword: set `keyword` to one of those in its security settings)";

/// What the watch reports: how each incident begins, and how it ends.
fn incidents() -> Vec<(String, Notice)> {
    let since = at("2025-06-03T21:30:00Z");
    let begun = |topic: &str, subject: Option<&str>, detail: Option<&str>| Notice {
        since: Some(since),
        lasted_seconds: Some(21_940),
        ..about(topic, subject, detail)
    };
    let (kitchen, keyword) = (Some("kitchen"), KEYWORD);
    let begins = [
        Notice {
            count: Some(12),
            next_at: Some(at("2025-06-04T04:05:00Z")),
            ..begun("parked", kitchen, Some(keyword))
        },
        Notice { count: Some(1), ..begun("waiting", kitchen, Some("HTTP 503")) },
        Notice {
            count: Some(37),
            last_at: Some(at("2025-06-04T03:35:00Z")),
            ..begun("dead", kitchen, Some("order.placed 756823555555859: errcode 400105"))
        },
        Notice { last_at: Some(since), ..begun("silent", Some("keeta-sa"), None) },
        Notice { off_by_seconds: Some(-312), ..begun("machine_clock", None, None) },
        Notice { off_by_seconds: Some(7), ..begun("database_clock", None, None) },
        begun("disk", Some("/var/lib/orderbell"), Some("812 MiB / 40 GiB")),
        begun("report", Some("daily"), Some("owner: HTTP 503")),
        begun("unrouted", Some("store.hours"), Some("keeta-sa")),
        Notice {
            count: Some(3),
            last_at: Some(at("2025-06-04T03:35:00Z")),
            ..begun("unproven", Some("keeta-sa"), Some("app_id = 3762772727, https://bell.example.com/hooks/keeta-sa"))
        },
        begun("secret", Some("keeta-sa"), Some("the environment variable KEETA_APP_SECRET is not set")),
        begun("configurations", None, Some("bell-1:8787, bell-3:8787 / bell-2:8787")),
        begun("versions", None, Some("0.1.0: bell-1:8787 / 0.2.0: bell-2:8787, bell-3:8787")),
        begun("names", None, Some("bell-1:8787")),
        begun(
            "backup",
            Some("/var/backups/orderbell"),
            Some("there is no room for a copy: it needs 912 MiB, and 640 MiB are free"),
        ),
    ];
    let ends = |begin: &Notice| {
        let over = about(&begin.topic, begin.subject.as_deref(), None);
        let until = Some(at("2025-06-04T03:34:00Z"));
        (format!("{}.over", begin.topic), Notice { since: begin.since, until, lasted_seconds: Some(21_840), ..over })
    };
    // Of these the beginning is reported without a time, by itself.
    let mistakes = [
        begun("templates", Some("order.placed.md:3:5"), None),
        begun("configuration", Some("orderbell.toml:12:1"), None),
    ];
    let ended: Vec<_> = begins.iter().chain(&mistakes).map(ends).collect();
    // It has no end: that it is enforced is what somebody has set.
    let daily = begun("observing", Some("keeta-sa"), None);
    begins.into_iter().chain([daily]).map(|begin| (begin.topic.clone(), begin)).chain(ended).collect()
}
