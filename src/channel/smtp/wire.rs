//! The bytes of the dialogue: a mail as it goes over the wire, and a reply as it is read, also where a server is not careful
//! about the standard.

use futures_util::FutureExt;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::channel::charset::{decoded, is_blank};
use crate::channel::smtp::reply::{SmtpFailure, SmtpPhase, lost};

/// Longest reply that is read, in bytes.
const LONGEST_REPLY: usize = 64 * 1024;

pub const DOT: &str = "\r\n.\r\n";

/// The mail as it goes over the wire: a dot more where a line begins with one, and the final dot at the end.
pub fn stuffed(mail: &str) -> String {
    let mut content = String::with_capacity(mail.len() + 64);
    for line in mail.strip_suffix("\r\n").unwrap_or(mail).split("\r\n") {
        if line.starts_with('.') {
            content.push('.');
        }
        content.push_str(line);
        content.push_str("\r\n");
    }
    content.push_str(".\r\n");
    content
}

/// A line of a reply.
enum Line {
    Numbered {
        code: u16,
        /// Another line is to follow.
        goes_on: bool,
        text: String,
    },
    /// Without a code: within a reply of several lines some servers leave it out.
    Text(String),
    Empty,
}

/// One reply: its code, and its lines without the code.
///
/// Lines may end in a bare line feed and be in another encoding. Where a server writes a blank instead of the dash, further
/// lines that came along with the same code belong to the reply; were they left, each would be taken for the answer to a later
/// command.
pub async fn read_reply(
    phase: SmtpPhase,
    stream: &mut (impl AsyncBufRead + Unpin),
) -> Result<(u16, Vec<String>), SmtpFailure> {
    let broken = |why: &str| SmtpFailure::Lost { phase, why: why.to_owned() };
    let (mut known, mut lines, mut left): (Option<u16>, Vec<String>, usize) = (None, Vec::new(), LONGEST_REPLY);
    loop {
        let mut bytes = Vec::new();
        let most = u64::try_from(left).unwrap_or(u64::MAX);
        let read =
            (&mut *stream).take(most).read_until(b'\n', &mut bytes).await.map_err(|error| lost(phase, &error))?;
        left -= read;
        if !bytes.ends_with(b"\n") {
            return Err(broken(if left == 0 { "the reply is too long" } else { "the connection was closed" }));
        }
        let mut is_over = false;
        for piece in bytes.split(|byte| *byte == b'\r') {
            match line(piece).ok_or_else(|| broken("what came is no reply of a mail server"))? {
                Line::Empty => {}
                Line::Text(text) if known.is_some() => lines.push(text),
                Line::Text(_) => return Err(broken("what came is no reply of a mail server")),
                Line::Numbered { code, goes_on, text } => {
                    if known.is_some_and(|known| known / 100 != code / 100) {
                        return Err(broken("the server's reply contradicts itself"));
                    }
                    (known, is_over) = (Some(code), !goes_on);
                    lines.push(text);
                }
            }
        }
        if let Some(code) = known.filter(|_| is_over)
            && !begins_with(stream, code)
        {
            return Ok((code, lines));
        }
    }
}

/// `None`: not a line of a mail server.
fn line(bytes: &[u8]) -> Option<Line> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Some(Line::Empty);
    }
    let Some((code, rest)) = bytes.split_at_checked(3).filter(|(code, _)| code.iter().all(u8::is_ascii_digit)) else {
        return Some(Line::Text(decoded(bytes).trim_end_matches(is_blank).to_owned()));
    };
    let code = std::str::from_utf8(code).ok()?.parse::<u16>().ok().filter(|code| (200..600).contains(code))?;
    let rest = decoded(rest);
    let rest = rest.trim_end_matches(['\r', '\n']);
    let (goes_on, text) = match rest.chars().next() {
        None => (false, ""),
        Some('-') => (true, &rest[1..]),
        Some(separator) if is_blank(separator) || separator == ':' => (false, &rest[separator.len_utf8()..]),
        Some(_) => return None,
    };
    Some(Line::Numbered { code, goes_on, text: text.to_owned() })
}

/// Whether a whole line with this code has come already.
fn begins_with(stream: &mut (impl AsyncBufRead + Unpin), code: u16) -> bool {
    match stream.fill_buf().now_or_never() {
        Some(Ok(came)) => came.starts_with(code.to_string().as_bytes()) && came.contains(&b'\n'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_with_a_dot_gets_another() {
        assert_eq!(stuffed(".a\r\n..\r\nb.\r\n"), "..a\r\n...\r\nb.\r\n.\r\n");
        assert_eq!(stuffed("a"), "a\r\n.\r\n");
    }

    async fn reply(bytes: &[u8]) -> Result<(u16, Vec<String>), SmtpFailure> {
        read_reply(SmtpPhase::Mail, &mut &*bytes).await
    }

    #[tokio::test]
    async fn a_reply_is_read_to_its_last_line() {
        let lines = vec!["one".to_owned(), String::new(), "three".to_owned()];
        assert_eq!(reply(b"250-one\r\n250-\r\n250 three\r\nmore").await, Ok((250, lines)));
        assert_eq!(reply(b"250\r\n").await, Ok((250, vec![String::new()])));
        let endless = "250-x\r\n".repeat(LONGEST_REPLY);
        let broken =
            ["", "250-one\r\n", "250 cut", "hello\r\n", "250?\r\n", "2500 x\r\n", "199 x\r\n", "ééé x\r\n", &endless];
        for broken in broken {
            assert!(matches!(reply(broken.as_bytes()).await, Err(SmtpFailure::Lost { .. })), "{:.20}", broken);
        }
    }

    #[tokio::test]
    async fn a_reply_of_a_careless_server_is_read_whole() {
        let table: [(&[u8], u16, &[&str]); 11] = [
            (b"250-one\n250 two\n", 250, &["one", "two"]),
            (b"250\tone\r\n", 250, &["one"]),
            (b"250:one\r\n", 250, &["one"]),
            (b"250\xc2\xa0one\r\n", 250, &["one"]),
            (b"250 one\r\n250 two\r\n250 three\r\n", 250, &["one", "two", "three"]),
            (b"550-one\r\n and more of it\r\n550 two\r\n", 550, &["one", " and more of it", "two"]),
            (b"\r\n\xef\xbb\xbf220 hello\r\n", 220, &["hello"]),
            (b"250-one\r250 two\r\n", 250, &["one", "two"]),
            // 空间不足 in GBK; Latin-1.
            (b"552 \xbf\xd5\xbc\xe4\xb2\xbb\xd7\xe3\r\n", 552, &["空间不足"]),
            (b"550-5.1.1 one\r\n551 two\r\n", 551, &["5.1.1 one", "two"]),
            (b"250 one\r\n550 another reply\r\n", 250, &["one"]),
        ];
        for (bytes, code, lines) in table {
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(reply(bytes).await, Ok((code, lines)), "{}", String::from_utf8_lossy(bytes));
        }
        let contradicts = reply(b"250-one\r\n550 two\r\n").await;
        assert!(
            matches!(&contradicts, Err(SmtpFailure::Lost { why, .. }) if why.contains("contradicts")),
            "{contradicts:?}"
        );
    }
}
