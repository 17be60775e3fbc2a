//! Delivery that tells the truth: parked channels, fallbacks, quiet hours, digests and shut robots, each as its far side sees
//! it and as the store says.

mod support;

mod truth {
    pub mod bundles;
    pub mod catch_up;
    pub mod fallback;
    pub mod hours;
    pub mod parking;
    pub mod scene;
    pub mod throttled;
    pub mod waiting;
}
