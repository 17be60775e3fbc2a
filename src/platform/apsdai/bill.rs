//! What was bought and what it comes to: the lines of an order and its total.

use crate::domain::money::Money;
use crate::domain::order::{Line, MAX_LINES};
use crate::platform::apsdai::body::Body;
use crate::platform::apsdai::fields::Detail;
use crate::platform::apsdai::parse::Reading;
use crate::platform::field::JsonField;

impl Reading<'_> {
    /// The total, the lines, and whether the total is only their sum.
    pub fn bill(&self, body: &Body) -> (Option<Money>, Vec<Line>, bool) {
        let items = body.items(self.fields(), Detail::Products);
        let total =
            body.found(self.fields(), Detail::OrderTotal, |field| field.says_something().then(|| field.clone()));
        // What one of several lines has is not the total of all.
        let total = total.filter(|found| !found.is_listed);
        let lines = match items.is_empty() {
            false => self.lines(&items),
            true => {
                let taken = total.as_ref().and_then(|found| found.name);
                let line = self.names_a_product(body).then(|| self.line(body, "/lines/0", taken));
                line.into_iter().collect()
            }
        };
        if lines.is_empty() && body.has(self.fields(), Detail::Products) && !self.has_empty_list(body) {
            self.unread.note("/lines");
        }
        match total {
            Some(found) => (self.amount(&found.value, "/total"), lines, false),
            None => {
                let amounts = lines.iter().map(|line| line.unit_price.as_ref()?.times(line.quantity?));
                let sum = amounts.reduce(|sum, amount| sum?.plus(&amount?)).flatten();
                let is_sum = sum.is_some();
                (sum, lines, is_sum)
            }
        }
    }

    /// A line for each item of a list, unless it is a list of something else: then no item has a name that we know.
    fn lines(&self, items: &[Body]) -> Vec<Line> {
        if !items.iter().any(|item| self.says_something(item)) {
            return Vec::new();
        }
        if items.len() > MAX_LINES {
            self.unread.note(format!("/lines/{MAX_LINES}"));
        }
        let items = items.iter().take(MAX_LINES).enumerate();
        let line = |(index, item): (usize, &Body)| {
            let at = format!("/lines/{index}");
            if !self.says_something(item) {
                self.unread.note(at);
                return Line::default();
            }
            let line = self.line(item, &at, None);
            // Null, or an empty text, stands where a number belongs.
            if line.quantity.is_none() && item.stands(self.fields(), Detail::ProductQuantity) {
                self.unread.note(format!("{at}/quantity"));
            }
            if line.unit_price.is_none() && item.stands(self.fields(), Detail::ProductPrice) {
                self.unread.note(format!("{at}/unit_price"));
            }
            line
        };
        items.map(line).collect()
    }

    fn names_a_product(&self, item: &Body) -> bool {
        [Detail::ProductName, Detail::ProductId].into_iter().any(|detail| item.has(self.fields(), detail))
    }

    fn says_something(&self, item: &Body) -> bool {
        let details = [Detail::ProductQuantity, Detail::ProductPrice];
        self.names_a_product(item) || details.into_iter().any(|detail| item.has(self.fields(), detail))
    }

    fn has_empty_list(&self, body: &Body) -> bool {
        let is_empty = |field: &JsonField| (field.is_list() && field.list().next().is_none()).then_some(());
        body.find(self.fields(), Detail::Products, is_empty).is_some()
    }

    /// One product that was bought. A price that was taken for the total is not the price of one piece.
    fn line(&self, body: &Body, at: &str, taken: Option<&'static str>) -> Line {
        let at = |part: &str| format!("{at}/{part}");
        let name = self
            .read(body, Detail::ProductName, &at("name"), JsonField::name)
            .or_else(|| self.read(body, Detail::ProductId, &at("name"), JsonField::text));
        if name.is_none() {
            self.unread.note(at("name"));
        }
        let price =
            body.found(self.fields(), Detail::ProductPrice, |field| field.says_something().then(|| field.clone()));
        let price = price.filter(|found| found.name.is_none() || found.name != taken);
        Line {
            name: name.unwrap_or_default(),
            quantity: self.read(body, Detail::ProductQuantity, &at("quantity"), JsonField::count),
            unit_price: price.and_then(|price| self.amount(&price.value, &at("unit_price"))),
            ..Line::default()
        }
    }

    fn amount(&self, field: &JsonField, pointer: &str) -> Option<Money> {
        self.unread.read(field, pointer, |field| self.money(field))
    }
}
