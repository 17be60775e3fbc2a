//! `orderbell serve --setup` where there is no configuration yet, or none that can be used.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::assistant::Assistant;
use crate::app::assistant::saving::Handover;
use crate::app::{Listeners, first_start, problems};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::diagnostic::Diagnostic;
use crate::flow::Clock;
use crate::in_force::Errors;

/// Takes the address of the page, and says how to open it. `found` is why there is no configuration.
pub fn listen(at: SocketAddr, file: &Path, found: &[Diagnostic]) -> Result<TcpListener, Failure> {
    if !at.ip().is_loopback() {
        return Err(Failure::Misused(format!(
            "--setup={at}: the page of a first start asks for no password, so it answers this machine alone; choose an \
            address of it, such as 127.0.0.1:{}",
            at.port()
        )));
    }
    let listener = Listeners::bind(at).map_err(|error| {
        let another = format!("choose another port, as in --setup={}:{}", at.ip(), at.port().wrapping_add(1).max(1024));
        Failure::Failed(format!(
            "the page cannot be shown at {at}: {error}; is another orderbell running? else {another}"
        ))
    })?;
    let at = listener.hooks.local_addr().unwrap_or(at);
    match file.exists() {
        false => output::line(format_args!("There is no {} yet. This page leads to it:", file.display()))?,
        true => {
            problems::log(found);
            output::line(format_args!("{} cannot be used. This page says why:", file.display()))?;
        }
    }
    let port = at.port();
    output::line(format_args!(
        "\n    http://{at}/\n\nOnly a browser on this machine gets an answer. From another one, type there\n\n    \
        ssh -L {port}:{at} NAME-OF-THIS-MACHINE\n\nand open http://127.0.0.1:{port}/ there. Ctrl-C stops."
    ))?;
    Ok(listener.hooks)
}

/// Shows the page until the daemon is to go on by a configuration; `None` where a person has stopped it.
pub async fn run(
    file: &Path,
    listener: TcpListener,
    errors: Errors,
    shutdown: &CancellationToken,
) -> Result<Option<(Handover, TcpListener)>, Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("the page cannot be shown: {error}"));
    let (clock, at) = (Clock::system(), listener.local_addr().map_err(failed)?);
    let assistant = Assistant::new(file, at, errors, clock.clone());
    first_start::run(assistant, listener, clock, shutdown).await.map_err(failed)
}
