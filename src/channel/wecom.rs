//! WeCom: what the configuration says of a group robot.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::channel::dingtalk::Mention;
use crate::domain::secret::Secret;

/// One robot of a WeCom group.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeCom {
    /// The robot's address, which holds its key.
    pub webhook: Secret,
    /// How messages are marked up.
    #[serde(default)]
    #[schemars(extend("default" = "markdown"))]
    pub format: Format,
    /// Who is called by name in each message.
    #[serde(default)]
    pub mention: Mention,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Markdown,
    Text,
}
