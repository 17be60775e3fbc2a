//! The end of a first start: the file is written once, whole or not at all, and the daemon is made ready to go on by it.

use std::fs::File;
use std::io;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::Path;

use tempfile::NamedTempFile;
use tokio::net::TcpListener;

use crate::app::Listeners;
use crate::app::assistant::draft::finding;
use crate::config;
use crate::diagnostic::Diagnostic;
use crate::flow::setup_assistant::{SetupError, SetupFinding, SetupStage};
use crate::in_force;
use crate::in_force::fingerprint::Fingerprint;
use crate::in_force::{Errors, Started};

/// What the daemon goes on with.
pub struct Handover {
    pub started: Started,
    /// Where webhooks come in.
    pub hooks: TcpListener,
    /// What the file looked like before it was read.
    pub before: Fingerprint,
}

/// How things stand with a file.
pub fn stage(file: &Path, errors: Errors) -> SetupStage {
    if std::fs::symlink_metadata(file).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return SetupStage::Draft;
    }
    match in_force::start(file, errors) {
        Ok(_) => SetupStage::Saved,
        Err(problems) => SetupStage::Broken { findings: of_file(&problems, file) },
    }
}

/// Writes a file that is not there yet, readable for its owner alone.
///
/// # Errors
/// [`SetupError::Refused`] where one is there, or it cannot be written.
pub fn write(file: &Path, text: &str) -> Result<(), SetupError> {
    let refused = |error: io::Error| {
        SetupError::Refused(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("{} is there already and stays as it is; move it away first", file.display())
            }
            _ => format!("{} cannot be written: {error}", file.display()),
        })
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    // Readable for nobody else from its first byte on.
    let mut written = NamedTempFile::new_in(folder).map_err(refused)?;
    written.write_all(text.as_bytes()).and_then(|()| written.as_file().sync_all()).map_err(refused)?;
    written.persist_noclobber(file).map_err(|error| refused(error.error))?;
    // Its name, too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(refused)
}

/// Reads the file as a start does, and takes the address for webhooks.
///
/// # Errors
/// [`SetupError`]: what keeps the daemon from starting.
pub fn prepare(file: &Path, errors: Errors) -> Result<(Started, Fingerprint, Listeners), SetupError> {
    let before = Fingerprint::of(file);
    let started = in_force::start(file, errors).map_err(|problems| SetupError::Wrong(of_file(&problems, file)))?;
    let listeners = listen(started.read.config.server.listen)?;
    Ok((started, before, listeners))
}

/// Takes an address for webhooks.
///
/// # Errors
/// [`SetupError::Refused`].
pub fn listen(address: SocketAddr) -> Result<Listeners, SetupError> {
    Listeners::bind(address).map_err(|error| {
        let help = "perhaps another program listens there; choose another port";
        SetupError::Refused(format!("server.listen = \"{address}\" cannot be used: {error}; {help}"))
    })
}

fn of_file(problems: &[Diagnostic], file: &Path) -> Vec<SetupFinding> {
    let text = config::text_of(file).unwrap_or_default();
    problems.iter().map(|problem| finding(problem, &text)).collect()
}
