//! Orderbell.
#![forbid(unsafe_code)]
pub mod app;
pub mod channel;
pub mod cli;
pub mod config;
pub mod domain;
pub mod flow;
pub mod platform;
pub mod sandbox;
pub mod store;
pub mod web;
