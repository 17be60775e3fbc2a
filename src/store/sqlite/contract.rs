//! The contract of the stores on SQLite: each call goes to the reader thread or the writer's, with the statements of this room.

mod health;
mod history;
mod ingest;
mod queue;
mod reports;
