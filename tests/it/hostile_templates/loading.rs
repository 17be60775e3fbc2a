//! Such templates when they are read: by `check`, at the start, at a reload and in a preview.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Instant;

use orderbell::sandbox::rules::Rules;
use tokio::net::TcpStream;

use crate::hostile_templates::{
    Fate, RESIDENT_KIB, Serving, at_parsing, at_rendering, configured, knows, notices, orderbell, said, template, until,
};
use crate::support::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn check_names_a_template_that_would_end_it() {
    let rendered =
        at_rendering().into_iter().filter(|(_, fate, _)| *fate == Fate::Plain).map(|(name, _, text)| (name, text));
    for (name, text) in rendered.chain(at_parsing()) {
        let scene = Scene::new(Rules::new()).await;
        configured(&scene, &[name]).await;
        let file = format!("order.placed.{name}.md");
        template(&scene, &file, &text);
        let begin = Instant::now();
        let output = orderbell(scene.folder.path(), &["check"]).output().expect("it runs");
        let said = said(&output);
        println!("{name}: {:?} after {:?}", output.status, begin.elapsed());
        assert_eq!(output.status.code(), Some(2), "{name}: {:?} {said:.600}", output.status);
        assert!(said.contains(&file), "{name}: {said:.600}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_template_ends_a_start_by_being_parsed() {
    let scene = Scene::new(Rules::new()).await;
    let address = configured(&scene, &["kitchen"]).await;
    for (name, text) in at_parsing() {
        template(&scene, "order.placed.md", &text);
        let mut child = orderbell(scene.folder.path(), &["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = child.as_mut().expect("it starts");
        // It refuses to start with a broken template, or it starts without it.
        until("it has ended or listens", async || {
            TcpStream::connect(address).await.is_ok() || child.try_wait().expect("a child").is_some()
        })
        .await;
        let ended = child.try_wait().expect("a child");
        assert_eq!(ended.and_then(|status| status.signal()), None, "{name} ended the start");
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_template_that_would_end_the_daemon_is_not_taken() {
    let scene = Scene::new(Rules::new().speed(1_000_000)).await;
    let address = configured(&scene, &["kitchen"]).await;
    template(&scene, "order.placed.md", "# Mine {{ order.number }}\n");
    let mut serving = Serving::start(&scene, address).await;
    let rendered =
        at_rendering().into_iter().filter(|(name, ..)| *name == "memory").map(|(name, _, text)| (name, text));
    let parsed = at_parsing().into_iter().filter(|(name, _)| *name == "chain");
    let files = ["order.placed.md", "order.cancelled.md"];
    for (((name, text), file), number) in rendered.chain(parsed).zip(files).zip(7_000_001..) {
        let before = notices(&scene, "New templates are not used").len();
        template(&scene, file, &format!("# {name}\n{text}"));
        until(&format!("the owner is notified of {name}"), async || {
            serving.assert_alive();
            notices(&scene, "New templates are not used").len() > before
        })
        .await;
        serving.order(number).await;
        until("the kitchen knows", async || knows(&scene, "kitchen", number)).await;
        template(&scene, file, "# Mine {{ order.number }}\n");
    }
    let titles: Vec<_> = scene.received("kitchen").into_iter().filter_map(|received| received.title).collect();
    assert!(titles.iter().all(|title| title.starts_with("Mine")), "the templates before stay: {titles:?}");
    println!("resident at most {} KiB", serving.resident_kib());
    assert!(serving.resident_kib() < RESIDENT_KIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_a_template_that_would_end_it_shows_the_plain_form() {
    let scene = Scene::new(Rules::new()).await;
    configured(&scene, &["kitchen"]).await;
    let (_, _, memory) = at_rendering().remove(0);
    for (file, arguments) in [
        ("order.placed.md", &["render", "order.placed", "--channel", "kitchen"][..]),
        ("report.md", &["render", "report.daily", "--channel", "kitchen"]),
    ] {
        template(&scene, file, &memory);
        let output = orderbell(scene.folder.path(), arguments).output().expect("it runs");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{file}: {:?} {said:.600}", output.status);
        assert!(said.contains(file) && said.contains("the plain form goes out instead"), "{file}: {said:.600}");
    }
    let (_, chain) = at_parsing().remove(0);
    template(&scene, "order.placed.md", &chain);
    let output =
        orderbell(scene.folder.path(), &["render", "order.placed", "--channel", "kitchen"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{:?} {:.600}", output.status, said(&output));
    let said = said(&output);
    assert!(said.contains("order.placed.md") && said.contains("built-in words stand in"), "{said:.600}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_merchant_writes_ends_check() {
    let route = |when: &str| format!("[[route]]\nevents = [\"*\"]\nto = [\"owner\"]\nwhen = {when:?}\n");
    let configurations = [
        format!("a = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}1{}\n", "{ a = ".repeat(100_000), " }".repeat(100_000)),
        format!("a{} = 1\n", ".a".repeat(100_000)),
        format!("[a{}]\n", ".a".repeat(100_000)),
        route(&format!("1{} > 5", "+1".repeat(100_000))),
        route(&format!("{}1{} > 5", "(".repeat(100_000), ")".repeat(100_000))),
        route(&format!("kind{} == 'x'", "|upper".repeat(40_000))),
        route("([1] * 100000000) | sort | length > 5"),
        route("('x' * 50000000) | replace('x', 'y' * 1000) == 'z'"),
        route("kind | indent(100000000000) == 'x'"),
        route("'x' | list | batch(100000000000, 1) | list | length > 5"),
    ];
    for (number, more) in configurations.into_iter().enumerate() {
        let scene = Scene::new(Rules::new()).await;
        configured(&scene, &["kitchen"]).await;
        let file = scene.folder.path().join("orderbell.toml");
        let text = std::fs::read_to_string(&file).expect("written");
        std::fs::write(&file, format!("{text}\n{more}")).expect("written");
        let output = orderbell(scene.folder.path(), &["check"]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{number}: {:?} {:.80} {:.600}", output.status, more, said(&output));
    }
    for words in [format!("[a{}]\nb = \"c\"\n", ".a".repeat(40_000)), format!("a = {}", "[".repeat(100_000))] {
        let scene = Scene::new(Rules::new()).await;
        configured(&scene, &["kitchen"]).await;
        template(&scene, "words.toml", &words);
        let output = orderbell(scene.folder.path(), &["check"]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{:?} {:.600}", output.status, said(&output));
        assert!(said(&output).contains("words.toml"), "{:.600}", said(&output));
    }
}
