//! A week of two shops on a virtual clock, drawn from a seed: rushes, nights, outages, lost answers, wrong settings, clocks
//! that jump, restarts in the midst of sends. The real store and the real lanes; the far sides are played, and know the
//! truth by which the promises are judged after each step.

mod simulation {
    pub mod arrivals;
    pub mod chance;
    pub mod daemon;
    pub mod far;
    pub mod far_side;
    pub mod hands;
    pub mod promises;
    pub mod seeds;
    pub mod settings;
    pub mod spells;
    pub mod truth;
    pub mod week;
}
