//! The page as people see it: what a browser shows, in every language, and what it does not do.

pub mod browser;
mod reports;
mod templates;
mod channels;
mod configuration;
mod sources;
mod setup;
mod today;
mod visitor;
mod words;
