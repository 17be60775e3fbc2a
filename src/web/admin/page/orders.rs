//! *Orders*: the newest first, or those of a number or a shop; and one with its whole story.

use minijinja::{Value, context};
use poem::web::{Path, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::flow::resources::ResourceError;
use crate::flow::resources::order::OrderSummary;
use crate::flow::resources::query::{OrderQuery, PageRequest};
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::{filter, plain, shown};
use crate::web::admin::page::{address, story};
use crate::web::admin::problem::Problem;

/// So many orders stand on a page.
const ROWS: u32 = 30;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    number: String,
    source: String,
    shop: String,
    cursor: String,
}

#[handler]
pub async fn list(reader: Reader, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let resources = reader.resources();
    // As people call it out.
    let number = filter(asked.number.trim().trim_start_matches('#'))?;
    let query = OrderQuery { number: number.clone(), source: filter(&asked.source)?, shop: filter(asked.shop.trim())? };
    let is_filtered = query.number.is_some() || query.source.is_some() || query.shop.is_some();
    let found = resources.orders(query, PageRequest { rows: ROWS, cursor: Some(asked.cursor.clone()) }).await?;
    let here = |cursor: &str| {
        let pairs = [("number", &*asked.number), ("source", &asked.source), ("shop", &asked.shop), ("cursor", cursor)];
        address::address("/orders", &pairs)
    };
    Ok(reader.page(
        "orders",
        context! {
            number => asked.number.as_str(),
            source => asked.source.as_str(),
            shop => asked.shop.as_str(),
            sources => resources.routing.get().summary.sources.clone(),
            orders => found.items.iter().map(row).collect::<Vec<_>>(),
            is_filtered => is_filtered,
            // The first page alone changes under whoever reads it.
            live => asked.cursor.is_empty().then(|| here("")),
            next => found.next.as_deref().map(here),
        },
    ))
}

fn row(order: &OrderSummary) -> Value {
    context! { address => address::order(&order.source, &order.number), ..shown(order) }
}

#[handler]
pub async fn one(reader: Reader, Path((source, number)): Path<(String, String)>) -> Result<Response, Problem> {
    let missing = || ResourceError::Missing("such order".to_owned());
    let (source, number) = (filter(&source)?.ok_or_else(missing)?, filter(&number)?.ok_or_else(missing)?);
    let found = reader.resources().order_story(&source, &number).await?;
    let placement = found.placement.as_ref().map(|placement| {
        context! {
            handover => placement.handover.as_deref(),
            payment => placement.payment.as_deref(),
            expected_at => placement.expected_at.map(|at| at.to_string()),
            charges => placement.charges.as_ref().map(plain),
        }
    });
    Ok(reader.page(
        "orders_order",
        context! {
            here => address::order(&source, &number),
            placement => placement,
            story => story::sections(&found.sections, &reader),
            ..shown(&found.detail)
        },
    ))
}
