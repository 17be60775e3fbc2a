//! The page as people see it: what a browser shows, in every language, and what it does not do.

pub mod browser;
mod channels;
mod configuration;
mod deliveries;
mod orders;
mod reports;
mod setup;
mod sources;
mod templates;
mod today;
mod visitor;
mod words;
