//! HTTP as others see it: the only room that knows status codes.

pub mod server;
pub mod hooks;
