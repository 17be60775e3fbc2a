//! *Set-up*: leads a first start to a configuration and from there to the daemon; where there is one, it says so.

pub mod forms;
pub mod steps;
pub mod there;
