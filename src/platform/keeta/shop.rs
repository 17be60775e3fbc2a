//! What Keeta tells of a shop, its menu and its authorisation.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::data::Authorisation;
use crate::domain::data::Change;
use crate::domain::data::Coded;
use crate::domain::data::Data;
use crate::domain::data::Problem;
use crate::domain::data::Task;
use crate::domain::event::Kind;
use crate::domain::hours::Day;
use crate::domain::hours::Hours;
use crate::domain::hours::Span;
use crate::domain::hours::SpecialDays;
use crate::platform::field;
use crate::platform::field::Field;
use crate::platform::keeta::parse::Story;

const STORE: [(i64, &str); 2] = [(3, "operating"), (4, "suspended")];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HoursMessage<'a> {
    #[serde(borrow)]
    business_hour_of_the_week: Field<'a>,
    #[serde(borrow)]
    special_business_hour: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecialMessage<'a> {
    #[serde(borrow)]
    start_date: Field<'a>,
    #[serde(borrow)]
    end_date: Field<'a>,
    #[serde(borrow)]
    business_hour: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanMessage<'a> {
    #[serde(borrow)]
    start_time: Field<'a>,
    #[serde(borrow)]
    end_time: Field<'a>,
}

/// 1101: opening hours.
pub fn hours(message: &str) -> Option<Story> {
    let message: HoursMessage = serde_json::from_str(message).ok()?;
    let week: HashMap<&str, &RawValue> = field::object(message.business_hour_of_the_week).unwrap_or_default();
    let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .into_iter()
        .filter_map(|day| week.get(day).map(|spans| Day { day: day.to_owned(), spans: spans_of(Some(spans)) }))
        .collect();
    let special = |raw: &RawValue| {
        let special: SpecialMessage = serde_json::from_str(raw.get()).ok()?;
        let from = field::instant(special.start_date)?;
        let to = field::instant(special.end_date).unwrap_or(from);
        Some(SpecialDays { from, to, spans: spans_of(special.business_hour) })
    };
    let special = field::list(message.special_business_hour).into_iter().filter_map(special).collect();
    let hours = Hours { week, special };
    (hours != Hours::default()).then(|| Story::of(Kind::StoreHours, Data { hours: Some(hours), ..Data::default() }))
}

/// Seconds of the day; 0 to 0 is closed, and so is no span at all.
fn spans_of(field: Field<'_>) -> Vec<Span> {
    const DAY_SECONDS: u64 = 86_400;
    let clock = |seconds: u64| format!("{:02}:{:02}", seconds / 3600, seconds % 3600 / 60);
    let span = |raw: &RawValue| {
        let span: SpanMessage = serde_json::from_str(raw.get()).ok()?;
        let (from, to) = (field::count(span.start_time)?, field::count(span.end_time)?);
        let open = (from, to) != (0, 0) && from <= DAY_SECONDS && to <= DAY_SECONDS;
        open.then(|| Span { from: clock(from), to: clock(to) })
    };
    field::list(field).into_iter().filter_map(span).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusMessage<'a> {
    #[serde(borrow)]
    from_status: Field<'a>,
    #[serde(borrow)]
    to_status: Field<'a>,
    #[serde(borrow)]
    from_delivery_rest_status: Field<'a>,
    #[serde(borrow)]
    to_delivery_rest_status: Field<'a>,
    #[serde(borrow)]
    from_pickup_rest_status: Field<'a>,
    #[serde(borrow)]
    to_pickup_rest_status: Field<'a>,
}

/// 1102: the shop opened or closed, or one of its services rests. It is sent even when the overall state stays.
pub fn status(message: &str) -> Option<Story> {
    let message: StatusMessage = serde_json::from_str(message).ok()?;
    let change = |from: Field<'_>, to: Field<'_>, words: &[(i64, &str)]| {
        let coded = |field| field::integer(field).map(|code| Coded::of(code, words));
        let change = Change { from: coded(from), to: coded(to) };
        change.to.is_some().then_some(change)
    };
    let data = Data {
        status: change(message.from_status, message.to_status, &STORE),
        delivery_rest: change(message.from_delivery_rest_status, message.to_delivery_rest_status, &[]),
        pickup_rest: change(message.from_pickup_rest_status, message.to_pickup_rest_status, &[]),
        ..Data::default()
    };
    (data != Data::default()).then(|| Story::of(Kind::StoreStatus, data))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskMessage<'a> {
    #[serde(borrow)]
    task_id: Field<'a>,
    #[serde(borrow)]
    error_list: Field<'a>,
    #[serde(rename = "errorSpuDTOList", borrow)]
    error_spus: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProblemMessage<'a> {
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    open_item_code: Field<'a>,
    #[serde(borrow)]
    code: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
    #[serde(borrow)]
    error_picture_list: Field<'a>,
}

/// 1201 and 1202: pictures were bound, or the menu was taken over; with what went wrong.
pub fn task(message: &str, kind: Kind) -> Option<Story> {
    let message: TaskMessage = serde_json::from_str(message).ok()?;
    let problem = |raw: &RawValue| {
        let problem: ProblemMessage = serde_json::from_str(raw.get()).ok()?;
        let refused = field::list(problem.error_picture_list).len() as u64;
        Some(Problem {
            name: field::text(problem.name),
            item_code: field::text(problem.open_item_code),
            code: field::text(problem.code),
            message: field::text(problem.message),
            pictures: (refused > 0).then_some(refused),
        })
    };
    let problems = field::list(message.error_list.or(message.error_spus)).into_iter().filter_map(problem).collect();
    let task = Task { id: field::id(message.task_id), problems };
    (task != Task::default()).then(|| Story::of(kind, Data { task: Some(task), ..Data::default() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorisationMessage<'a> {
    #[serde(borrow)]
    auth_id: Field<'a>,
    #[serde(borrow)]
    create_time: Field<'a>,
    #[serde(borrow)]
    shop_name: Field<'a>,
    #[serde(borrow)]
    brand_name: Field<'a>,
    #[serde(borrow)]
    shop_ids: Field<'a>,
}

/// 1301 to 1303: a shop or a brand let the application in, or put it out.
pub fn authorised(message: &str, kind: Kind) -> Option<Story> {
    let message: AuthorisationMessage = serde_json::from_str(message).ok()?;
    let authorisation = Authorisation {
        id: field::id(message.auth_id),
        brand: field::text(message.brand_name),
        shops: field::list(message.shop_ids).into_iter().filter_map(|raw| field::id(Some(raw))).collect(),
        code_received: false,
    };
    Some(Story {
        occurred_at: field::instant(message.create_time),
        shop_name: field::text(message.shop_name),
        ..Story::of(kind, Data { authorisation: Some(authorisation), ..Data::default() })
    })
}
