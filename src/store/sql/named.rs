//! What a person names to be changed: a delivery by its id, or those of an order by its number.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::DeliveryId;
use crate::store::history::change::{Applied, ChangeRequest, ChangeResult, DeliveryName, Meant, Obstacle};
use crate::store::sql::{Connection, Result, find, params};

/// What the names stand for, each delivery once. What one of them chooses is chosen, though another leaves it out.
pub fn resolve(connection: &dyn Connection, wish: ChangeRequest, names: &[String]) -> Result<Vec<Meant>> {
    let (mut all, mut looked) = (Vec::new(), BTreeSet::new());
    for name in names.iter().map(|name| name.trim()).filter(|name| looked.insert(*name)) {
        match deliveries(connection, wish, name)? {
            Ok(meant) => all.extend(meant),
            Err(obstacle) => {
                let result = Err(obstacle);
                all.push(Meant::Settled(ChangeResult { given: name.to_owned(), delivery: None, result }));
            }
        }
    }
    let chosen = |meant: &Meant| match meant {
        Meant::Delivery(id) => Some(*id),
        Meant::Settled(_) => None,
    };
    let chosen: BTreeSet<DeliveryId> = all.iter().filter_map(chosen).collect();
    let mut known = BTreeSet::new();
    all.retain(|meant| match meant {
        Meant::Delivery(id) => known.insert(*id),
        Meant::Settled(result) => {
            result.delivery.as_ref().is_none_or(|named| !chosen.contains(&named.id) && known.insert(named.id))
        }
    });
    Ok(all)
}

type MeantOrNot = std::result::Result<Vec<Meant>, Obstacle>;

fn deliveries(connection: &dyn Connection, wish: ChangeRequest, name: &str) -> Result<MeantOrNot> {
    let number = find::number(name);
    let numbers = find::by_number(connection, number)?;
    if !numbers.is_empty() {
        return of_orders(connection, wish, (numbers, 0));
    }
    let range = find::range(name);
    if let Some(range) = &range {
        let found = find::candidates(connection, range)?;
        match found.as_slice() {
            [] => {}
            [(id, _, _)] => return Ok(Ok(vec![Meant::Delivery(DeliveryId(*id))])),
            _ => return Ok(Err(Obstacle::Ambiguous(found.into_iter().map(|(_, _, one)| one).collect()))),
        }
    }
    let numbers = find::by_short_number(connection, number)?;
    if !numbers.is_empty() {
        return of_orders(connection, wish, find::newest_few(numbers));
    }
    Ok(Err(match range {
        None => Obstacle::NoId,
        Some(range) if find::events(connection, &range)?.is_empty() => Obstacle::Unknown,
        Some(_) => Obstacle::IsEvent,
    }))
}

/// Of one order; several orders are too many.
fn of_orders(
    connection: &dyn Connection,
    wish: ChangeRequest,
    (orders, more): (Vec<(String, String)>, u64),
) -> Result<MeantOrNot> {
    let ([order], 0) = (orders.as_slice(), more) else {
        return Ok(Err(Obstacle::SeveralOrders(orders, more)));
    };
    let all = load(connection, order)?;
    let meant = match wish {
        ChangeRequest::Cancel => to_cancel(&all),
        ChangeRequest::Redeliver => to_send(&all),
    };
    Ok(if meant.is_empty() { Err(Obstacle::NothingToDo) } else { Ok(meant) })
}

/// A delivery of an order.
struct OfOrder {
    named: DeliveryName,
    state: String,
    digest: Option<DeliveryId>,
}

fn load(connection: &dyn Connection, (source, number): &(String, String)) -> Result<Vec<OfOrder>> {
    let sql = "SELECT d.id, e.kind, e.order_number, d.channel, d.state, d.digest
        FROM events e JOIN deliveries d ON d.event = e.id WHERE e.source = ?1 AND e.order_number = ?2 ORDER BY d.id";
    connection.all(sql, params![source, number], |row| {
        let id = row.get(0)?;
        let named = DeliveryName { id, kind: row.get(1)?, order: row.get(2)?, channel: row.get(3)? };
        Ok(OfOrder { named, state: row.get(4)?, digest: row.get(5)? })
    })
}

fn settled(one: &OfOrder, applied: Applied) -> Meant {
    let named = one.named.clone();
    Meant::Settled(ChangeResult { given: named.id.to_string(), delivery: Some(named), result: Ok(applied) })
}

/// What has not arrived; and where there is nothing of that, what was cancelled before.
fn to_cancel(all: &[OfOrder]) -> Vec<Meant> {
    let open = all.iter().filter(|one| matches!(one.state.as_str(), "waiting" | "dead"));
    let open: Vec<Meant> = open.map(|one| Meant::Delivery(one.named.id)).collect();
    if !open.is_empty() {
        return open;
    }
    all.iter().filter(|one| one.state == "cancelled").map(|one| settled(one, Applied::Already)).collect()
}

/// Everything that does not wait and is in no other message that goes out; what was cancelled only where there is nothing
/// else.
fn to_send(all: &[OfOrder]) -> Vec<Meant> {
    if all.iter().all(|one| one.state == "cancelled") {
        return all.iter().map(|one| Meant::Delivery(one.named.id)).collect();
    }
    let known: BTreeMap<DeliveryId, &OfOrder> = all.iter().map(|one| (one.named.id, one)).collect();
    // A fallback carries what is for another channel, which is to get it once more all the same.
    let carrier = |one: &OfOrder| {
        let carrier = one.digest.filter(|_| one.state == "merged").and_then(|id| known.get(&id).copied());
        carrier.filter(|carrier| carrier.named.channel == one.named.channel)
    };
    let goes_out = |one: &OfOrder| one.state == "waiting" || one.state != "cancelled" && carrier(one).is_none();
    let meant = |one: &OfOrder| match carrier(one).filter(|carrier| goes_out(carrier)) {
        _ if one.state == "waiting" => settled(one, Applied::Already),
        Some(carrier) => settled(one, Applied::Inside(carrier.named.id)),
        None => Meant::Delivery(one.named.id),
    };
    all.iter().filter(|one| one.state != "cancelled").map(meant).collect()
}
