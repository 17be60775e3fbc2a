//! `[heartbeat]`: the address of a service that raises an alarm when it is not called any more, and how often it is called.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::domain::duration;
use crate::domain::secret::Secret;

/// A dead man's switch: a service elsewhere is called while all is well, and notifies you when it is not called any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Heartbeat")]
pub struct HeartbeatSettings {
    /// What is called with GET while all is well; 2xx is taken for an acceptance. Whoever has the address can keep the alarm silent.
    #[schemars(extend("format" = "uri"))]
    pub url: Secret,
    /// How often; 10 seconds to one day. Set the service to raise its alarm after two or three times as long.
    #[serde(default = "default_every", deserialize_with = "crate::domain::duration::deserialize")]
    #[schemars(with = "duration::DurationText", extend("default" = "1m"))]
    pub every: SignedDuration,
    /// What is called instead when something is wrong; `url` with `/fail` behind its path where absent.
    #[schemars(extend("format" = "uri"))]
    pub fail_url: Option<Secret>,
    /// May the addresses be of this machine or the private network, and without TLS?
    #[serde(default)]
    pub allow_private: bool,
}

fn default_every() -> SignedDuration {
    SignedDuration::from_mins(1)
}

impl HeartbeatSettings {
    /// What is called when something is wrong.
    pub fn fail_address(&self) -> Secret {
        self.fail_url.clone().unwrap_or_else(|| Secret::new(failing(self.url.expose())))
    }
}

/// An address with `/fail` behind its path.
fn failing(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return address.to_owned() };
    let path = format!("{}/fail", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_that_something_is_wrong_stands_behind_the_path() {
        for (url, fail) in [
            ("https://hc.example.com/ping/1f", "https://hc.example.com/ping/1f/fail"),
            ("https://hc.example.com/ping/1f/", "https://hc.example.com/ping/1f/fail"),
            ("https://hc.example.com", "https://hc.example.com/fail"),
            ("https://hc.example.com/push/1f?rid=2", "https://hc.example.com/push/1f/fail?rid=2"),
        ] {
            assert_eq!(failing(url), fail);
        }
    }
}
