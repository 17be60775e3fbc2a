//! Pacing: no rolling window of a far side ever holds more than it takes, whatever the clocks do and however slow the sends
//! are; and what waits is always sent in the end, the urgent first.

mod ending;
mod far_side;
mod liveness;
mod rounds;
mod safety;
mod scene;
