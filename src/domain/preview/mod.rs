//! A part of a message as its reader gets to see it, for whoever looks at it later: nothing in it does or loads anything.

pub mod html;
pub mod markdown;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// What one part shows to its reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The line that lists and notifications show: a title, or a subject.
    pub title: Option<String>,
    /// Of a mail.
    pub from: Option<String>,
    /// The addresses that a mail is handed over for.
    pub to: Vec<String>,
    pub content: PreviewContent,
    /// Who is called by name, by mobile number or user id.
    pub called: Vec<String>,
    /// A line for each file or picture that is enclosed.
    pub enclosed: Vec<String>,
}

/// What stands below the title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewContent {
    /// HTML that was made here of escaped text: no script, no style, no address that is loaded.
    Html(String),
    Text(String),
    /// JSON, indented.
    Json(String),
    /// A picture as a `data:` address.
    Picture(String),
    /// A whole page with styles of its own, which loads nothing; for a frame that may do nothing. And its text.
    Page {
        html: String,
        text: String,
    },
}

impl Preview {
    /// One that has nothing beside its content.
    pub fn of(content: PreviewContent) -> Self {
        Self { title: None, from: None, to: Vec::new(), content, called: Vec::new(), enclosed: Vec::new() }
    }
}

/// The address of a picture that holds it, where it is one that browsers draw as such.
pub fn data_address(bytes: &[u8]) -> Option<String> {
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        _ => return None,
    };
    Some(format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_gets_no_address() {
        assert_eq!(data_address(b"\x89PNG\r\n").as_deref(), Some("data:image/png;base64,iVBORw0K"));
        assert_eq!(data_address(&[0xff, 0xd8, 0xff, 0xe0]).as_deref(), Some("data:image/jpeg;base64,/9j/4A=="));
        for other in [&b"<svg onload=alert(1)>"[..], b"GIF89a", b""] {
            assert_eq!(data_address(other), None);
        }
    }
}
