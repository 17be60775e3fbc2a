//! What a WeCom robot's table of the configuration must look like.

use schemars::JsonSchema;

use crate::channel::wecom::{KEY, WeCom, answers, preview};
use crate::channel::{ChannelKind, FromSettings, robot};
use crate::domain::settings::{InvalidValue, Reach, SettingsTable};

impl FromSettings for WeCom {
    const KIND: ChannelKind = ChannelKind {
        name: "wecom",
        refuses: &[],
        robot_parameter: Some(KEY),
        is_for_programs: false,
        per_minute: Some(robot::PER_MINUTE),
        schema: WeCom::json_schema,
        setup: include_str!("setup.toml"),
        preview: preview::preview,
        remedy: answers::remedy,
    };

    fn check(table: &mut dyn SettingsTable, reach: Reach) {
        robot::check_webhook(table, KEY, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…", reach);
        robot::check_mention(table);
        table.check_each(&["mention", "user_ids"], &|id| match id.contains(['<', '>']) || id == "@all" {
            true => Err(InvalidValue::new(
                format!("\"{id}\" is not a user id"),
                "the id as WeCom's administration shows it, such as \"user-1\"; everyone is called by all = true",
            )),
            false => Ok(()),
        });
    }
}
