//! What Orderbell thinks: pure functions and the words they use; no await, no clock, no chance, no I/O.

pub mod apsdai;
pub mod bundle;
pub mod compose;
pub mod condition;
pub mod data;
pub mod digest;
pub mod document;
pub mod duration;
pub mod event;
pub mod id;
pub mod language;
pub mod ledger;
pub mod mask;
pub mod message;
pub mod money;
pub mod order;
pub mod pace;
pub mod picture;
pub mod quiet;
pub mod retry;
pub mod route;
pub mod secret;
pub mod sign;
pub mod template;
pub mod text;
pub mod verdict;
