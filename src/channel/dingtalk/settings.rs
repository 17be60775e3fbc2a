//! What a DingTalk robot's table of the configuration must look like.

use schemars::JsonSchema;

use crate::channel::dingtalk::{DingTalk, TOKEN, answers, preview};
use crate::channel::{ChannelKind, FromSettings, robot};
use crate::domain::settings::{InvalidValue, Reach, SettingsTable};

impl FromSettings for DingTalk {
    const KIND: ChannelKind = ChannelKind {
        name: "dingtalk",
        refuses: &[],
        robot_parameter: Some(TOKEN),
        is_for_programs: false,
        per_minute: Some(robot::PER_MINUTE),
        schema: DingTalk::json_schema,
        setup: include_str!("setup.toml"),
        preview: preview::preview,
        remedy: answers::remedy,
    };

    fn check(table: &mut dyn SettingsTable, reach: Reach) {
        robot::check_webhook(table, TOKEN, "https://oapi.dingtalk.com/robot/send?access_token=…", reach);
        table.check(&["keyword"], &keyword);
        robot::check_mention(table);
        if table.text(&["secret"]).is_some_and(|secret| !secret.starts_with("SEC")) {
            let help = "it is shown beside \"sign\" in the robot's security settings; the token in the address is another thing";
            let message = "DingTalk's secrets begin with SEC, this one does not";
            table.warning(&["secret"], InvalidValue::new(message, help));
        }
    }
}

fn keyword(text: &str) -> Result<(), InvalidValue> {
    let lower = text.trim().to_lowercase();
    let bracketed = lower.starts_with('<') && lower.ends_with('>');
    let placeholder =
        bracketed || ["…", "...", "xxx", "changeme", "your keyword", "your-keyword"].contains(&lower.as_str());
    match lower.is_empty() || placeholder {
        true => Err(InvalidValue::new(
            "this is not a keyword",
            "write a word of the robot's security settings, such as \"order\"; leave it out where there is none",
        )),
        false => Ok(()),
    }
}
