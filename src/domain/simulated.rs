//! What a simulated provider or receiver must know of a configured one, to demand of a request what the real one demands.

use std::collections::BTreeMap;

use crate::domain::secret::Secret;

/// What requests say of whom they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// A token, which is a secret: it is shown by another name.
    Token(String),
    Name(String),
}

/// What must be right in a request, by names that the kind and its mock agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands(BTreeMap<&'static str, Secret>);

impl Demands {
    /// With what is demanded under this name, where something is.
    #[must_use]
    pub fn with(mut self, name: &'static str, secret: Option<Secret>) -> Self {
        self.0.extend(secret.map(|secret| (name, secret)));
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }
}

/// A configured provider or receiver as it can be simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    pub addressee: Addressee,
    pub demands: Demands,
}
