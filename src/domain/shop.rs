//! A shop as a platform and the configuration know it.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// The shop that an event is about.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shop {
    /// The platform's own id, as text.
    pub id: String,
    /// As the configuration or the platform calls it.
    pub name: Option<String>,
}
