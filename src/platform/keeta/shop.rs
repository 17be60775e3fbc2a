//! What Keeta sends of a shop, its menu and its authorisation.

use crate::domain::coded::Coded;
use crate::domain::data::{Authorisation, Task, TaskProblem, Transition};
use crate::domain::hours::{Day, Hours, Span, SpecialDays};
use crate::domain::payload::StoreStatus;
use crate::platform::field::JsonField;

const STORE: [(i64, &str); 2] = [(3, "operating"), (4, "suspended")];

/// 1101: opening hours.
pub fn hours(message: &JsonField) -> Option<Hours> {
    let week = message.get("businessHourOfTheWeek");
    let day = |day: &str| {
        let spans = week.get(day);
        spans.is_there().then(|| Day { day: day.to_owned(), spans: spans_of(&spans) })
    };
    let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].into_iter().filter_map(day).collect();
    let special = |special: JsonField| {
        let from = special.get("startDate").instant()?;
        let to = special.get("endDate").instant().unwrap_or(from);
        Some(SpecialDays { from, to, spans: spans_of(&special.get("businessHour")) })
    };
    let special = message.get("specialBusinessHour").list().filter_map(special).collect();
    let hours = Hours { week, special };
    (hours != Hours::default()).then_some(hours)
}

/// Seconds of the day; 0 to 0 is closed, and so is no span at all.
fn spans_of(field: &JsonField) -> Vec<Span> {
    const DAY_SECONDS: u64 = 86_400;
    let clock = |seconds: u64| format!("{:02}:{:02}", seconds / 3600, seconds % 3600 / 60);
    let span = |span: JsonField| {
        let (from, to) = (span.get("startTime").count()?, span.get("endTime").count()?);
        let open = (from, to) != (0, 0) && from <= DAY_SECONDS && to <= DAY_SECONDS;
        open.then(|| Span { from: clock(from), to: clock(to) })
    };
    field.list().filter_map(span).collect()
}

/// 1102: the shop opened or closed, or one of its services pauses. It is sent even when the overall state stays.
pub fn status(message: &JsonField) -> Option<StoreStatus> {
    let change = |from: &str, to: &str, words: &[(i64, &str)]| {
        let coded = |name| message.get(name).integer().map(|code| Coded::of(code, words));
        let change = Transition { from: coded(from), to: coded(to) };
        change.to.is_some().then_some(change)
    };
    let status = StoreStatus {
        status: change("fromStatus", "toStatus", &STORE),
        delivery_rest: change("fromDeliveryRestStatus", "toDeliveryRestStatus", &[]),
        pickup_rest: change("fromPickupRestStatus", "toPickupRestStatus", &[]),
    };
    (status != StoreStatus::default()).then_some(status)
}

/// 1201 and 1202: pictures were bound, or the menu was taken over; with what went wrong.
pub fn task(message: &JsonField) -> Option<Task> {
    let problem = |problem: JsonField| {
        let refused = problem.get("errorPictureList").list().count() as u64;
        TaskProblem {
            name: problem.get("name").text(),
            item_code: problem.get("openItemCode").text(),
            code: problem.get("code").text(),
            message: problem.get("message").text(),
            pictures: (refused > 0).then_some(refused),
        }
    };
    let problems = message.get("errorList").or(message.get("errorSpuDTOList"));
    let problems = problems.list().filter(JsonField::is_object).map(problem).collect();
    let task = Task { id: message.get("taskId").id(), problems };
    (task != Task::default()).then_some(task)
}

/// 1301 to 1303: who let the application in, or put it out.
pub fn authorisation(message: &JsonField) -> Option<Authorisation> {
    message.is_object().then(|| Authorisation {
        id: message.get("authId").id(),
        brand: message.get("brandName").text(),
        shops: message.get("shopIds").list().filter_map(|id| id.id()).collect(),
        code_received: false,
    })
}
