//! Webhooks as platforms really send them: numbers in other spellings, values that cannot be read, bodies in another shape.

mod cuts;
mod keeta;
mod licences;
mod numbers;
mod shape;
mod unreadable;
