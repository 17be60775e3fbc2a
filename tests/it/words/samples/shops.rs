//! Shops, menus and stock.

use orderbell::domain::data::{Authorisation, Task, TaskProblem, Transition};
use orderbell::domain::event::Kind;
use orderbell::domain::hours::{Day, Hours, Span, SpecialDays};
use orderbell::domain::payload::{Data, Payload, StoreStatus};

use crate::words::samples::{Sample, at, coded, event, number, sample};

pub fn shops_and_menus() -> Vec<Sample> {
    let span = |from: &str, to: &str| Span { from: from.to_owned(), to: to.to_owned() };
    let day = |day: &str, spans| Day { day: day.to_owned(), spans };
    let hours = Hours {
        week: vec![
            day("mon", vec![span("10:00", "14:00"), span("17:00", "22:30")]),
            day("tue", vec![span("10:00", "24:00")]),
            day("sun", Vec::new()),
        ],
        special: vec![
            SpecialDays {
                from: at("2025-06-06T00:00:00+03:00"),
                to: at("2025-06-08T00:00:00+03:00"),
                spans: Vec::new(),
            },
            SpecialDays {
                from: at("2025-09-23T00:00:00+03:00"),
                to: at("2025-09-23T00:00:00+03:00"),
                spans: vec![span("18:00", "23:00")],
            },
        ],
    };
    let status = |from, to| Some(Transition { from, to });
    let suspended = Payload::Status(StoreStatus {
        status: status(coded(3, "operating"), coded(4, "suspended")),
        ..StoreStatus::default()
    })
    .into();
    let resting = Payload::Status(StoreStatus {
        status: status(coded(3, "operating"), coded(3, "operating")),
        delivery_rest: status(number(0), number(1)),
        pickup_rest: status(number(0), number(0)),
    })
    .into();
    let problems = vec![
        TaskProblem {
            name: Some("Lemon tea".to_owned()),
            item_code: Some("A-17".to_owned()),
            pictures: Some(2),
            ..TaskProblem::default()
        },
        TaskProblem {
            code: Some("1203".to_owned()),
            message: Some("price missing".to_owned()),
            ..TaskProblem::default()
        },
    ];
    let task = |problems: &[TaskProblem]| {
        Payload::Task(Task { id: Some("t-9981".to_owned()), problems: problems.to_vec() }).into()
    };
    let authorisation = |authorisation| Payload::Authorisation(authorisation).into();
    let brand = Authorisation {
        id: Some("a-1".to_owned()),
        brand: Some("Harbour".to_owned()),
        shops: vec!["466663".to_owned(), "466664".to_owned()],
        code_received: false,
    };
    let of_shop = |variant, kind, data| sample(variant, event(kind, data), None);
    let mut brand_withdrawn = event(Kind::AppDeauthorised, authorisation(brand));
    brand_withdrawn.shop = None;
    let code = Authorisation { code_received: true, ..Authorisation::default() };
    let mut code_received = event(Kind::AppAuthorised, authorisation(code));
    code_received.shop = None;
    let granted = Authorisation { id: Some("a-1".to_owned()), ..Authorisation::default() };
    vec![
        of_shop("full", Kind::StoreHours, Payload::Hours(hours).into()),
        of_shop("suspended", Kind::StoreStatus, suspended),
        of_shop("resting", Kind::StoreStatus, resting),
        of_shop("thin", Kind::StoreStatus, Data::default()),
        of_shop("well", Kind::MenuImages, task(&[])),
        of_shop("problems", Kind::MenuImages, task(&problems)),
        of_shop("well", Kind::MenuSync, task(&[])),
        of_shop("problems", Kind::MenuSync, task(&problems)),
        of_shop("shop", Kind::AppAuthorised, authorisation(granted)),
        sample("code", code_received, None),
        sample("brand", brand_withdrawn, None),
    ]
}
