//! HTTP as others see it: the only room that knows status codes.

pub mod admin;
pub mod hooks;
pub mod server;
