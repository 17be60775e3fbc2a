//! The words of a report: with its picture as the channel can show it, and with shorter lists where there is not room for all.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::channel::{Channel, Pictures};
use crate::domain::document::PICTURE;
use crate::domain::figures::csv;
use crate::domain::message::{Attachments, Part, PartForm, TableFile};
use crate::domain::picture;
use crate::domain::picture::theme::Theme;
use crate::domain::report::Report;
use crate::domain::template::Templates;

/// A longer table is left out: many mail servers take 10 MB in all, and base64 adds a third.
const TABLE_BYTES: usize = 5_000_000;

/// Who reads a report.
#[derive(Clone, Copy)]
pub struct ReportAudience<'a> {
    pub channel: &'a dyn Channel,
    pub language: &'a str,
    pub templates: &'a Templates,
    pub form: PartForm,
}

impl ReportAudience<'_> {
    /// Composes a report with `compose`, which is given the report as its reader gets it and what goes along: the picture, and
    /// the orders as a table where there is one. Where it does not fit in one message it goes with shorter lists; what does
    /// not fit even so is split as any message.
    ///
    /// # Errors
    /// What `compose` says. That the picture cannot be drawn is no error: `failure` says so.
    pub fn written<E>(
        &self,
        report: &Report,
        table: Option<&str>,
        failure: &mut Option<String>,
        mut compose: impl FnMut(Report, Attachments) -> Result<Vec<Part>, E>,
    ) -> Result<Vec<Part>, E> {
        let (report, enclosed) = self.with_picture(report, table, failure);
        let behind = self.channel.pictures() == Pictures::Behind && enclosed.picture.is_some();
        let room = self.channel.parts_of_one() + usize::from(behind);
        let mut parts = compose(report.clone(), enclosed.clone())?;
        for times in 0.. {
            let Some(shorter) = report.shortened(times).filter(|_| parts.len() > room) else { break };
            parts = compose(shorter, enclosed.clone())?;
        }
        Ok(parts)
    }

    /// The report as the channel shows its picture, and what goes along.
    fn with_picture(
        &self,
        report: &Report,
        table: Option<&str>,
        failure: &mut Option<String>,
    ) -> (Report, Attachments) {
        let mut report = report.clone();
        let file = format!("{}-{}.csv", report.name, report.to);
        let table = table.filter(|_| self.form == PartForm::Full);
        let too_long = table.filter(|content| content.len() > TABLE_BYTES);
        if let Some(content) = too_long {
            *failure = Some(format!("the table is left out: it has {} MB", content.len() / 1_000_000));
        }
        let table = table.filter(|_| too_long.is_none());
        let words = self.templates.language(self.language);
        let localized = |table: &str| words.map_or_else(|| table.to_owned(), |words| csv::localized(table, words));
        let table = table.map(|content| TableFile { file, content: localized(content) });
        let address = report.picture.take();
        let ways = self.channel.pictures();
        let mut enclosed = Attachments { table, ..Attachments::default() };
        if self.form == PartForm::Reduced {
            return (report, enclosed);
        }
        if ways == Pictures::Fetched {
            report.picture = address.map(|address| self.in_language(&address));
            return (report, enclosed);
        }
        let drawn = |theme| drawn(&report, self.templates, self.language, theme).map(Arc::from);
        match drawn(Theme::Light) {
            Ok(picture) => enclosed.picture = Some(picture),
            Err(why) => {
                *failure = Some(format!("the picture is left out: {why}"));
                return (report, enclosed);
            }
        }
        match ways {
            Pictures::Within => {
                enclosed.dark_picture =
                    enclosed.picture.clone().map(|light| dark_or(light, drawn(Theme::Dark), failure));
                report.picture = Some(PICTURE.to_owned());
            }
            Pictures::Behind => report.picture_follows = true,
            Pictures::Fetched => {}
        }
        (report, enclosed)
    }

    /// The address of the picture in the reader's language, which is a part of its name.
    fn in_language(&self, address: &str) -> String {
        let name = address.strip_suffix(".png").unwrap_or(address);
        format!("{name}-{}.png", self.language)
    }
}

/// The picture for readers in the dark. The mail refers to one: where it cannot be drawn it is the light one.
fn dark_or(light: Arc<[u8]>, dark: Result<Arc<[u8]>, String>, failure: &mut Option<String>) -> Arc<[u8]> {
    dark.unwrap_or_else(|why| {
        *failure = Some(format!("the dark picture is the light one: {why}"));
        light
    })
}

/// The picture in a language.
///
/// # Errors
/// Why there is none.
pub fn drawn(report: &Report, templates: &Templates, language: &str, theme: Theme) -> Result<Vec<u8>, String> {
    let words = templates.language(language).ok_or("there are no words in its language")?;
    let drawn = std::panic::catch_unwind(AssertUnwindSafe(|| picture::report::png(report, words, theme)));
    drawn.map_err(|_| "orderbell met an internal error".to_owned())?.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_dark_picture_cannot_be_drawn_the_light_one_goes_in_its_place_and_it_is_said() {
        let picture = |bytes: &[u8]| Arc::<[u8]>::from(bytes);
        let mut failure = None;
        assert_eq!(dark_or(picture(b"light"), Ok(picture(b"dark")), &mut failure), picture(b"dark"));
        assert_eq!(failure, None);
        assert_eq!(dark_or(picture(b"light"), Err("no font".to_owned()), &mut failure), picture(b"light"));
        assert_eq!(failure.as_deref(), Some("the dark picture is the light one: no font"));
    }
}
