//! The pages for people: every link leads somewhere, every command line is one, every configuration is read, what is made of
//! the program's own definitions is fresh, and whoever follows the first page gets a message.

mod commands;
mod configuration;
mod demo;
mod generated;
mod journey;
mod links;
pub mod page;
mod shell;
mod snippets;
