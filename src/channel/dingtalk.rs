//! DingTalk: the custom group robot.

use serde::Deserialize;

use crate::domain::secret::Secret;

/// One robot of a DingTalk group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DingTalk {
    /// The robot's address, which holds its token.
    pub webhook: Secret,
    /// The secret of signed mode; begins with `SEC`.
    pub secret: Option<Secret>,
    /// The word that the robot's keyword mode demands in each message.
    pub keyword: Option<String>,
    #[serde(default)]
    pub mention: Mention,
}

/// Who is called by name in each message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mention {
    /// Mobile numbers of group members; outside mainland China `+<country>-<number>`.
    pub mobiles: Vec<String>,
    pub user_ids: Vec<String>,
    /// Everyone in the group.
    pub all: bool,
}

impl crate::channel::Channel for DingTalk {
    fn kind(&self) -> &'static str {
        "dingtalk"
    }
    fn at_once(&self) -> usize {
        1
    }

    fn in_order(&self) -> bool {
        false
    }

    fn credential(&self) -> String {
        todo!()
    }
    fn write(
        &self,
        _: &crate::domain::message::Message,
        _: crate::domain::message::Form,
    ) -> Vec<crate::domain::message::Part> {
        todo!()
    }
    fn send<'a>(
        &'a self,
        _: &'a crate::channel::http::Http,
        _: &'a crate::domain::message::Part,
        _: &'a crate::channel::Attempt,
    ) -> crate::channel::Sending<'a> {
        todo!()
    }
}
