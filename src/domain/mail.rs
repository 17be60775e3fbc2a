//! Reads a mail as far as a person looks at it: its headers, its text and its HTML, and what is enclosed.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A mail, taken apart.
#[derive(Debug, Default)]
pub struct ParsedMail {
    /// In their order, names in lower case, encoded words decoded.
    pub headers: Vec<(String, String)>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub enclosed: Vec<MailAttachment>,
}

/// A picture or a file of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailAttachment {
    /// Such as `image/png`.
    pub kind: String,
    pub name: Option<String>,
    /// By which the HTML shows it, without its brackets.
    pub id: Option<String>,
    pub bytes: Vec<u8>,
}

impl ParsedMail {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The text, and a line for whatever is enclosed.
    pub fn shown(&self) -> Option<String> {
        let mut text = self.text.clone()?;
        for enclosed in &self.enclosed {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("\n[{}]\n", enclosed.line()));
        }
        Some(text)
    }
}

impl MailAttachment {
    /// Such as `daily.csv, text/csv, 1 KB`.
    pub fn line(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        format!("{name}{}, {} KB", self.kind, self.bytes.len().div_ceil(1000))
    }
}

/// Takes a mail apart. What it does not understand it leaves out.
pub fn open(mail: &str) -> ParsedMail {
    let (headers, body) = split(mail);
    let mut opened = ParsedMail { headers: headers.clone(), ..ParsedMail::default() };
    look(&headers, body, &mut opened);
    for (_, value) in &mut opened.headers {
        *value = decoded_words(value);
    }
    opened
}

fn look(headers: &[(String, String)], body: &str, opened: &mut ParsedMail) {
    let header = |name: &str| headers.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str());
    let kind = header("content-type");
    let disposition = header("content-disposition");
    if let Some(boundary) = kind.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()) {
        let marker = format!("--{boundary}");
        for part in body.split(marker.as_str()).skip(1).take_while(|part| !part.starts_with("--")) {
            let (headers, body) = split(part.trim_start_matches("\r\n"));
            look(&headers, body.strip_suffix("\r\n").unwrap_or(body), opened);
        }
        return;
    }
    let bytes = match header("content-transfer-encoding").to_ascii_lowercase().as_str() {
        "base64" => BASE64_STANDARD.decode(body.replace("\r\n", "")).unwrap_or_default(),
        "quoted-printable" => unquoted(&body.replace("=\r\n", ""), b'='),
        _ => body.as_bytes().to_vec(),
    };
    let mime = kind.split(';').next().unwrap_or_default().trim();
    if !disposition.is_empty() || mime.starts_with("image/") {
        let name = disposition.split("filename=\"").nth(1).and_then(|rest| rest.split('"').next());
        let id = header("content-id").trim_matches(['<', '>']);
        opened.enclosed.push(MailAttachment {
            kind: mime.to_owned(),
            name: name.map(str::to_owned),
            id: Some(id).filter(|id| !id.is_empty()).map(str::to_owned),
            bytes,
        });
        return;
    }
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    match mime {
        "text/html" => opened.html = Some(text),
        _ => opened.text = Some(text),
    }
}

/// Headers with their folds undone, and the body.
fn split(mail: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap_or((mail, ""));
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    (lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(), body)
}

/// `=?utf-8?b?…?=` and `=?utf-8?q?…?=` as what they stand for; the blank between two of them belongs to neither.
fn decoded_words(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some((before, word)) = rest.split_once("=?") {
        let mut pieces = word.splitn(3, '?');
        let (Some(_), Some(kind), Some(coded)) = (pieces.next(), pieces.next(), pieces.next()) else { break };
        let Some((coded, behind)) = coded.split_once("?=") else { break };
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        let bytes = match kind.to_ascii_lowercase().as_str() {
            "b" => BASE64_STANDARD.decode(coded).unwrap_or_default(),
            _ => unquoted(&coded.replace('_', " "), b'='),
        };
        out.push_str(&String::from_utf8_lossy(&bytes));
        (rest, after_word) = (behind, true);
    }
    out.push_str(rest);
    out
}

/// `=C3` as the byte that it stands for.
fn unquoted(text: &str, mark: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        let coded = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match coded.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == mark => {
                out.push(byte);
                bytes = &rest[2..];
            }
            _ => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enclosed_is_neither_text_nor_page() {
        let mail = "Content-Type: multipart/mixed; boundary=\"m\"\r\n\r\n--m\r\nContent-Type: multipart/related; boundary=\"r\"\r\n\r\n\
            --r\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nfigures\r\n--r\r\nContent-ID: <report>\r\n\
            Content-Disposition: inline; filename=\"report.png\"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            iVBORw==\r\n--r--\r\n--m\r\nContent-Disposition: attachment; filename=\"daily.csv\"\r\nContent-Type: text/csv; charset=utf-8\r\n\r\n\
            a,b\r\n--m--\r\n";
        let opened = open(mail);
        assert_eq!((opened.text.as_deref(), opened.html.as_deref()), (Some("figures"), None));
        let text = |text: &str| Some(text.to_owned());
        let picture = MailAttachment {
            kind: "image/png".to_owned(),
            name: text("report.png"),
            id: text("report"),
            bytes: b"\x89PNG".to_vec(),
        };
        let table =
            MailAttachment { kind: "text/csv".to_owned(), name: text("daily.csv"), id: None, bytes: b"a,b".to_vec() };
        assert_eq!(opened.enclosed, [picture, table]);
        let shown = "figures\n[report.png, image/png, 1 KB]\n[daily.csv, text/csv, 1 KB]\n";
        assert_eq!(opened.shown().as_deref(), Some(shown));
    }

    #[test]
    fn a_mail_is_read_as_its_reader_sees_it() {
        let mail = "Subject: =?utf-8?b?5rW35riv?= =?utf-8?b?6Z2i6aaG?= and\r\n more =?utf-8?q?caf=C3=A9_x?=\r\n\
            Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 =\r\nau lait\r\n--b\r\nContent-Type: text/html\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nPHA+\r\nPC9wPg==\r\n--b--\r\n";
        let opened = open(mail);
        assert_eq!(opened.header("subject"), Some("海港面馆 and more café x"));
        assert_eq!(opened.text.as_deref(), Some("café au lait"));
        assert_eq!(opened.html.as_deref(), Some("<p></p>"));
    }
}
