//! `when` on routes: what a condition sees of an event and its order, and that one which cannot be judged silences nobody.

use jiff::Timestamp;
use orderbell::domain::condition::Condition;
use orderbell::domain::event::{Event, EventId, Kind, SignatureCheck};
use orderbell::domain::fold::decide;
use orderbell::domain::money::Money;
use orderbell::domain::order::{OrderLine, OrderState, OrderUpdate};
use orderbell::domain::payload::{Payload, Placement};
use orderbell::domain::route::{Target, choose};
use orderbell::domain::route_decision::RouteCondition;
use orderbell::domain::shop::Shop;
use uuid::Uuid;

fn placed(total: Option<Money>) -> Event {
    let now = Timestamp::from_second(1_750_000_000).expect("a time");
    let line = OrderLine {
        name: "Tea".to_owned(),
        quantity: Some(2),
        unit_price: Some(Money::new(3650, "HKD")),
        ..OrderLine::default()
    };
    Event {
        id: EventId(Uuid::nil()),
        kind: Kind::OrderPlaced,
        source: "keeta-hk".to_owned(),
        occurred_at: Some(now),
        received_at: now,
        shop: Some(Shop { id: "145541".to_owned(), name: None }),
        order: Some(OrderUpdate {
            number: "1".to_owned(),
            state: Some(OrderState::Placed),
            total,
            lines: vec![line],
            ..OrderUpdate::default()
        }),
        data: Payload::Placed(Placement { handover: Some("pickup".to_owned()), ..Placement::default() }).into(),
        proof: SignatureCheck::Valid("test".to_owned()),
    }
}

/// `Ok` with what it comes to, or `Err` with why it cannot be judged.
fn judged(condition: &str, event: &Event) -> Result<bool, String> {
    let condition = Condition::parse(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    let order = decide(None, event).order;
    condition.holds(event, order.as_ref()).map_err(|error| error.message)
}

#[test]
fn amounts_are_in_major_units_whatever_the_currency() {
    for (minor, currency, condition, holds) in [
        (50_000, "HKD", "order.total >= 500", true),
        (49_999, "HKD", "order.total >= 500", false),
        (4_610, "HKD", "order.total == 46.1", true),
        (4_610, "HKD", "order.total == 46.10 and order.total > 46.09 and order.total < 46.11", true),
        (-1_999, "HKD", "order.total == -19.99", true),
        (500, "JPY", "order.total >= 500", true),
        (499, "JPY", "order.total >= 500", false),
        (500_000, "KWD", "order.total >= 500", true),
        (499_999, "KWD", "order.total >= 500", false),
        (4_600, "KWD", "order.total == 4.6", true),
        (i64::MAX, "JPY", "order.total == 9223372036854775807", true),
        (i64::MAX - 1, "JPY", "order.total == 9223372036854775807", false),
        (100, "HKD", "order.currency == 'HKD'", true),
        (100, "JPY", "order.currency == 'HKD'", false),
        (100, "JPY", "order.total >= {'HKD': 500, 'JPY': 100}[order.currency]", true),
    ] {
        let event = placed(Some(Money::new(minor, currency)));
        assert_eq!(judged(condition, &event), Ok(holds), "{currency} {minor}: {condition}");
    }
}

#[test]
fn a_condition_sees_order_shop_kind_source_and_data() {
    let event = placed(Some(Money::new(7_300, "HKD")));
    for (condition, holds) in [
        ("shop.id == '145541' and shop.id in ['145541', '2']", true),
        ("shop.name is defined", false),
        ("shop.name | default('none') == 'none'", true),
        ("kind == 'order.placed' and source == 'keeta-hk'", true),
        ("kind in ['order.cancelled']", false),
        ("data.handover == 'pickup'", true),
        ("data.reason is not defined", true),
        ("order.state == 'placed' and order.number == '1' and order.revision == 1", true),
        ("not order.total_is_approximate", true),
        ("order.lines | length > 0 and order.lines[0].name == 'Tea'", true),
        ("order.lines[0].unit_price == 36.5 and order.lines[0].quantity * order.lines[0].unit_price == 73", true),
        ("order.lines | map(attribute='quantity') | sum == 2", true),
        ("order is defined and order.total >= 500", false),
        ("true", true),
    ] {
        assert_eq!(judged(condition, &event), Ok(holds), "{condition}");
    }
}

#[test]
fn what_is_not_known_is_never_taken_for_little_or_for_nothing() {
    let mut event = placed(None);
    for condition in [
        "order.total >= 500",
        "order.total < 500",
        "not order.total",
        "order.total",
        "order.currency == 'HKD'",
        "data.reason == 'late'",
        "'late' in data.reason",
        "order.lines[7].quantity > 1",
        "shop.name == 'Harbour'",
    ] {
        let parsed = Condition::parse(condition);
        let Ok(parsed) = parsed else { continue };
        let order = decide(None, &event).order;
        let reason = parsed.holds(&event, order.as_ref()).expect_err(condition).message;
        assert!(reason.starts_with("it asks for what is not known of this event"), "{condition}: {reason}");
    }
    event.order = None;
    assert!(judged("order.total >= 500", &event).is_err());
    assert_eq!(judged("order is defined and order.total >= 500", &event), Ok(false));
}

#[test]
fn a_condition_that_takes_too_long_is_cut_off() {
    let mut event = placed(Some(Money::new(1, "HKD")));
    let order = event.order.as_mut().expect("an order");
    order.lines = vec![order.lines[0].clone(); 500];
    let few = "order.lines | selectattr('quantity', '>', 1) | list | length == 500";
    assert_eq!(judged(few, &event), Ok(true), "a large order is within the limit");
    let deep = vec!["order.revision == 1"; 4_000].join(" and ");
    let said = match Condition::parse(&deep) {
        Ok(condition) => condition.holds(&event, decide(None, &event).order.as_ref()).expect_err("too long").message,
        Err(error) => error.message,
    };
    assert!(said.contains("too long") || said.contains("recursion"), "{said}");
}

#[test]
fn a_channel_is_notified_when_one_of_its_conditions_holds_or_cannot_be_judged() {
    let rule = |route: usize, text: &str| RouteCondition { route, condition: Condition::parse(text).expect(text) };
    let target = |channel: &str, rules: Vec<RouteCondition>| Target { channel: channel.to_owned(), rules };
    let (large, small) = (rule(1, "order.total >= 500"), rule(2, "order.total < 500"));
    let unknown = rule(3, "data.reason == 'late'");
    let targets = [
        Target::always("always"),
        target("large", vec![large.clone()]),
        target("small", vec![small.clone()]),
        target("either", vec![large.clone(), small]),
        target("unknown", vec![unknown.clone()]),
        target("as well", vec![large, unknown]),
    ];
    let event = placed(Some(Money::new(100, "HKD")));
    let matched = choose(&event, decide(None, &event).order.as_ref(), &targets);
    assert_eq!(matched.channels, ["always", "small", "either", "unknown", "as well"]);
    let found: Vec<_> = matched.unjudged.iter().map(|rule| (rule.route, rule.condition.as_str())).collect();
    assert_eq!(found, [(3, "data.reason == 'late'")], "once, though two channels ask");
}

#[test]
fn a_condition_knows_what_earlier_events_said_of_the_order() {
    let total = Some(Money::new(60_000, "HKD"));
    let before = decide(None, &placed(total)).order;
    let mut accepted = placed(None);
    accepted.kind = Kind::OrderAccepted;
    let condition = Condition::parse("order.total >= 500").expect("a condition");
    let targets = [Target { channel: "owner".to_owned(), rules: vec![RouteCondition { route: 1, condition }] }];
    let matched = choose(&accepted, decide(before.as_ref(), &accepted).order.as_ref(), &targets);
    assert_eq!((matched.channels.len(), matched.unjudged.len()), (1, 0));
}
