//! Orderbell.
#![forbid(unsafe_code)]
pub mod channel;
pub mod domain;
pub mod platform;
