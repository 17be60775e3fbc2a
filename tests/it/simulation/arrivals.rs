//! What the platforms send in the week: the lives of orders, with repeats and out of order, rushes, stock, shops, notices.

use jiff::SignedDuration;
use orderbell::domain::coded::Coded;
use orderbell::domain::data::{Notice, StockItem, Transition};
use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::money::Money;
use orderbell::domain::order::{OrderLine, OrderState, OrderUpdate};
use orderbell::domain::payload::{Data, OrderProgress, Payload, StoreStatus};
use orderbell::domain::route::Target;
use orderbell::domain::shop::Shop;
use orderbell::store::ingest::Record;

use crate::simulation::chance::Chance;
use crate::simulation::hands::{DAY, HOUR, Hands, MINUTE, SECOND};
use crate::simulation::settings::WorkerSettings;

/// A buyer's word that robots refuse; a message in its reduced form is without it.
pub const FORBIDDEN: &str = "FORBIDDEN";
/// A product that no receiver accepts, in whatever form.
pub const UNWELCOME: &str = "UNWELCOME";

/// Something that a platform sends.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub at: i64,
    /// How long before it happened.
    lag: i64,
    kind: Kind,
    /// By what its messages can be distinguished from all others: a number of seven digits.
    pub marker: String,
    /// The same for a telling and its repeats.
    name: String,
    order: Option<OrderUpdate>,
    /// Whose order or stock it is.
    shop: Shop,
    data: Data,
}

impl Arrival {
    /// As it is recorded when it comes.
    pub fn record(&self, hands: &Hands, workers: &[WorkerSettings], chance: &mut Chance) -> Record {
        let now = hands.wall();
        let millisecond = now.as_millisecond();
        let event = Event {
            id: EventId(chance.uuid(millisecond)),
            kind: self.kind.clone(),
            source: "keeta".to_owned(),
            occurred_at: Some(now - SignedDuration::from_millis(self.lag)),
            received_at: now,
            shop: Some(self.shop.clone()),
            order: self.order.clone(),
            data: self.data.clone(),
            proof: SignatureCheck::Valid("a play".to_owned()),
        };
        let wants = workers.iter().filter(|worker| worker.wants(&self.kind));
        let targets = wants.map(|worker| (Target::always(worker.name), DeliveryId(chance.uuid(millisecond)))).collect();
        let urgent =
            workers.iter().filter(|worker| worker.calls_urgent(&self.kind)).map(|worker| worker.name.to_owned());
        Record {
            event,
            body: b"{}".to_vec(),
            dedupe_keys: vec![DedupeKey::Once(self.name.clone())],
            targets,
            urgent: urgent.collect(),
            decisions: Default::default(),
        }
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    pub fn order(&self) -> Option<&str> {
        self.order.as_ref().map(|order| order.number.as_str())
    }
}

/// Draws a week.
struct Story {
    chance: Chance,
    covered: Vec<Arrival>,
    number: u64,
}

/// Everything that comes in the week, in its sequence.
pub fn week(seed: u64, days: i64) -> Vec<Arrival> {
    let mut story = Story { chance: Chance::of(seed, &["arrivals"]), covered: Vec::new(), number: 0 };
    for day in 0..days {
        story.day(day * DAY);
    }
    let mut covered = story.covered;
    covered.retain(|arrival| arrival.at < days * DAY);
    covered.sort_by_key(|arrival| arrival.at);
    covered
}

impl Story {
    fn day(&mut self, begin: i64) {
        for _ in 0..self.chance.between(1, 4) {
            let at = begin + self.chance.between(9 * HOUR, 23 * HOUR);
            self.order(at);
        }
        if self.chance.once_in_a_while(250) {
            let at = begin + self.chance.between(0, DAY - 1);
            self.order(at);
        }
        if self.chance.once_in_a_while(110) {
            self.rush(begin + self.chance.clone().between(11 * HOUR, 13 * HOUR));
        }
        for _ in 0..self.chance.between(0, 2) {
            let at = begin + self.chance.between(8 * HOUR, 24 * HOUR - 1);
            let kind = self.chance.one_of(&[Kind::StockLow, Kind::StockLow, Kind::StoreStatus, Kind::OperatorNotice]);
            self.aside(kind, at);
        }
    }

    /// Sixty orders a minute, or stock that runs low all at once.
    fn rush(&mut self, begin: i64) {
        if self.chance.once_in_a_while(300) {
            for _ in 0..self.chance.between(15, 40) {
                let at = begin + self.chance.between(0, MINUTE);
                self.aside(Kind::StockLow, at);
            }
            return;
        }
        for _ in 0..self.chance.between(20, 60) {
            let at = begin + self.chance.between(0, MINUTE);
            self.order(at);
        }
    }

    fn marker(&mut self, family: u64) -> String {
        self.number += 1;
        (family * 1_000_000 + self.number).to_string()
    }

    fn order(&mut self, placed: i64) {
        let marker = self.marker(5);
        let shop = self.chance.one_of(&[("145541", "Harbour Noodle House"), ("466663", "Peak Tea")]);
        let shop = Shop { id: shop.0.to_owned(), name: Some(shop.1.to_owned()) };
        let total = Money::new(self.chance.between(2000, 30_000), "HKD");
        let update = |state| OrderUpdate {
            number: format!("756823{marker}"),
            short_number: Some(marker.clone()),
            state: Some(state),
            total: Some(total.clone()),
            ..OrderUpdate::default()
        };
        let mut covered =
            vec![(placed, Kind::OrderPlaced, OrderUpdate { lines: self.lines(), ..update(OrderState::Placed) })];
        if self.chance.once_in_a_while(130) {
            let at = placed + self.chance.between(30 * SECOND, 40 * MINUTE);
            covered.push((at, Kind::OrderCancelled, update(OrderState::Cancelled)));
        } else {
            let accepted = placed + self.chance.between(3 * SECOND, 5 * MINUTE);
            let completed = accepted + self.chance.between(MINUTE, 70 * MINUTE);
            covered.push((accepted, Kind::OrderAccepted, update(OrderState::Accepted)));
            covered.push((completed, Kind::OrderCompleted, update(OrderState::Completed)));
            if self.chance.once_in_a_while(80) {
                let at = completed + self.chance.between(HOUR, 20 * HOUR);
                covered.push((at, Kind::OrderRefund, update(OrderState::Refunded)));
            }
        }
        if self.chance.once_in_a_while(60) {
            // Out of order: what happened first is sent last.
            let last = covered.len() - 1;
            let (first, other) = (covered[0].0, covered[last].0);
            (covered[0].0, covered[last].0) = (other, first);
        }
        for (at, kind, order) in covered {
            let late = (at - placed).max(0);
            let lag = if kind == Kind::OrderPlaced { late } else { 0 };
            let name = format!("{kind}:{marker}");
            let reason = (kind == Kind::OrderCancelled).then(|| "sold out".to_owned());
            let data = Payload::Progress(OrderProgress { reason, ..OrderProgress::default() }).into();
            let (shop, marker) = (shop.clone(), marker.clone());
            self.tell(Arrival { at, lag, kind, marker, name, order: Some(order), shop, data });
        }
    }

    fn lines(&mut self) -> Vec<OrderLine> {
        let names = ["Wonton soup", "糖醋排骨", "Lemon tea", "Rice"];
        let mut lines: Vec<OrderLine> = (0..self.chance.between(1, 3))
            .map(|_| OrderLine {
                name: self.chance.one_of(&names).to_owned(),
                quantity: Some(self.chance.between(1, 4).unsigned_abs()),
                unit_price: Some(Money::new(self.chance.between(500, 9000), "HKD")),
                ..OrderLine::default()
            })
            .collect();
        if self.chance.once_in_a_while(25) {
            lines[0].note = Some(format!("{FORBIDDEN} chilli"));
        }
        if self.chance.once_in_a_while(12) {
            lines[0].name = format!("{UNWELCOME} soup");
        }
        lines
    }

    /// Something that is about no order.
    fn aside(&mut self, kind: Kind, at: i64) {
        let marker = self.marker(6);
        let mut shop = Shop { id: "145541".to_owned(), name: Some("Harbour Noodle House".to_owned()) };
        let data;
        match kind {
            Kind::StoreStatus => {
                shop = Shop { id: marker.clone(), name: Some(format!("Shop {marker}")) };
                let coded = |code, word: &str| Some(Coded { code, word: Some(word.to_owned()) });
                let status = Some(Transition { from: coded(1, "open"), to: coded(2, "closed") });
                data = Payload::Status(StoreStatus { status, ..StoreStatus::default() }).into();
            }
            Kind::OperatorNotice => {
                let (topic, subject) = ("disk".to_owned(), Some(marker.clone()));
                data = Payload::Notice(Box::new(Notice { topic, subject, ..Notice::default() })).into();
            }
            _ => {
                let left = Some(self.chance.between(0, 4));
                let item = StockItem { name: Some(format!("Tea {marker}")), left, ..StockItem::default() };
                data = Payload::Stock(vec![item]).into();
            }
        }
        let name = format!("{kind}:{marker}");
        self.tell(Arrival { at, lag: 0, kind, marker, name, order: None, shop, data });
    }

    fn tell(&mut self, arrival: Arrival) {
        if self.chance.once_in_a_while(40) {
            let at = arrival.at + self.chance.between(0, 10 * MINUTE);
            self.covered.push(Arrival { at, ..arrival.clone() });
        }
        self.covered.push(arrival);
    }
}
