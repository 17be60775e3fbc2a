//! What was bought and what it comes to: the lines of an order and its total.

use crate::domain::money::Money;
use crate::domain::order::{MAX_LINES, OrderLine};
use crate::platform::apsdai::body::Body;
use crate::platform::apsdai::fields::FieldName;
use crate::platform::apsdai::reader::BodyReader;
use crate::platform::field::JsonField;

impl BodyReader<'_> {
    /// The total, the lines, and whether the total is only their sum.
    pub fn bill(&self, body: &Body) -> (Option<Money>, Vec<OrderLine>, bool) {
        let items = body.items(self.fields(), FieldName::Products);
        let total =
            body.found(self.fields(), FieldName::OrderTotal, |field| field.says_something().then(|| field.clone()));
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
        if lines.is_empty() && body.has(self.fields(), FieldName::Products) && !self.has_empty_list(body) {
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
    fn lines(&self, items: &[Body]) -> Vec<OrderLine> {
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
                return OrderLine::default();
            }
            let line = self.line(item, &at, None);
            // Null, or an empty text, stands where a number belongs.
            if line.quantity.is_none() && item.stands(self.fields(), FieldName::ProductQuantity) {
                self.unread.note(format!("{at}/quantity"));
            }
            if line.unit_price.is_none() && item.stands(self.fields(), FieldName::ProductPrice) {
                self.unread.note(format!("{at}/unit_price"));
            }
            line
        };
        items.map(line).collect()
    }

    fn names_a_product(&self, item: &Body) -> bool {
        [FieldName::ProductName, FieldName::ProductId].into_iter().any(|detail| item.has(self.fields(), detail))
    }

    fn says_something(&self, item: &Body) -> bool {
        let details = [FieldName::ProductQuantity, FieldName::ProductPrice];
        self.names_a_product(item) || details.into_iter().any(|detail| item.has(self.fields(), detail))
    }

    fn has_empty_list(&self, body: &Body) -> bool {
        let is_empty = |field: &JsonField| (field.is_list() && field.list().next().is_none()).then_some(());
        body.find(self.fields(), FieldName::Products, is_empty).is_some()
    }

    /// One product that was bought. A price that was taken for the total is not the price of one piece.
    fn line(&self, body: &Body, at: &str, taken: Option<&'static str>) -> OrderLine {
        let at = |part: &str| format!("{at}/{part}");
        let name = self
            .read(body, FieldName::ProductName, &at("name"), JsonField::name)
            .or_else(|| self.read(body, FieldName::ProductId, &at("name"), JsonField::text));
        if name.is_none() {
            self.unread.note(at("name"));
        }
        let price =
            body.found(self.fields(), FieldName::ProductPrice, |field| field.says_something().then(|| field.clone()));
        let price = price.filter(|found| found.name.is_none() || found.name != taken);
        OrderLine {
            name: name.unwrap_or_default(),
            quantity: self.read(body, FieldName::ProductQuantity, &at("quantity"), JsonField::count),
            unit_price: price.and_then(|price| self.amount(&price.value, &at("unit_price"))),
            ..OrderLine::default()
        }
    }

    fn amount(&self, field: &JsonField, pointer: &str) -> Option<Money> {
        self.unread.read(field, pointer, |field| self.money(field))
    }
}
