//! stub
#[derive(clap::Args)]
pub struct Demo {
    #[arg(long)]
    once: bool,
}
pub async fn run(_: Demo) -> Result<(), super::Failure> {
    Ok(())
}
