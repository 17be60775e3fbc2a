//! Webhooks as platforms really send them: numbers in other spellings, values that cannot be read, bodies in another shape.

mod support;

mod unusual {
    pub mod cuts;
    pub mod keeta;
    pub mod licences;
    pub mod numbers;
    pub mod shape;
    pub mod unreadable;
}
