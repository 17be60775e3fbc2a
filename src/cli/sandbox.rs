//! stub
#[derive(clap::Args)]
pub struct Sandbox {}
pub async fn run(_: Sandbox) -> Result<(), super::Failure> {
    Ok(())
}
