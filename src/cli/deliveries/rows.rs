//! The rows of `orderbell deliveries` as people see them: one line each where there is room, else with what is to be said of
//! what has not arrived in a line below.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::table::{ColumnWidths, terminal_width};
use crate::domain::local_time;
use crate::domain::text::cap;
use crate::flow::delivery_list::RowHold;
use crate::store::history::list::{DeliveryRow, ShortName};

/// Of an answer, people get to see so many characters, or as many as the line has room for; `--format json` has it whole.
const ANSWER: usize = 60;
/// Less is no room for an answer.
const LEAST_ANSWER: usize = 20;
const INDENT: &str = "    ";

const HEADING: [&str; 9] = ["DELIVERY", "MADE", "KIND", "ORDER", "CHANNEL", "STATE", "TRIES", "NEXT TRY", "ANSWER"];
/// Of a narrow terminal; what is left out stands in the second line.
const NARROW_HEADING: [&str; 6] = ["DELIVERY", "MADE", "KIND", "ORDER", "CHANNEL", "STATE"];

pub struct RowLayout<'a> {
    pub zone: &'a TimeZone,
    pub now: Timestamp,
    /// What holds a delivery back at its channel.
    pub hold: &'a dyn Fn(&DeliveryRow) -> Option<RowHold>,
    /// Those of the first page, once it is known.
    pub columns: Option<RowColumns>,
}

pub enum RowColumns {
    Wide { columns: ColumnWidths, answer: usize },
    Narrow { columns: ColumnWidths, width: usize },
}

impl RowLayout<'_> {
    /// The rows of a page; the first one has the heading.
    pub fn text(&mut self, page: &[DeliveryRow], names: &[ShortName]) -> String {
        let mut text = String::new();
        let rows = || page.iter().zip(names);
        if self.columns.is_none() {
            let (columns, heading) = self.columns(page, names, terminal_width());
            text.push_str(&heading);
            self.columns = Some(columns);
        }
        match &self.columns {
            Some(RowColumns::Wide { columns, answer }) => {
                text.extend(rows().map(|(row, name)| columns.line(&self.wide(row, name, *answer))));
            }
            Some(RowColumns::Narrow { columns, width }) => {
                text.extend(rows().map(|(row, name)| columns.line(&self.narrow(row, name)) + &self.below(row, *width)));
            }
            None => {}
        }
        text
    }

    fn columns(&self, page: &[DeliveryRow], names: &[ShortName], width: Option<usize>) -> (RowColumns, String) {
        let rows = || page.iter().zip(names);
        let heading = HEADING.map(str::to_owned);
        let wide: Vec<_> =
            std::iter::once(heading.clone()).chain(rows().map(|(row, name)| self.wide(row, name, ANSWER))).collect();
        let columns = ColumnWidths::of(&wide);
        let room = width.map_or(ANSWER, |width| width.saturating_sub(columns.up_to(HEADING.len() - 1)).min(ANSWER));
        if room >= LEAST_ANSWER {
            let heading = columns.line(&heading);
            return (RowColumns::Wide { columns, answer: room }, heading);
        }
        let heading = NARROW_HEADING.map(str::to_owned);
        let narrow: Vec<_> =
            std::iter::once(heading.clone()).chain(rows().map(|(row, name)| self.narrow(row, name))).collect();
        let columns = ColumnWidths::of(&narrow);
        let heading = columns.line(&heading);
        (RowColumns::Narrow { columns, width: width.unwrap_or_default() }, heading)
    }

    fn wide(&self, row: &DeliveryRow, name: &ShortName, answer: usize) -> [String; 9] {
        let next = match (row.state.as_str(), row.digest) {
            ("waiting", None) => {
                let held = self.hold(row).and_then(|hold| hold.until);
                local_time::minute(held.unwrap_or(row.due_at).max(row.due_at), self.zone)
            }
            ("waiting", Some(_)) => "with another".to_owned(),
            _ => "-".to_owned(),
        };
        let [id, kind, order, channel, state] = cells(row, name);
        let made = local_time::minute(row.created_at, self.zone);
        let answer = cap(row.answer.as_deref().unwrap_or("-"), answer).into_owned();
        [id, made, kind, order, channel, state, row.attempts.to_string(), next, answer]
    }

    fn narrow(&self, row: &DeliveryRow, name: &ShortName) -> [String; 6] {
        let [id, kind, order, channel, state] = cells(row, name);
        [id, self.near(row.created_at), kind, order, channel, state]
    }

    fn hold(&self, row: &DeliveryRow) -> Option<RowHold> {
        (self.hold)(row).filter(|hold| hold.until.is_none_or(|until| until > self.now))
    }

    /// What is still to happen, and what was answered, of what has not arrived.
    fn below(&self, row: &DeliveryRow, width: usize) -> String {
        let tries = match row.attempts {
            0 => None,
            1 => Some("1 try".to_owned()),
            tries => Some(format!("{tries} tries")),
        };
        let next = match (row.state.as_str(), row.digest) {
            ("waiting", Some(_)) => Some("goes out with another".to_owned()),
            ("waiting", None) if row.due_at > self.now => Some(format!("next at {}", self.near(row.due_at))),
            ("waiting", None) => Some(match self.hold(row) {
                Some(RowHold { why, until: Some(until) }) => format!("{why}; next at {}", self.near(until)),
                Some(RowHold { why, until: None }) => why.to_owned(),
                None => "due now".to_owned(),
            }),
            ("dead", _) => None,
            _ => return String::new(),
        };
        let said: Vec<String> = tries.into_iter().chain(next).chain(row.answer.clone()).collect();
        if said.is_empty() {
            return String::new();
        }
        let said = said.join("; ");
        format!("{INDENT}{}\n", cap(&said, width.saturating_sub(INDENT.len()).max(LEAST_ANSWER)))
    }

    /// `19:54` of today, else `11-22 19:54`, or a day of another year.
    fn near(&self, at: Timestamp) -> String {
        let (at, now) = (at.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        let format = match () {
            () if at.date() == now.date() => "%H:%M",
            () if at.year() == now.year() => "%m-%d %H:%M",
            () => "%Y-%m-%d",
        };
        at.strftime(format).to_string()
    }
}

fn cells(row: &DeliveryRow, name: &ShortName) -> [String; 5] {
    let order = name.order.clone().unwrap_or_else(|| "-".to_owned());
    [name.id.clone(), row.kind.clone(), order, row.channel.clone(), row.state.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{DeliveryId, EventId};

    fn page() -> (Vec<DeliveryRow>, Vec<ShortName>) {
        let row = |kind: &str, channel: &str, state: &str, attempts, answer: Option<&str>| DeliveryRow {
            id: DeliveryId(uuid::Uuid::nil()),
            event: EventId(uuid::Uuid::nil()),
            kind: kind.to_owned(),
            source: "keeta-hk".to_owned(),
            order: Some("756823".to_owned()),
            channel: channel.to_owned(),
            state: state.to_owned(),
            attempts,
            created_at: "2026-11-22T11:54:00Z".parse().unwrap(),
            due_at: "2026-11-22T20:00:00Z".parse().unwrap(),
            answer: answer.map(str::to_owned),
            digest: None,
        };
        let long = format!("HTTP 500: {}", "sorry ".repeat(40));
        let rows = vec![
            row("order.placed", "kitchen", "delivered", 1, Some("errcode 0")),
            row("order.partial_refund", "owner", "waiting", 3, Some(&long)),
            row("stock.low", "office", "waiting", 0, None),
            row("stock.low", "office", "dead", 9, Some("no")),
        ];
        let name = |id: &str| ShortName { id: format!("019ad0f2-e1c4-700{id}"), order: Some("#29332222".to_owned()) };
        (rows, ["1", "2", "3", "4"].map(name).into())
    }

    fn shown(width: Option<usize>) -> String {
        shown_at("2026-11-22T12:00:00Z", width, &|_| None)
    }

    fn shown_at(now: &str, width: Option<usize>, hold: &dyn Fn(&DeliveryRow) -> Option<RowHold>) -> String {
        let (rows, names) = page();
        let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
        let now = now.parse().unwrap();
        let mut layout = RowLayout { zone: &zone, now, hold, columns: None };
        let (columns, heading) = layout.columns(&rows, &names, width);
        layout.columns = Some(columns);
        heading + &layout.text(&rows, &names)
    }

    #[test]
    fn in_a_narrow_terminal_what_has_not_arrived_has_a_second_line() {
        assert_eq!(
            shown(Some(80)),
            "DELIVERY            MADE   KIND                  ORDER      CHANNEL  STATE
019ad0f2-e1c4-7001  19:54  order.placed          #29332222  kitchen  delivered
019ad0f2-e1c4-7002  19:54  order.partial_refund  #29332222  owner    waiting
    3 tries; next at 11-23 04:00; HTTP 500: sorry sorry sorry sorry sorry sorry…
019ad0f2-e1c4-7003  19:54  stock.low             #29332222  office   waiting
    next at 11-23 04:00
019ad0f2-e1c4-7004  19:54  stock.low             #29332222  office   dead
    9 tries; no
"
        );
    }

    #[test]
    fn what_is_due_is_not_said_to_go_out_now_while_its_channel_is_held() {
        let hold = |row: &DeliveryRow| {
            let why = if row.channel == "owner" { "the channel is parked" } else { "rate limit used up" };
            Some(RowHold { why, until: "2026-11-22T21:41:00Z".parse().ok() })
        };
        let narrow = shown_at("2026-11-22T21:00:00Z", Some(80), &hold);
        assert!(narrow.contains("    3 tries; the channel is parked; next at 05:41; HTTP 500"), "{narrow}");
        assert!(narrow.contains("    rate limit used up; next at 05:41\n"), "{narrow}");
        let wide = shown_at("2026-11-22T21:00:00Z", None, &hold);
        assert_eq!(wide.matches("2026-11-23 05:41").count(), 2, "{wide}");
        // What has passed holds nothing.
        let later = shown_at("2026-11-22T22:00:00Z", Some(80), &hold);
        assert_eq!(later.matches("due now").count(), 2, "{later}");
    }

    #[test]
    fn where_there_is_room_a_delivery_is_a_line() {
        for width in [None, Some(140), Some(200)] {
            let shown = shown(width);
            assert_eq!(shown.lines().count(), 5, "{shown}");
            let longest = shown.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width.unwrap_or(180), "{longest}: {shown}");
            assert!(shown.contains("waiting    3      2026-11-23 04:00  HTTP 500: sorry"), "{shown}");
        }
    }
}
