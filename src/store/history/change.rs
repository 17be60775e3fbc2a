//! What a person asks to be done with a delivery, and what comes of it.

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::store::history::found::IdMatch;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeRequest {
    /// Never mind.
    Cancel,
    /// Once more, composed anew.
    Redeliver,
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeResult {
    /// The delivery as the person named it.
    pub given: String,
    /// Absent where none was found.
    pub delivery: Option<DeliveryName>,
    pub result: Result<Applied, Obstacle>,
}

/// What one name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// This delivery is to be changed.
    Delivery(DeliveryId),
    /// Nothing is to be done, and this is what there is to say.
    Settled(ChangeResult),
}

/// By what a person recognises a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryName {
    pub id: DeliveryId,
    pub kind: String,
    pub order: Option<String>,
    pub channel: String,
}

/// It is done, and this goes along with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    Plainly,
    /// It was so before: cancelled, or waiting to go out.
    Already,
    /// It is being sent just now, so it may still arrive.
    WhileUnderWay,
    /// So many others that were to go out in its message are due by themselves.
    Releasing(u64),
    /// It stands in the message of this delivery, which may still go out, or goes out once more.
    Inside(DeliveryId),
}

/// Why it cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// This is neither an order's number nor the first eight digits or more of an id.
    NoId,
    /// There is no such delivery.
    Unknown,
    /// It is the id of an event.
    IsEvent,
    /// The ids of these deliveries begin like this, or there are more that do.
    Ambiguous(Vec<IdMatch>),
    /// These orders have this short number: source and number of each, the newest first; and there are so many more.
    SeveralOrders(Vec<(String, String)>, u64),
    /// It is an order, and of none of its deliveries this can be done.
    NothingToDo,
    /// It has arrived.
    Delivered(Timestamp),
    /// The message of another delivery carried it.
    Carried(Option<DeliveryId>),
    /// It is being sent just now.
    UnderWay,
    /// A person asked for it once more only so often: it is not in the round that was given yet.
    LaterRound(u32),
    /// It is to go out in the message of this delivery.
    Inside(DeliveryId),
}
