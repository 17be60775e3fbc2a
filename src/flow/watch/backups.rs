//! Whether the last backup could be made.

use std::collections::BTreeMap;

use crate::domain::data::Notice;
use crate::flow::backups::BackupState;
use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::{ConditionState, ConditionStates, IncidentKey, wrong};
use crate::flow::watch::incidents::KnownIncident;

pub fn note(state: BackupState, known: &BTreeMap<IncidentKey, KnownIncident>, states: &mut ConditionStates) {
    let (folder, state) = match state {
        BackupState::Off => return,
        BackupState::Unknown => {
            let known = known.keys().filter(|key| key.topic == Topic::Backup);
            return states.extend(known.map(|key| (key.clone(), ConditionState::Unclear)));
        }
        BackupState::Made(folder) => (folder, ConditionState::Fine),
        BackupState::Failed { folder, since, reason } => {
            (folder, wrong(since, Notice { detail: Some(reason), ..Notice::default() }))
        }
    };
    states.insert(IncidentKey { topic: Topic::Backup, subject: folder }, state);
}
