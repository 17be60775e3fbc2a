//! Delivery that is truthful: parked channels, fallbacks, quiet hours, digests and shut robots, each as its receiver sees
//! it and as the store says.

mod catch_up;
mod digests;
mod fallback;
mod hours;
mod notices;
mod parking;
mod pausing;
mod scene;
mod throttled;
mod waiting;
