//! APSDAI's webhooks: which token is believed and for how long, and what each hook says in every shape that a body may have.

mod apsdai {
    pub mod event;
    pub mod figures;
    pub mod hostile;
    pub mod order;
    pub mod repeats;
    pub mod secrets;
    pub mod sending;
    pub mod source;
    pub mod token;
}
