//! A shop as a platform and the configuration know it.

use serde::{Deserialize, Serialize};

/// The shop that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shop {
    /// The platform's own id, as text.
    pub id: String,
    /// As the configuration or the platform calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
