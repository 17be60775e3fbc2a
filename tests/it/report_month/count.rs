//! The month counted once more, out of the bodies as they came and by the definitions in words; nothing of the product's.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::report_month::month::{APSDAI, Arrival, DAY, HOUR, KEETA};
use crate::report_month::place::number_of;

/// What one webhook says of its order.
#[derive(Default)]
struct Statement {
    kind: Kind,
    shop: Option<String>,
    shop_name: Option<String>,
    /// When it happened by its own words; never later than it arrived.
    happened: i64,
    /// When the order was placed, by these words.
    placed: Option<i64>,
    total: Option<Amount>,
    total_is_sum: bool,
    lines: Vec<(String, u64)>,
    by: Option<i64>,
    reason: Option<String>,
    /// A refund that is in effect: its id, and how much.
    refund: Option<(String, Amount)>,
    /// How far the order was by then, in Keeta's numbers.
    status: i64,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    Placed,
    Accepted,
    Completed,
    Cancelled,
    #[default]
    Other,
}

/// Currency and minor units.
pub type Amount = (String, i64);

/// What the tellings of one order come to.
#[derive(Clone, Default)]
pub struct Order {
    pub source: &'static str,
    pub number: String,
    pub shop: Option<String>,
    pub shop_name: Option<String>,
    /// When it counts as placed.
    pub day_at: i64,
    pub total: Option<Amount>,
    pub lines: Vec<(String, u64)>,
    pub is_cancelled: bool,
    pub by: Option<i64>,
    pub reason: Option<String>,
    pub nobody_accepted: bool,
    /// How long it took until it was accepted, in milliseconds.
    pub acceptance: Option<i64>,
    /// When each refund took effect, and how much.
    pub refunds: Vec<(i64, Amount)>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Sort {
    New,
    Repeat,
    Refused,
}

/// The platform's own figures of one day.
pub struct Total {
    pub at: i64,
    pub stated_at: i64,
    pub day: String,
    pub orders: i64,
    pub amount: Amount,
}

/// A product that is low.
pub struct Low {
    pub arrived: i64,
    pub at: i64,
    pub id: String,
    pub name: String,
    pub left: i64,
    pub threshold: i64,
}

/// All that has come so far.
#[derive(Default)]
pub struct Count {
    statements: HashMap<(&'static str, String), (usize, Vec<Statement>)>,
    pub orders: Vec<Order>,
    pub arrivals: Vec<(i64, &'static str, Sort)>,
    pub totals: Vec<Total>,
    pub stock: Vec<Low>,
    seen: HashSet<String>,
}

impl Count {
    pub fn receive(&mut self, arrival: &Arrival) {
        if arrival.body == b"{}" && arrival.source == KEETA {
            return;
        }
        let sort = match arrival.is_genuine {
            false => Sort::Refused,
            true => self.listen(arrival),
        };
        self.arrivals.push((arrival.at, arrival.source, sort));
    }

    fn listen(&mut self, arrival: &Arrival) -> Sort {
        let body: Value = serde_json::from_slice(&arrival.body).expect("JSON");
        match arrival.source {
            KEETA => self.keeta(&body, arrival.at),
            _ => self.apsdai(&body, arrival),
        }
    }

    /// Answers whether any of these was there before.
    fn sort(&mut self, keys: [String; 2]) -> Sort {
        let known = keys.iter().any(|key| self.seen.contains(key));
        if !known {
            self.seen.extend(keys);
        }
        if known { Sort::Repeat } else { Sort::New }
    }

    fn keeta(&mut self, envelope: &Value, arrived: i64) -> Sort {
        let message: Value =
            serde_json::from_str(envelope["message"].as_str().expect("a text")).expect("JSON within JSON");
        let event = envelope["eventId"].as_i64().expect("a number");
        let sent = envelope["timestamp"].as_i64().expect("a number") * 1000;
        let shop = envelope["shopId"].as_u64().filter(|shop| *shop != 0).map(|shop| shop.to_string());
        let order = message.get("orderInfo").unwrap_or(&message);
        let number = [&order["baseOrder"]["orderViewId"], &order["orderViewId"]];
        let number = number.into_iter().find_map(Value::as_i64).expect("a number").to_string();
        let status = message["status"].as_i64();
        let time = message["opTime"].as_i64();
        let meaning = match event {
            1005 | 1007 => format!("{event} {} {status:?}", message["afterSaleOrderId"]),
            1006 => format!("{event} {number} {} {time:?}", message["logisticsStatus"]),
            _ => format!("{event} {number}"),
        };
        let sort = self.sort([format!("message {}", envelope["messageId"]), meaning]);
        let stated = Statement { shop, happened: time.unwrap_or(sent).min(arrived), ..Statement::default() };
        let stated = match event {
            1001 => placed(order, stated, sent, arrived),
            1002 => Statement { kind: Kind::Accepted, ..stated },
            1003 => Statement { kind: Kind::Completed, ..stated },
            1004 | 1008 => Statement {
                kind: Kind::Cancelled,
                by: message["opType"].as_i64(),
                reason: message["cancelReason"].as_str().map(str::to_owned),
                ..stated
            },
            // 1001 is the state in which the merchant is still asked.
            1005 | 1007 if status != Some(1001) => {
                let amount = (string(&message["currency"]), message["money"].as_i64().expect("a number"));
                Statement { refund: Some((message["afterSaleOrderId"].to_string(), amount)), ..stated }
            }
            _ => stated,
        };
        self.stated(KEETA, number, stated);
        sort
    }

    fn apsdai(&mut self, body: &Value, arrival: &Arrival) -> Sort {
        let header = |name: &str| {
            let found = arrival.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).expect("a header")
        };
        let (event, stamp) = (header("x-apsdai-event"), header("x-apsdai-timestamp"));
        let key = format!("{event} {stamp} {}", String::from_utf8_lossy(&arrival.body));
        let sort = self.sort([key.clone(), key]);
        let stamp: i64 = stamp.parse().expect("a number");
        let currency = body["currency"].as_str().unwrap_or("HKD");
        if event == "order_count_amount_hook" {
            // Sent again it says the same.
            for day in body["data"].as_array().expect("a list") {
                self.totals.push(Total {
                    at: arrival.at,
                    stated_at: stamp,
                    day: string(&day["date"]),
                    orders: day["count"].as_i64().expect("a number"),
                    amount: minor(&day["amount"], currency),
                });
            }
            return sort;
        }
        if event == "stock_alarm_hook" {
            for product in body["products"].as_array().expect("a list") {
                self.stock.push(Low {
                    arrived: arrival.at,
                    at: stamp,
                    id: string(&product["product_path"]),
                    name: string(&product["product_name"]),
                    left: product["stock"].as_i64().expect("a number"),
                    threshold: product["threshold"].as_i64().expect("a number"),
                });
            }
            return sort;
        }
        let created = body["created_at"].as_str().map(hong_kong);
        let time = body["time"].as_i64().or_else(|| body["time"].as_str().map(hong_kong));
        let kind = match event.as_str() {
            "order_create_hook" => Kind::Placed,
            "order_finish_hook" => Kind::Completed,
            "order_cancel_hook" => Kind::Cancelled,
            _ => Kind::Other,
        };
        let own = match event.as_str() {
            "order_create_hook" => created,
            "order_pay_hook" => body["paid_at"].as_str().map(hong_kong),
            _ => time,
        };
        let line = |line: &Value| (string(&line["product_name"]), line["quantity"].as_u64().expect("a number"));
        let lines = match body["products"].as_array() {
            Some(products) => products.iter().map(line).collect(),
            None => vec![line(body)],
        };
        let number = string(&body["order_no"]);
        let refund = body.get("refund_amount").map(|amount| (number.clone(), minor(amount, currency)));
        let stated = Statement {
            kind,
            happened: own.unwrap_or(stamp).min(arrival.at),
            placed: created.map(|created| created.min(arrival.at)),
            total: body.get("amount").map(|amount| minor(amount, currency)),
            lines,
            reason: (kind == Kind::Cancelled).then(|| string(&body["reason"])),
            refund,
            ..Statement::default()
        };
        self.stated(APSDAI, number, stated);
        sort
    }

    fn stated(&mut self, source: &'static str, number: String, stated: Statement) {
        let next = self.orders.len();
        let (place, statements) = self.statements.entry((source, number.clone())).or_insert((next, Vec::new()));
        statements.push(stated);
        let order = add_up(source, number, statements);
        match self.orders.get_mut(*place) {
            Some(known) => *known = order,
            None => self.orders.push(order),
        }
    }
}

/// Event 1001, in either of its shapes.
fn placed(order: &Value, stated: Statement, sent: i64, arrived: i64) -> Statement {
    let created = order["baseOrder"]["ctime"].as_i64();
    let empty = Vec::new();
    let products = order["products"].as_array().unwrap_or(&empty);
    let listed = order["feeDtls"].as_array().unwrap_or(&empty).iter().find(|fee| fee["code"] == "payTotal");
    let paid = order["feeDtl"]["customerFee"]["payTotal"].as_i64();
    let paid = paid.or_else(|| listed.and_then(|fee| fee["price"].as_i64()));
    let prices: Option<Vec<i64>> =
        products.iter().map(|product| Some(product["price"].as_i64()? * product["count"].as_i64()?)).collect();
    let sum = prices.filter(|prices| !prices.is_empty()).map(|prices| prices.iter().sum::<i64>());
    let currency = order["baseOrder"]["currency"].as_str().unwrap_or("HKD").to_owned();
    let at = created.unwrap_or(sent).min(arrived);
    Statement {
        kind: Kind::Placed,
        shop_name: order["merchantOrder"]["shopName"].as_str().map(str::to_owned),
        happened: at,
        placed: Some(at),
        total: paid.or(sum).map(|minor| (currency, minor)),
        total_is_sum: paid.is_none(),
        lines: products
            .iter()
            .map(|product| (string(&product["name"]), product["count"].as_u64().expect("a number")))
            .collect(),
        status: order["merchantOrder"]["status"].as_i64().unwrap_or_default(),
        ..stated
    }
}

/// By the definitions.
fn add_up(source: &'static str, number: String, statements: &[Statement]) -> Order {
    let of = |kind: Kind| statements.iter().filter(move |statement| statement.kind == kind);
    let first = |kind: Kind| of(kind).map(|statement| statement.happened).min();
    let placing = |statement: &Statement| match statement.kind {
        Kind::Placed => Some(statement.placed.unwrap_or(statement.happened)),
        _ => statement.placed,
    };
    let placed = statements.iter().filter_map(placing).min();
    let earliest = statements.iter().map(|statement| statement.happened).min().expect("one at least");
    let exact = statements.iter().find(|statement| statement.total.is_some() && !statement.total_is_sum);
    let total = exact.or_else(|| statements.iter().find(|statement| statement.total.is_some()));
    let mut fullest: &[(String, u64)] = &[];
    for statement in statements {
        if statement.lines.len() > fullest.len() {
            fullest = &statement.lines;
        }
    }
    // Several tellings of one cancellation: what the earliest says that says anything.
    let mut cancellations: Vec<&Statement> = of(Kind::Cancelled).collect();
    cancellations.sort_by_key(|statement| statement.happened);
    let is_cancelled = !cancellations.is_empty() || statements.iter().any(|statement| statement.status == 50);
    let by = cancellations.iter().find_map(|statement| statement.by);
    let was_taken = of(Kind::Accepted).chain(of(Kind::Completed)).next().is_some()
        || statements.iter().any(|statement| (20..50).contains(&statement.status));
    Order {
        source,
        number,
        shop: statements.iter().find_map(|statement| statement.shop.clone()),
        shop_name: statements.iter().find_map(|statement| statement.shop_name.clone()),
        day_at: placed.unwrap_or(earliest),
        total: total.and_then(|statement| statement.total.clone()),
        lines: fullest.to_vec(),
        is_cancelled,
        by,
        reason: cancellations.iter().find_map(|statement| statement.reason.clone()),
        nobody_accepted: is_cancelled && by == Some(0) && !was_taken,
        acceptance: first(Kind::Accepted).zip(placed).map(|(accepted, placed)| (accepted - placed).max(0)),
        refunds: refunds(statements),
    }
}

/// Once per refund: on the day of the first telling that it is in effect, with the amount of the newest one.
fn refunds(statements: &[Statement]) -> Vec<(i64, Amount)> {
    let mut by_id: BTreeMap<&str, Vec<(i64, &Amount)>> = BTreeMap::new();
    for statement in statements {
        if let Some((id, amount)) = &statement.refund {
            by_id.entry(id).or_default().push((statement.happened, amount));
        }
    }
    let one = |stated: Vec<(i64, &Amount)>| {
        let first = stated.iter().map(|(at, _)| *at).min().expect("one at least");
        // Of several at one time, what came last.
        let newest = stated.iter().max_by_key(|(at, _)| *at).expect("one at least").1;
        (first, newest.clone())
    };
    by_id.into_values().map(one).collect()
}

fn string(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// `"12.345"`, whose currency says how many digits follow the point.
fn minor(value: &Value, currency: &str) -> Amount {
    let text = string(value);
    let (whole, fraction) = text.split_once('.').expect("a decimal");
    let digits = if currency == "KWD" { 3 } else { 2 };
    assert_eq!(fraction.len(), digits, "{text}");
    (currency.to_owned(), format!("{whole}{fraction}").parse().expect("a number"))
}

/// A time such as `2025-10-01 08:00:00`, by Hong Kong's clock.
fn hong_kong(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("a number");
    let days = number_of(number(0..4), number(5..7), number(8..10));
    let seconds = number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    days * DAY + seconds * 1000 - 8 * HOUR
}
