//! Orderbell.
#![forbid(unsafe_code)]
pub mod channel;
pub mod domain;
pub mod flow;
pub mod platform;
pub mod store;
