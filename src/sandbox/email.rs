//! The simulated mailbox: who may log in at its mail server, and what a person there reads. The server is `smtp.rs`.

use crate::sandbox::inbox::Received;
use crate::sandbox::mock::Mock;

/// The kind of channel whose messages come to mailboxes.
pub const KIND: &str = "email";
/// What a user of the mail server proves who it is by.
pub const PASSWORD: &str = "password";

/// The kind of receiver that is reached by mail.
pub struct MockEmail;

impl Mock for MockEmail {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn label(&self) -> &'static str {
        "Mailbox"
    }

    fn shown(&self, received: &Received) -> String {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}\n\n{}", text(&received.title), text(&received.text))
    }
}
