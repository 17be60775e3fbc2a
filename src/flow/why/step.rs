//! What happened to a delivery besides its tries, in words.

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::flow::why::setting::Setting;
use crate::flow::why::timeline::TimelineEntry;
use crate::store::history::found::StepTaken;

pub fn line(taken: &StepTaken, setting: &Setting<'_>) -> TimelineEntry {
    let detail = detail(&taken.detail, setting);
    let after = |before: &str, after: &str| match detail.is_empty() {
        true => format!("{before}{after}."),
        false => format!("{before} {detail}{after}."),
    };
    let says = match taken.step.as_str() {
        "held" if is_moment(&taken.detail) => format!("It was held back in the quiet hours, until {detail}."),
        "held" if detail.is_empty() => "It was held back in the quiet hours.".to_owned(),
        "held" => format!("It was held back: {detail}."),
        "clock_set" => "This machine's clock was put back; what it waited for counts from then on.".to_owned(),
        "let_go" => "The quiet hours hold it no longer, and it was let go.".to_owned(),
        "gathered" => after("It was put into one message with others, that of", ""),
        "left_out" => "The message that it was in with others had to be shorter, so it goes another time.".to_owned(),
        "returned" => "The message that it was in with others was given up, so it goes by itself.".to_owned(),
        "fell_back" => after("It was handed on to", " as well"),
        "told_elsewhere" => after("It was delivered elsewhere:", ""),
        "revived" => {
            "It had used its schedule up; because it was delivered elsewhere, it is tried by another one.".to_owned()
        }
        "caught_up" => "The channel has caught up with it.".to_owned(),
        "redelivered" => "A person asked for it once more; it is composed anew.".to_owned(),
        "cancelled" if detail.is_empty() => "A person cancelled it.".to_owned(),
        "cancelled" if taken.detail.parse::<DeliveryId>().is_ok() => {
            format!("A person cancelled it. It stood in the message of {detail}.")
        }
        "cancelled" => format!("It was cancelled: {detail}."),
        "released" => {
            "The message that it was in with others was taken back by a person, so it goes by itself.".to_owned()
        }
        // Of a version that knows more.
        other => after(other, ""),
    };
    TimelineEntry::at(taken.at, says).with("step", taken.step.clone()).with("detail", taken.detail.clone())
}

fn is_moment(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok()
}

/// A moment in the time zone, an id as what it is, and everything else as it stands.
fn detail(text: &str, setting: &Setting<'_>) -> String {
    if let Ok(at) = text.parse::<Timestamp>() {
        return setting.time(at);
    }
    match text.parse::<DeliveryId>() {
        Ok(id) => format!("delivery {id}"),
        Err(_) => text.trim_end_matches('.').to_owned(),
    }
}
