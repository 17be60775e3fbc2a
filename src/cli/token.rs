//! `orderbell token`: an access token for the admin listener, which is shown once and stored nowhere.

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::OutputFormat;
use crate::config::values;
use crate::domain::access;
use crate::domain::access::Access;

#[derive(Args)]
pub struct Token {
    /// Whom it is for, as in `[admin.tokens.NAME]`; `[admin]` itself where absent
    #[arg(value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// What it may do; the one of `[admin]` itself may always write
    #[arg(long, value_name = "ACCESS", default_value = "read", value_parser = ["read", "write"])]
    access: String,
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: OutputFormat,
}

fn name(text: &str) -> Result<String, String> {
    values::name(text).map(|()| text.to_owned()).map_err(|invalid| format!("{}: {}", invalid.message, invalid.help))
}

pub fn run(asked: &Token) -> Result<(), Failure> {
    let (mut random, mut salt) = ([0; 32], [0; 16]);
    let filled = getrandom::fill(&mut random).and_then(|()| getrandom::fill(&mut salt));
    filled.map_err(|error| Failure::Failed(format!("this machine gives no random bytes: {error}")))?;
    let token = access::token(&random);
    let hash = access::hash(&token, &salt)
        .ok_or_else(|| Failure::Failed("there is not enough memory to hash the token".to_owned()))?;
    let (table, access) = match &asked.name {
        Some(name) => (format!("admin.tokens.{name}"), asked.access.as_str()),
        None => ("admin".to_owned(), Access::Write.as_str()),
    };
    if asked.format == OutputFormat::Json {
        let all = json!({ "token": token.expose(), "token_hash": hash, "table": table, "access": access });
        return output::line(format_args!("{all:#}"));
    }
    let access = asked.name.as_ref().map(|_| format!("access = \"{access}\"\n")).unwrap_or_default();
    output::print(format_args!(
        "# The token, shown this once. Whoever asks sends it as: Authorization: Bearer TOKEN
{}

# For orderbell.toml: the hash, so that the token itself stands nowhere
[{table}]
token_hash = \"{hash}\"
{access}
# or instead of token_hash, with the token in the environment of the daemon
token = {{ env = \"ORDERBELL_TOKEN\" }}
",
        token.expose()
    ))
}
