//! What a person asks to be done with a delivery, and what comes of it.

use jiff::Timestamp;

use crate::domain::event::DeliveryId;

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
    /// It was so before.
    Already,
    /// It is being sent just now, so it may still arrive.
    WhileUnderWay,
    /// So many others that were to go out in its message are due by themselves.
    Releasing(u64),
    /// It stands in the message of this delivery, which may still go out.
    Inside(DeliveryId),
}

/// Why it cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// This is no id, nor the first eight digits of one or more.
    NoId,
    /// There is none; the text says what it is instead.
    Unknown(Option<&'static str>),
    /// The ids of so many begin like this.
    Ambiguous(u64),
    /// It has arrived.
    Delivered(Timestamp),
    /// The message of another delivery carried it.
    Carried(Option<DeliveryId>),
    /// It is being sent just now.
    UnderWay,
    /// It is to go out in the message of this delivery.
    Inside(DeliveryId),
}
