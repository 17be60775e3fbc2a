//! How the API's document is divided.

use poem_openapi::Tags;

/// A section of the document.
#[derive(Tags)]
pub enum ApiSection {
    /// Events and orders, and why a message did or did not arrive.
    History,
    /// Messages on their way to channels.
    Deliveries,
    /// Channels, sources, reports, notices, the configuration.
    Status,
}
