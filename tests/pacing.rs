//! Pacing: no rolling window of a far side ever holds more than it takes, whatever the clocks do and however slow the sends
//! are; and what waits is always sent in the end, the urgent first.

mod pacing {
    pub mod ending;
    pub mod far_side;
    pub mod liveness;
    pub mod rounds;
    pub mod safety;
    pub mod scene;
}
