//! The store on a real PostgreSQL, beside what every store does: its statements, its schema, and what befalls the database.

mod clock;
pub mod cluster;
mod faults;
mod house;
mod leases;
mod moving;
mod plans;
mod pooled;
mod relay;
mod session;
mod standby;
mod test_lease;
mod tls;
mod versions;
