//! The store in a PostgreSQL database.

pub mod address;
pub mod connect;
mod failure;
pub mod session;
mod statement;
mod tls;
mod value;
