//! *Configuration*: what is in force, and what its file says by now.

use minijinja::{Value, context};
use poem::web::Query;
use poem::{Response, handler};
use serde::Deserialize;

use crate::flow::configuration_file::{FileExamination, FileProblem, FileSeverity, PendingKey};
use crate::flow::resources::ResourceError;
use crate::flow::resources::configuration_file::RunningInstance;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::{plain, shown};
use crate::web::admin::problem::Problem;

/// The notices that are about the file or its templates.
const TOPICS: [&str; 2] = ["configuration", "templates"];

#[derive(Deserialize)]
struct Asked {
    /// `read`: the file is read anew.
    file: Option<String>,
}

#[handler]
pub async fn configuration(reader: Reader, Query(Asked { file }): Query<Asked>) -> Result<Response, Problem> {
    let resources = reader.resources();
    let examined = match file.as_deref() {
        Some("read") => Some(match resources.examine_file().await {
            Ok(examined) => context! { found => examined.as_ref().map(examination), is_read => examined.is_some() },
            Err(ResourceError::Busy(_)) => context! { is_busy => true },
            Err(error) => return Err(error.into()),
        }),
        _ => None,
    };
    let in_force = resources.shown_configuration().map(|known| {
        context! {
            text => known.text.as_str(),
            since => known.since.to_string(),
            store => known.store,
            store_place => known.store_place.as_str(),
        }
    });
    let mut notices = resources.worded_notices(reader.language).await?;
    notices.retain(|notice| TOPICS.contains(&notice.topic.as_str()));
    let instances = resources.instances().await?;
    Ok(reader.page(
        "configuration",
        context! {
            config => shown(&resources.configuration()),
            in_force => in_force,
            instances => instances.iter().map(instance).collect::<Vec<Value>>(),
            notices => plain(&notices),
            examined => examined,
        },
    ))
}

fn instance(instance: &RunningInstance) -> Value {
    let RunningInstance { name, version, since, leads } = instance;
    context! { name => name, version => version, since => since.to_string(), leads => leads }
}

fn examination(examined: &FileExamination) -> Value {
    let problem = |FileProblem { severity, text }: &FileProblem| {
        let severity = match severity {
            FileSeverity::Error => "error",
            FileSeverity::Warning => "warning",
            FileSeverity::Note => "note",
        };
        context! { severity => severity, text => text }
    };
    let pending = |PendingKey { key, in_force, in_file }: &PendingKey| context! { key => *key, in_force => in_force, in_file => in_file };
    context! {
        file => examined.file.as_str(),
        problems => examined.problems.iter().map(problem).collect::<Vec<Value>>(),
        left_out => examined.left_out,
        starts => examined.starts,
        is_in_force => examined.is_in_force,
        written_at => examined.written_at.map(|at| at.to_string()),
        pending => examined.pending.iter().map(pending).collect::<Vec<Value>>(),
    }
}
