//! APSDAI's webhooks: which token is believed and for how long, and what each hook says in every shape that a body may have.

mod event;
mod figures;
mod hostile;
mod order;
mod repeats;
mod secrets;
mod sending;
mod source;
mod token;
