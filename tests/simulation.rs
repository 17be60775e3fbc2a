//! A week of two shops on a virtual clock, drawn from a seed: rushes, nights, outages, lost answers, wrong settings, clocks
//! that jump, restarts in the midst of sends. The real store and the real lanes; the far sides are played, and know the
//! truth by which the promises are judged after each step.
//!
//! `ORDERBELL_SIMULATION_SEEDS=1000` lives through as many weeks, `ORDERBELL_SIMULATION_SEED=7` through one. The same seed is
//! the same week, so a promise that is broken in it can be looked at again; its last steps are printed.

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
