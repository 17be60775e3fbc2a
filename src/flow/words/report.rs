//! The words of a report: with its picture as the channel can show it, and with shorter lists where there is not room for all.

use std::panic::AssertUnwindSafe;

use crate::channel::Pictures;
use crate::domain::message::Enclosed;
use crate::domain::message::Form;
use crate::domain::message::PICTURE;
use crate::domain::message::Part;
use crate::domain::message::Table;
use crate::domain::report::Report;
use crate::domain::report::sheet;
use crate::domain::template::Templates;
use crate::flow::lane::Lane;
use crate::store::Due;

/// Composes a report with `compose`, which is given the report as its reader gets it and what goes along. Where it does not fit
/// in one message it is told with shorter lists; what does not fit even so is split as any message.
pub fn written<E>(
    lane: &Lane,
    templates: &Templates,
    due: &Due,
    report: &Report,
    failure: &mut Option<String>,
    mut compose: impl FnMut(&Due, Enclosed) -> Result<Vec<Part>, E>,
) -> Result<Vec<Part>, E> {
    let (report, enclosed) = with_picture(lane, templates, due, report, failure);
    let behind = lane.channel.pictures() == Pictures::Behind && enclosed.picture.is_some();
    let room = lane.channel.parts_of_one() + usize::from(behind);
    let mut told = |report: Report| {
        let mut due = due.clone();
        due.event.data.report = Some(Box::new(report));
        compose(&due, enclosed.clone())
    };
    let mut parts = told(report.clone())?;
    for times in 0.. {
        let Some(shorter) = report.shortened(times).filter(|_| parts.len() > room) else { break };
        parts = told(shorter)?;
    }
    Ok(parts)
}

/// The report as the channel shows its picture, and what goes along.
fn with_picture(
    lane: &Lane,
    templates: &Templates,
    due: &Due,
    report: &Report,
    failure: &mut Option<String>,
) -> (Report, Enclosed) {
    let mut report = report.clone();
    let file = format!("{}-{}.csv", report.name, report.to);
    let table = due.table.clone().map(|content| Table { file, content });
    let address = report.picture.take();
    let ways = lane.channel.pictures();
    let mut enclosed = Enclosed { picture: None, table };
    if due.form == Form::Reduced {
        return (report, enclosed);
    }
    if ways == Pictures::Fetched {
        // Its language is a part of the name.
        report.picture = address.map(|address| address.replace(".png", &format!("-{}.png", lane.language)));
        return (report, enclosed);
    }
    match drawn(&report, templates, &lane.language) {
        Ok(picture) => enclosed.picture = Some(picture.into()),
        Err(why) => {
            *failure = Some(format!("the picture is left out: {why}"));
            return (report, enclosed);
        }
    }
    match ways {
        Pictures::Within => report.picture = Some(PICTURE.to_owned()),
        Pictures::Behind => report.picture_follows = true,
        Pictures::Fetched => {}
    }
    (report, enclosed)
}

/// The picture in a language.
///
/// # Errors
/// Why there is none.
pub fn drawn(report: &Report, templates: &Templates, language: &str) -> Result<Vec<u8>, String> {
    let words = templates.language(language).ok_or("there are no words in its language")?;
    let drawn = std::panic::catch_unwind(AssertUnwindSafe(|| sheet::png(report, words)));
    drawn.map_err(|_| "orderbell met a fault of its own".to_owned())?.map_err(|error| error.to_string())
}
