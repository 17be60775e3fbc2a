//! The contract of the stores on every database: each call is a look or a change, with the statements of this room.

mod health;
mod history;
mod ingest;
mod queue;
mod reports;
mod sessions;
