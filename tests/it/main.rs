//! The integration tests: one binary with a module for each subject, so that they are compiled and linked once.
//!
//! `cargo test --test it` runs all of them, `cargo test --test it store::` those of one module.

#![expect(
    clippy::disallowed_methods,
    reason = "tests meet real clocks where they run the whole program; what decides gets its time as an argument"
)]

mod admin;
mod aiosmtpd;
mod answers;
mod answers_cut_short;
mod api;
mod apsdai;
mod backups;
mod certificates;
mod changed;
mod changed_sequences;
mod changes;
mod clock_set;
mod commands;
mod commands_deliveries;
mod commands_faults;
mod commands_store;
mod conditions;
mod config;
mod config_secrets;
mod crash;
mod detours;
mod disk;
mod docs;
mod email;
mod first_start;
mod flood;
mod heartbeat;
mod hostile_templates;
mod http;
mod init;
mod instances;
mod keeta;
mod last_good;
mod log_options;
mod logging_in;
mod mask;
mod matrix;
mod merchant;
mod metrics;
mod next_report;
mod order;
mod pacing;
mod packaging;
mod page;
mod picture;
mod postgres;
mod queue;
mod receivers;
mod receiving;
mod refused;
mod reload;
mod report;
mod report_command;
mod report_crash;
mod report_month;
mod restore;
mod retry;
mod said_back;
mod sandbox;
mod schema;
mod secrecy;
mod secrets_env;
mod sending;
mod server;
mod service_manager;
mod simulate;
mod simulation;
mod store;
mod store_damage;
mod store_file;
mod strangers;
mod supervision;
mod support;
mod templates_command;
mod test_send;
mod tidy;
mod together;
mod truth;
mod unusual;
mod unusual_answers;
mod unwritable_log;
mod watch;
mod why;
mod words;
