//! Pacing: no rolling window of a receiver ever holds more than it takes, whatever the clocks do and however slow the sends
//! are; and what waits is always sent in the end, the urgent first.

mod ending;
mod liveness;
mod receiver;
mod rounds;
mod safety;
mod scene;
