//! WeCom: what the configuration says of a group robot.

use serde::Deserialize;

use crate::channel::dingtalk::Mention;
use crate::domain::secret::Secret;

/// One robot of a WeCom group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeCom {
    /// The robot's address, which holds its key.
    pub webhook: Secret,
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub mention: Mention,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Markdown,
    Text,
}
