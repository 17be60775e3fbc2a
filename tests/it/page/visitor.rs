//! A reader of the page without a browser.

use std::net::SocketAddr;

use crate::admin::ask;
use crate::support::{Answer, Daemon};

/// Asks for pages in one language.
#[derive(Clone, Copy)]
pub struct Visitor {
    address: SocketAddr,
    language: &'static str,
}

impl Visitor {
    pub fn of(daemon: &Daemon, language: &'static str) -> Self {
        Self { address: daemon.admin(), language }
    }

    async fn ask(&self, line: &str) -> Answer {
        let headers = [
            ("Host", "localhost"),
            ("Accept", "text/html"),
            ("Accept-Language", self.language),
            ("Origin", "http://localhost"),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        ask(self.address, line, &headers, b"").await
    }

    pub async fn gets(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}")).await
    }

    pub async fn posts(&self, path: &str) -> Answer {
        self.ask(&format!("POST {path}")).await
    }

    /// A page that is there.
    pub async fn sees(&self, path: &str) -> String {
        let answer = self.gets(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        // The one escape that nobody needs to see.
        answer.body.replace("&#x2f;", "/")
    }

    /// Presses a button, and answers where that leads.
    pub async fn presses(&self, path: &str) -> String {
        let answer = self.posts(path).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
        let location = lines.find(|(name, _)| name.eq_ignore_ascii_case("location"));
        location.map(|(_, value)| value.to_owned()).expect("it leads somewhere")
    }
}
