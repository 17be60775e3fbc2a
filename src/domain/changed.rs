//! What a second message of the whole order says that is other than what is known of it: items, quantities, options, notes
//! and total, compared as they were parsed.
//!
//! What a kitchen would cook counts, not how it is written: lines of the same name, options and note are one item with the sum
//! of their quantities, in whatever sequence they stand, and prices matter by the total alone. What is unknown on either side
//! is no difference. The newest envelope counts; of two of the same second the one that came last.

mod item;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::changed::item::{Item, items, items_of, items_stated};
use crate::domain::data::{Diff, OrderChanges};
use crate::domain::event::Event;
use crate::domain::money::Money;
use crate::domain::order::{Order, OrderLine, OrderUpdate};
use crate::domain::unreadable;

/// How templates and the words of a language call the kind of an event that changes an order.
pub const NAME: &str = "order.changed";

/// So far ahead of our clock a time is still one to go by. A platform's clock that was further ahead once must not make
/// everything after it old.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// What an event changes of an order that is known: `None` when it says nothing else, or is older than what is known.
pub fn by(known: &Order, event: &Event) -> Option<OrderChanges> {
    let news = event.order.as_ref()?;
    if is_older(known, news, event.received_at) {
        return None;
    }
    let lines = line_diffs(items_of(known), items_stated(news));
    let total = total(known, news, !lines.is_empty());
    (total.is_some() || !lines.is_empty()).then(|| OrderChanges { total, note: note(&lines), lines })
}

/// Takes from an event that tells the whole order what was unknown and, where the event is known to change the order, what it
/// changes.
pub fn merge(order: &mut Order, event: &Event) {
    let Some(news) = &event.order else { return };
    let is_older = is_older(order, news, event.received_at);
    let lines_differ = !line_diffs(items_of(order), items_stated(news)).is_empty();
    let differs = lines_differ || total(order, news, false).is_some();
    let replaces = event.data.changed.is_some() && !is_older;
    if differs && !replaces {
        return;
    }
    if let Some(stated) = &news.total {
        let is_unknown = order.total.is_none() || (order.total_is_approximate && !news.total_is_approximate);
        let is_comparable = order.total_is_approximate == news.total_is_approximate;
        if is_unknown || (replaces && (lines_differ || is_comparable)) {
            order.total = Some(stated.clone());
            order.total_is_approximate = news.total_is_approximate;
        }
    }
    order.lines = match order.lines.is_empty() || lines_differ || unreadable::has_fuller_lines(order, news) {
        // What of a line that changed could not be read is not what it was.
        true if replaces && lines_differ => completed(&news.lines, &order.lines, &news.unreadable),
        true => completed(&news.lines, &order.lines, &[]),
        false => completed(&order.lines, &news.lines, &[]),
    };
    if !is_older {
        order.as_of = news.as_of.or(order.as_of);
    }
}

fn is_older(known: &Order, news: &OrderUpdate, received_at: Timestamp) -> bool {
    let is_credible = |at: Timestamp| at.duration_since(received_at) <= AHEAD;
    matches!((known.as_of, news.as_of), (Some(known), Some(stated)) if stated < known && is_credible(known))
}

/// A sum of the lines says nothing against a total that the platform sent, as long as the lines are the same.
fn total(known: &Order, news: &OrderUpdate, lines_differ: bool) -> Option<Diff<Money>> {
    let (was, is) = (known.total.as_ref()?, news.total.as_ref()?);
    let comparable = lines_differ || known.total_is_approximate == news.total_is_approximate;
    (comparable && was != is).then(|| Diff { was: Some(was.clone()), is: Some(is.clone()) })
}

/// The items that are other than they were, in the sequence of the new ones; those that are gone at the end. A list without
/// lines is one that is not known.
fn line_diffs<'a>(known: Vec<(Item<'a>, OrderLine)>, stated: Vec<(Item<'a>, OrderLine)>) -> Vec<Diff<OrderLine>> {
    if known.is_empty() || stated.is_empty() {
        return Vec::new();
    }
    diffs(known, stated)
}

fn diffs<'a>(mut known: Vec<(Item<'a>, OrderLine)>, stated: Vec<(Item<'a>, OrderLine)>) -> Vec<Diff<OrderLine>> {
    let mut differences: Vec<(usize, Diff<OrderLine>)> = Vec::new();
    let mut others: Vec<(usize, Item<'_>, OrderLine)> = Vec::new();
    for (place, (item, is)) in stated.into_iter().enumerate() {
        match known.iter().position(|(known, _)| *known == item) {
            Some(found) => {
                let (_, was) = known.remove(found);
                if matches!((was.quantity, is.quantity), (Some(was), Some(is)) if was != is) {
                    differences.push((place, Diff { was: Some(was), is: Some(is) }));
                }
            }
            None => others.push((place, item, is)),
        }
    }
    others.retain(|(_, item, is)| {
        let same = |(other, was): &(Item<'_>, OrderLine)| {
            let quantities = was.quantity.zip(is.quantity);
            item.may_be(other) && quantities.is_none_or(|(was, is)| was == is)
        };
        let found = known.iter().position(same);
        found.inspect(|found| drop(known.remove(*found))).is_none()
    });
    // An item with another note or other options is the same dish, changed.
    for (place, item, is) in others {
        let alike = known.iter().enumerate().filter_map(|(at, (known, _))| Some((known.likeness(&item)?, at)));
        let best = alike.max_by_key(|(likeness, at)| (*likeness, std::cmp::Reverse(*at)));
        let was = best.map(|(_, at)| known.remove(at).1);
        differences.push((place, Diff { was, is: Some(is) }));
    }
    differences.sort_by_key(|(place, _)| *place);
    let gone = known.into_iter().map(|(_, was)| Diff { was: Some(was), is: None });
    differences.into_iter().map(|(_, difference)| difference).chain(gone).collect()
}

/// Lines with what is unknown of them as other lines have it, where there is no doubt which line is which, and it is not among
/// what was `unread` of them.
fn completed(lines: &[OrderLine], others: &[OrderLine], unread: &[String]) -> Vec<OrderLine> {
    let is_complete = |line: &OrderLine| line.quantity.is_some() && line.unit_price.is_some();
    if others.is_empty() || lines.iter().all(is_complete) {
        return lines.to_vec();
    }
    let (own, theirs) = (by_item(lines), by_item(others));
    let complete = |(index, line): (usize, &OrderLine)| {
        let item = Item::of(line);
        let pair = (own.get(&item).map(Vec::as_slice), theirs.get(&item).map(Vec::as_slice));
        let (Some([_]), Some([other])) = pair else { return line.clone() };
        let is_read = |part: &str| !unread.contains(&format!("/lines/{index}/{part}"));
        OrderLine {
            quantity: line.quantity.or(other.quantity.filter(|_| is_read("quantity"))),
            unit_price: line.unit_price.clone().or(other.unit_price.clone().filter(|_| is_read("unit_price"))),
            ..line.clone()
        }
    };
    lines.iter().enumerate().map(complete).collect()
}

fn by_item(lines: &[OrderLine]) -> BTreeMap<Item<'_>, Vec<&OrderLine>> {
    let mut items: BTreeMap<Item<'_>, Vec<&OrderLine>> = BTreeMap::new();
    lines.iter().for_each(|line| items.entry(Item::of(line)).or_default().push(line));
    items
}

/// The notes that went and those that came.
fn note(lines: &[Diff<OrderLine>]) -> Option<Diff<String>> {
    let notes = |line: fn(&Diff<OrderLine>) -> Option<&OrderLine>| -> Vec<&str> {
        lines.iter().filter_map(line).filter_map(|line| line.note.as_deref()).collect()
    };
    let (mut was, mut is) = (notes(|one| one.was.as_ref()), notes(|one| one.is.as_ref()));
    is.retain(|note| match was.iter().position(|known| known == note) {
        Some(same) => {
            was.remove(same);
            false
        }
        None => true,
    });
    let joined = |notes: Vec<&str>| (!notes.is_empty()).then(|| notes.join(" · "));
    let (was, is) = (joined(was), joined(is));
    (was.is_some() || is.is_some()).then_some(Diff { was, is })
}

impl OrderChanges {
    /// This change and a later one as one: from what was before this to what is after that.
    pub fn then(self, later: OrderChanges) -> OrderChanges {
        let total = match (self.total, later.total) {
            (Some(first), Some(second)) => Some(Diff { was: first.was, is: second.is }),
            (first, second) => first.or(second),
        };
        let lines = self.lines.into_iter().chain(later.lines);
        let (was, is): (Vec<_>, Vec<_>) = lines.map(|Diff { was, is }| (was, is)).unzip();
        let mut was: Vec<OrderLine> = was.into_iter().flatten().collect();
        let mut is: Vec<OrderLine> = is.into_iter().flatten().collect();
        // What came and went in between is neither.
        was.retain(|line| {
            let same = |other: &OrderLine| Item::of(other) == Item::of(line) && other.quantity == line.quantity;
            match is.iter().position(same) {
                Some(same) => {
                    is.remove(same);
                    false
                }
                None => true,
            }
        });
        let lines = diffs(items(&was, &[]), items(&is, &[]));
        OrderChanges { total: total.filter(|total| total.was != total.is), note: note(&lines), lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: impl Into<Option<u64>>, name: &str, note: &str) -> OrderLine {
        let note = (!note.is_empty()).then(|| note.to_owned());
        OrderLine { name: name.to_owned(), quantity: quantity.into(), note, ..OrderLine::default() }
    }

    fn line_diffs(known: &[OrderLine], stated: &[OrderLine]) -> Vec<Diff<OrderLine>> {
        super::line_diffs(items(known, &[]), items(stated, &[]))
    }

    /// Each difference in short: what was, and what is.
    fn shown(differences: &[Diff<OrderLine>]) -> Vec<(String, String)> {
        let text = |line: &Option<OrderLine>| {
            line.as_ref().map_or(String::new(), |line| {
                let quantity = line.quantity.map_or("?".to_owned(), |quantity| quantity.to_string());
                format!("{quantity} {} {}", line.name, line.note.as_deref().unwrap_or_default()).trim_end().to_owned()
            })
        };
        differences.iter().map(|one| (text(&one.was), text(&one.is))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(was, is)| ((*was).to_owned(), (*is).to_owned())).collect()
    }

    #[test]
    fn lines_of_one_item_add_up_and_their_sequence_says_nothing() {
        let known = [line(2, "tea", ""), line(1, "ribs", ""), line(1, "tea", "")];
        assert_eq!(line_diffs(&known, &[line(1, "ribs", ""), line(3, "tea", "")]), []);
        assert_eq!(
            shown(&line_diffs(&known, &[line(1, "ribs", ""), line(2, "tea", "")])),
            pairs(&[("3 tea", "2 tea")])
        );
        assert_eq!(line_diffs(&known, &[line(1, "ribs", ""), line(None, "tea", "")]), [], "unknown is no difference");
        assert_eq!((line_diffs(&known, &[]), line_diffs(&[], &known)), (vec![], vec![]));
    }

    #[test]
    fn what_could_not_be_read_on_either_side_is_no_difference() {
        let known = [line(2, "tea", ""), line(1, "", ""), line(1, "ribs", "")];
        let stated = [line(2, "tea", ""), line(1, "Pie", ""), line(1, "ribs", "no nuts")];
        let differences = |known_unread: &[&str], stated_unread: &[&str]| {
            let list = |unread: &[&str]| unread.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
            let (known_unread, stated_unread) = (list(known_unread), list(stated_unread));
            shown(&super::line_diffs(items(&known, &known_unread), items(&stated, &stated_unread)))
        };
        assert_eq!(differences(&["/lines/1/name", "/lines/2/note"], &[]), []);
        assert_eq!(differences(&["/lines/1"], &["/lines/2/note"]), []);
        assert_eq!(differences(&["/lines/1/name"], &[]), pairs(&[("1 ribs", "1 ribs no nuts")]));
        assert_eq!(differences(&["/lines/1/name", "/lines/2/quantity"], &[]), pairs(&[("1 ribs", "1 ribs no nuts")]));
    }

    #[test]
    fn the_sequence_of_options_says_nothing_and_another_option_is_another_item() {
        let with = |options: &[&str]| OrderLine {
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            ..line(1, "tea", "")
        };
        assert_eq!(line_diffs(&[with(&["a", "b"])], &[with(&["b", "a"])]), []);
        let changed = line_diffs(&[with(&["a"])], &[with(&["a", "b"])]);
        assert_eq!(
            (changed.len(), changed[0].was.as_ref(), changed[0].is.as_ref()),
            (1, Some(&with(&["a"])), Some(&with(&["a", "b"])))
        );
    }

    #[test]
    fn another_note_is_the_same_dish_changed_and_what_is_left_came_or_went() {
        let known = [line(2, "tea", ""), line(1, "ribs", "hot"), line(1, "egg", "")];
        let stated = [line(1, "ribs", "NO PEANUTS"), line(1, "tea", ""), line(1, "tea", "no ice"), line(1, "tart", "")];
        let changed = line_diffs(&known, &stated);
        let expected = [
            ("1 ribs hot", "1 ribs NO PEANUTS"),
            ("2 tea", "1 tea"),
            ("", "1 tea no ice"),
            ("", "1 tart"),
            ("1 egg", ""),
        ];
        assert_eq!(shown(&changed), pairs(&expected));
        let note = note(&changed).expect("other notes");
        assert_eq!((note.was.as_deref(), note.is.as_deref()), (Some("hot"), Some("NO PEANUTS · no ice")));
    }

    #[test]
    fn several_changes_are_one_from_the_first_to_the_last() {
        let states = [
            vec![line(2, "tea", ""), line(1, "ribs", "")],
            vec![line(3, "tea", ""), line(1, "ribs", "hot"), line(1, "tart", "")],
            vec![line(4, "tea", ""), line(1, "ribs", "hot")],
            vec![line(2, "tea", ""), line(1, "ribs", "")],
        ];
        let step = |from: usize, to: usize| {
            let lines = line_diffs(&states[from], &states[to]);
            OrderChanges { note: note(&lines), lines, total: None }
        };
        let sorted = |changed: OrderChanges| {
            let mut lines = shown(&changed.lines);
            lines.sort_unstable();
            (lines, changed.note, changed.total)
        };
        assert_eq!(sorted(step(0, 1).then(step(1, 2))), sorted(step(0, 2)));
        assert_eq!(step(0, 1).then(step(1, 2)).then(step(2, 3)), OrderChanges::default(), "it is as it was");
    }
}
