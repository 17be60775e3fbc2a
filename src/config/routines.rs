//! `[heartbeat]` and `[backup]`: what the daemon does by the clock so that it shows when it is gone, and nothing is lost.

use std::path::Path;

use jiff::SignedDuration;
use schemars::JsonSchema;
use toml::de::DeTable;

use crate::config::configured::ConfiguredHeartbeat;
use crate::config::context::LoadContext;
use crate::config::globals::Globals;
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::store::StoreConfig;
use crate::config::tables::table;
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::backup::BackupSettings;
use crate::domain::heartbeat::HeartbeatSettings;
use crate::domain::settings::{InvalidValue, Reach, ReadSettings, SettingsTable, check_address, web_url};

const SHORTEST: SignedDuration = SignedDuration::from_secs(10);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
const EXAMPLE: &str = "https://hc.example.com/ping/1f0c";

/// Takes a table out of the file, where there is one.
pub fn section<'t>(root: &mut DeTable<'t>, name: &str, problems: &'t Diagnostics<'t>) -> Option<Section<'t>> {
    problems.enter(ConfigPart::Rest);
    root.contains_key(name).then(|| table(root, name, problems))
}

pub fn heartbeat(
    mut section: Section<'_>,
    context: &LoadContext<'_>,
    problems: &Diagnostics<'_>,
) -> Option<ConfiguredHeartbeat> {
    problems.enter(ConfigPart::Rest);
    let mark = problems.mark();
    secrets::resolve(&mut section, HeartbeatSettings::json_schema, context);
    let is_private = section.value(&["allow_private"]).and_then(|value| value.get_ref().as_bool()).unwrap_or_default();
    let reach = if is_private { Reach::Private } else { Reach::Public };
    check_address(&mut section, "url", EXAMPLE, reach);
    check_address(&mut section, "fail_url", EXAMPLE, reach);
    let (url, fail) = (section.text(&["url"]).map(str::to_owned), section.text(&["fail_url"]).map(str::to_owned));
    let has_query = url.as_deref().and_then(web_url).is_some_and(|url| url.query().is_some());
    if has_query && fail.is_none() && !section.is_reported("fail_url") {
        let message = "when something is wrong, /fail is put behind the path of this address, before its ?";
        let help = "write fail_url = … unless the service means that; one for Uptime Kuma ends in ?status=down";
        section.warning(&["url"], InvalidValue::new(message, help));
    }
    if fail.is_some() && fail == url {
        let message = "\"fail_url\" is the same address as \"url\": nobody is notified when something is wrong";
        section
            .error(&["fail_url"], InvalidValue::new(message, "leave it out, and /fail is put behind the path of url"));
    }
    let settings: HeartbeatSettings = section.read()?;
    if !(SHORTEST..=LONGEST).contains(&settings.every) {
        let help = "from \"10s\" to \"1d\"; the service raises its alarm after some time without a call, so once a minute is plenty";
        problems.error(section.at(&["every"]), "every is out of bounds", help);
    }
    Some(ConfiguredHeartbeat { settings, closed: problems.waits_since(mark) })
}

pub fn backup(
    mut section: Section<'_>,
    store: Option<&StoreConfig>,
    globals: &Globals,
    context: &LoadContext<'_>,
    problems: &Diagnostics<'_>,
) -> Option<BackupSettings> {
    problems.enter(ConfigPart::Rest);
    if store.is_some_and(|store| !store.url.is_file()) {
        let message = "a store on PostgreSQL is not copied by Orderbell";
        let help = "let pg_dump do it, as docs/postgresql.md shows, and take [backup] out";
        problems.error(section.span.clone(), message, help);
    }
    section.check(&["to"], &|to| match to.trim() {
        "" => Err(InvalidValue::new("the copies need a folder", "such as to = \"backups\", best on another disk")),
        _ => Ok(()),
    });
    let mut settings: BackupSettings = section.read()?;
    settings.timezone = globals.timezone.clone();
    settings.to = context.folder().join(&settings.to);
    if is_no_folder(&settings.to) {
        let message = format!("{} is a file, so no copy can be put there", settings.to.display());
        problems.warning(
            section.at(&["to"]),
            message,
            "name a folder, such as to = \"backups\"; it is made where it is missing",
        );
    }
    Some(settings)
}

fn is_no_folder(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_dir())
}
