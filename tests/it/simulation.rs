//! A week of two shops on a virtual clock, drawn from a seed: rushes, nights, outages, lost answers, wrong settings, clocks
//! that jump, restarts in the midst of sends. The real store and the real workers; the receivers are simulated, and know the
//! truth by which the promises are judged after each step.
//!
//! `ORDERBELL_SIMULATION_SEEDS=1000` lives through as many weeks, `ORDERBELL_SIMULATION_SEED=7` through one. The same seed is
//! the same week, so a promise that is broken in it can be looked at again; its last steps are printed.

mod arrivals;
mod chance;
mod daemon;
mod hands;
mod mock;
mod promises;
mod receiver;
mod seeds;
mod settings;
mod spells;
mod truth;
mod week;
