//! What an event of one kind says, in a test that knows which kind it is.

/// The payload of an event or a webhook, which must be of this variant.
macro_rules! payload {
    ($event:expr, $variant:ident) => {
        match $event.data.payload.clone() {
            orderbell::domain::payload::Payload::$variant(held) => held,
            other => panic!("another payload: {other:?}"),
        }
    };
}

pub(crate) use payload;
