//! Addresses of this listener that a request names: where somebody was before they logged in. Whatever leads elsewhere is none.

/// The most bytes of one.
const LONGEST: usize = 2000;

/// A path of this listener, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPath(String);

impl LocalPath {
    /// `None` where a browser could be led to another host by it, be it because it mends what is written wrongly.
    pub fn read(text: &str) -> Option<Self> {
        let is_plain = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        (is_plain && text.starts_with('/') && !text.starts_with("//")).then(|| Self(text.to_owned()))
    }

    /// That of a whole address, such as a browser sends as `Referer`.
    pub fn of_address(address: &str) -> Option<Self> {
        let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"))?;
        Self::read(&rest[rest.find('/')?..])
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_to_another_host() {
        for path in ["/", "/orders", "/orders?number=%2F%2Fevil&x=1", "/deliveries/0199//x"] {
            assert_eq!(LocalPath::read(path).unwrap().as_str(), path);
        }
        for elsewhere in [
            "",
            "orders",
            "//evil.example.com",
            "/\\evil.example.com",
            "\\\\evil.example.com",
            "/\t/evil.example.com",
            "/\n/evil.example.com",
            " //evil.example.com",
            "https://evil.example.com",
            "javascript:alert(1)",
            "/é",
            &format!("/{}", "a".repeat(2000)),
        ] {
            assert_eq!(LocalPath::read(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn of_an_address_the_path_is_taken_whatever_its_host() {
        let path = |address| LocalPath::of_address(address).map(|path| path.0);
        assert_eq!(path("https://bell.example.com/orders?x=1").as_deref(), Some("/orders?x=1"));
        for none in ["https://bell.example.com", "https://bell.example.com//evil", "/orders", "about:blank"] {
            assert_eq!(path(none), None, "{none}");
        }
    }
}
