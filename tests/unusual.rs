//! Webhooks as platforms really send them: numbers in other spellings, values that cannot be read, bodies in another shape.

mod unusual {
    pub mod keeta;
    pub mod licences;
    pub mod numbers;
    pub mod unreadable;
}
