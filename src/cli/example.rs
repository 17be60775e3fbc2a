//! The example configuration, as `demo` and `sandbox` use it.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::config;
use crate::config::configured::Config;
use crate::config::context::LoadContext;

/// The text of `config.example.toml`.
pub const TEXT: &str = include_str!("../../config.example.toml");
/// Where the example's webhooks come in.
pub const SERVER: &str = "127.0.0.1:8787";
/// Where the example's channels point to.
pub const SANDBOX: &str = "127.0.0.1:8789";
/// Where the example's mail server is.
pub const MAIL: &str = "127.0.0.1:8790";

/// Reads the example as if it lay at `file`, with some of its texts replaced.
pub fn read(file: &Path, replace: &[(&str, &str)]) -> Result<Config, Failure> {
    let text = replace.iter().fold(TEXT.to_owned(), |text, (old, new)| text.replace(old, new));
    let env = |name: &str| std::env::var(name).ok();
    let context = LoadContext {
        file,
        env: &env,
        languages: config::context::languages(),
        secrets: config::context::SecretReading::Read,
    };
    config::read_text(&text, &context).map(|loaded| loaded.config).map_err(Failure::Configuration)
}
