//! What makes two lines of an order the same item, as far as they could be read.

use std::collections::BTreeMap;

use crate::domain::order::{Order, OrderLine, OrderUpdate};

/// What makes lines the same item. Options are a set: their sequence says nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item<'a> {
    name: &'a str,
    options: Vec<&'a str>,
    note: Option<&'a str>,
    doubt: Doubt,
}

/// What of a line could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Doubt {
    name: bool,
    options: bool,
    note: bool,
}

impl Doubt {
    /// Of each of so many lines, by the pointers into their order.
    fn of_lines(count: usize, unreadable: &[String]) -> Vec<Doubt> {
        let mut doubts = vec![Doubt::default(); count];
        for pointer in unreadable {
            let mut steps = pointer.strip_prefix("/lines/").unwrap_or_default().split('/');
            let index = steps.next().and_then(|index| index.parse::<usize>().ok());
            let Some(doubt) = index.and_then(|index| doubts.get_mut(index)) else { continue };
            match steps.next() {
                Some("name") => doubt.name = true,
                Some("options") => doubt.options = true,
                Some("note") => doubt.note = true,
                Some(_) => {}
                None => *doubt = Doubt { name: true, options: true, note: true },
            }
        }
        doubts
    }
}

impl<'a> Item<'a> {
    pub fn of(line: &'a OrderLine) -> Self {
        let mut options: Vec<&str> = line.options.iter().map(String::as_str).collect();
        options.sort_unstable();
        Self { name: &line.name, options, note: line.note.as_deref(), doubt: Doubt::default() }
    }

    /// Whether it may be the same item, because what is other of them could not be read of one.
    pub fn may_be(&self, other: &Item<'_>) -> bool {
        let doubt = |of: fn(&Doubt) -> bool| of(&self.doubt) || of(&other.doubt);
        self.doubt.max(other.doubt) != Doubt::default()
            && (self.name == other.name || doubt(|doubt| doubt.name))
            && (self.options == other.options || doubt(|doubt| doubt.options))
            && (self.note == other.note || doubt(|doubt| doubt.note))
    }

    /// How much of another item this one is, beyond the name; `None` for an item of another name.
    pub fn likeness(&self, other: &Item<'_>) -> Option<u8> {
        (self.name == other.name)
            .then(|| 2 * u8::from(self.options == other.options) + u8::from(self.note == other.note))
    }
}

pub fn items_of(order: &Order) -> Vec<(Item<'_>, OrderLine)> {
    items(&order.lines, &order.unreadable)
}

pub fn items_stated(news: &OrderUpdate) -> Vec<(Item<'_>, OrderLine)> {
    items(&news.lines, &news.unreadable)
}

/// One line for each item, with the sum of their quantities; unknown where one of them is.
pub fn items<'a>(lines: &'a [OrderLine], unreadable: &[String]) -> Vec<(Item<'a>, OrderLine)> {
    let mut places: BTreeMap<Item<'_>, usize> = BTreeMap::new();
    let mut items: Vec<(Item<'_>, OrderLine)> = Vec::new();
    for (line, doubt) in lines.iter().zip(Doubt::of_lines(lines.len(), unreadable)) {
        let item = Item { doubt, ..Item::of(line) };
        match places.get(&item) {
            None => {
                places.insert(item.clone(), items.len());
                items.push((item, line.clone()));
            }
            Some(place) => {
                let sum = &mut items[*place].1.quantity;
                *sum = sum.zip(line.quantity).and_then(|(sum, more)| sum.checked_add(more));
            }
        }
    }
    items
}
