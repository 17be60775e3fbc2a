//! The picture of a report: its orders by hour, and the net amount of up to fourteen days in each currency. Names of shops and
//! products stand in the text alone, because they may be in any script.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::language::{DayFormat, Language};
use crate::domain::money::Money;
use crate::domain::picture::sheet::{Bar, Panel, Sheet, Unit};
use crate::domain::picture::theme::Theme;
use crate::domain::picture::{MAX_PANELS, PictureError};
use crate::domain::report::Report;
use crate::domain::{compose, picture};

/// The picture as a PNG, in the words of a language; in English where the built-in fonts lack its letters.
///
/// # Errors
/// [`PictureError`]; the report then goes without a picture.
pub fn png(report: &Report, words: &Language, theme: Theme) -> Result<Vec<u8>, PictureError> {
    match picture::png(&sheet(report, words, theme)) {
        Err(PictureError::MissingGlyph { character, label }) => match compose::words_for("en") {
            Some(english) => picture::png(&sheet(report, english, theme)),
            None => Err(PictureError::MissingGlyph { character, label }),
        },
        drawn => drawn,
    }
}

fn sheet<'a>(report: &Report, words: &'a Language, theme: Theme) -> Sheet<'a> {
    let day = |day: Date| words.date(day, DayFormat::Whole);
    let title = match report.from == report.to {
        true => day(report.to),
        false => format!("{} – {}", day(report.from), day(report.to)),
    };
    let mut panels = vec![hours(report, words)];
    panels.extend(currencies(report).into_iter().take(MAX_PANELS - 1).map(|currency| net(report, words, &currency)));
    Sheet { language: words, title, subtitle: subtitle(report), panels, theme }
}

/// Whose clock it goes by, and where the last day is not over, how far it goes.
fn subtitle(report: &Report) -> String {
    let zone = TimeZone::get(&report.timezone).ok().filter(|_| report.so_far);
    let until = zone.map(|zone| report.as_of.to_zoned(zone).strftime("00:00 – %H:%M, ").to_string());
    format!("{}{}", until.unwrap_or_default(), report.timezone)
}

fn hours(report: &Report, words: &Language) -> Panel {
    let bars = report.hours.iter().map(|hour| Bar { label: hour.hour.to_string(), value: hour.orders });
    Panel {
        title: words.word("chart.orders").unwrap_or("Orders by hour").to_owned(),
        figure: words.number(report.total.orders),
        unit: Unit::Count,
        bars: bars.collect(),
        highlight: None,
    }
}

fn net(report: &Report, words: &Language, currency: &str) -> Panel {
    let of = |amounts: &[Money]| amounts.iter().find(|money| money.currency == currency).map_or(0, |money| money.minor);
    let label = |day: Date| words.date(day, DayFormat::WithoutYear);
    let bars: Vec<Bar> = report.history.iter().map(|day| Bar { label: label(day.day), value: of(&day.net) }).collect();
    let title = words.word("chart.net").unwrap_or("Net amount by day, {currency}");
    let title = title.replace("{currency}", &words.currency_sign(currency));
    let figure = bars.last().map(|bar| words.money(&Money::new(bar.value, currency))).unwrap_or_default();
    let highlight = bars.len().checked_sub(1);
    Panel { title, figure, unit: Unit::Money(currency.to_owned()), bars, highlight }
}

/// Those of the days covered first.
fn currencies(report: &Report) -> Vec<String> {
    let mut known: Vec<String> = report.total.amounts.iter().map(|amounts| amounts.currency.clone()).collect();
    let past: BTreeSet<&str> =
        report.history.iter().flat_map(|day| &day.net).map(|money| money.currency.as_str()).collect();
    known.extend(
        past.into_iter()
            .filter(|currency| !report.total.amounts.iter().any(|own| own.currency == *currency))
            .map(str::to_owned),
    );
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language;
    use crate::domain::report::PastDay;

    #[test]
    fn a_day_that_is_not_over_says_how_far_it_goes() {
        let as_of = "2026-11-26T02:22:00Z".parse().unwrap();
        let over = Report { timezone: "Asia/Hong_Kong".to_owned(), as_of, ..Report::default() };
        assert_eq!(subtitle(&over), "Asia/Hong_Kong");
        assert_eq!(subtitle(&Report { so_far: true, ..over }), "00:00 – 10:22, Asia/Hong_Kong");
    }

    #[test]
    fn amounts_are_written_as_the_readers_country_writes_them() {
        let history = |currency: &str| PastDay {
            day: Date::constant(2026, 11, 26),
            orders: 1,
            net: vec![Money::new(123_456, currency)],
        };
        for (language, currency, figure, title) in [
            ("pt-BR", "BRL", "R$ 1.234,56", "Valor líquido por dia, R$"),
            ("pt-BR", "USD", "USD 1.234,56", "Valor líquido por dia, USD"),
            ("zh-HK", "HKD", "HK$1,234.56", "每日淨額，HK$"),
            ("zh-CN", "HKD", "HKD 1,234.56", "每日净额，HKD"),
            ("en", "HKD", "HKD 1,234.56", "Net amount by day, HKD"),
            ("ar", "KWD", "KWD 123.456", "الصافي حسب اليوم، KWD"),
        ] {
            let report = Report { history: vec![history(currency)], ..Report::default() };
            let panel = net(&report, language::built_in(language).unwrap(), currency);
            assert_eq!((panel.figure.as_str(), panel.title.as_str()), (figure, title), "{language}");
        }
    }
}
