//! One delivery: what was sent as its reader saw it, every attempt with its answer, and the buttons.

use http::{StatusCode, header};
use minijinja::{Value, context};
use poem::web::{Form, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;
use uuid::Uuid;

use crate::flow::resources::ResourceError;
use crate::flow::resources::delivery::RelatedDelivery;
use crate::flow::resources::pressed::Pressed;
use crate::flow::resources::preview::of_stored;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::shown;
use crate::web::admin::page::{address, message, story};
use crate::web::admin::problem::Problem;

/// What was done just now, as the address says it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Did {
    did: String,
}

#[handler]
pub async fn one(reader: Reader, Path(id): Path<String>, Query(did): Query<Did>) -> Result<Response, Problem> {
    let said = ["redelivered", "cancelled"].into_iter().find(|known| *known == did.did);
    view(&reader, self::id(&id)?, StatusCode::OK, context! { did => said }).await
}

fn id(text: &str) -> Result<Uuid, ResourceError> {
    text.parse().map_err(|_| ResourceError::Missing("such delivery".to_owned()))
}

async fn view(reader: &Reader, id: Uuid, status: StatusCode, said: Value) -> Result<Response, Problem> {
    let mut found = reader.resources().delivery_story(id).await?;
    let messages = of_stored(std::mem::take(&mut found.detail.parts)).await?;
    let detail = &found.detail;
    let delivery = &detail.delivery;
    let order = delivery.order.as_ref().map(|number| address::order(&delivery.source, number));
    let related = |others: &[RelatedDelivery]| others.iter().map(shown).collect::<Vec<_>>();
    let shown = context! {
        delivery => shown(delivery),
        order_address => order,
        is_urgent => detail.urgent,
        round => detail.round,
        messages => message::stored(id, &messages),
        carries => related(&detail.carries),
        carrier => detail.carrier.as_ref().map(shown),
        instead_of => detail.instead_of.as_ref().map(shown),
        stand_ins => related(&detail.stand_ins),
        story => story::sections(&found.sections, reader),
        ..said
    };
    Ok(reader.answer(status, "deliveries_delivery", shown))
}

#[derive(Deserialize)]
struct Round {
    round: u32,
}

#[handler]
pub async fn redeliver(reader: Reader, Path(id): Path<String>, Form(sent): Form<Round>) -> Result<Response, Problem> {
    let id = self::id(&id)?;
    let pressed = reader.resources().press_redeliver(id, sent.round).await?;
    answered(&reader, id, pressed, "redelivered").await
}

#[handler]
pub async fn cancel(reader: Reader, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = self::id(&id)?;
    let pressed = reader.resources().press_cancel(id).await?;
    answered(&reader, id, pressed, "cancelled").await
}

/// The delivery as it is now; where nothing was done, with the reason.
async fn answered(reader: &Reader, id: Uuid, pressed: Pressed, did: &str) -> Result<Response, Problem> {
    let said = match pressed {
        Pressed::Done => {
            let address = format!("/deliveries/{id}?did={did}");
            return Ok(Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, address).finish());
        }
        Pressed::Already => context! { is_faster => true },
        Pressed::Hindered(why) => context! { hindered => why },
    };
    view(reader, id, StatusCode::CONFLICT, said).await
}
