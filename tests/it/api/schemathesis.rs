//! Another maker's program reads the API's document and asks a running daemon whatever it allows, and much that it does not:
//! schemathesis, with a store that is filled.
//!
//! It needs that program, which `ORDERBELL_SCHEMATHESIS` names; `.ci/run` installs it.

use std::path::Path;

use orderbell::sandbox::rules::Rules;
use tokio::process::Command;

use crate::api::reading::{received, running_with};
use crate::support::{Scene, untested};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_does_what_its_document_says() {
    let Some(program) = std::env::var_os("ORDERBELL_SCHEMATHESIS") else {
        return untested::say("the API by schemathesis: ORDERBELL_SCHEMATHESIS does not name it");
    };
    let scene = Scene::new(Rules::new()).await;
    let (daemon, _) = running_with(&scene, "[admin]\ntoken = \"hush-owner\"\n").await;
    received(&scene, &daemon).await;
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemathesis.toml");
    let output = Command::new(program)
        .arg("--config-file")
        .arg(settings)
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", daemon.admin()))
        .args(["--header", "Authorization: Bearer hush-owner", "--seed", "1", "--no-color"])
        .current_dir(scene.folder.path())
        .output()
        .await
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    println!("{}", said.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
    daemon.stop().await;
}
