//! The one HTTP client: rustls with ring, no redirects, answers read through a cap, private addresses refused.

/// An HTTP client with the settings of one channel.
#[derive(Debug)]
pub struct Http {}
