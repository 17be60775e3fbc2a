//! The next start goes on where the running daemon did: with a broken configuration, without a secret, with a broken
//! template.

mod copies;
mod house;

use crate::last_good::house::{House, ROUTE, said};
use crate::support::{A_WHILE, keeta};

/// How a file is broken.
type Breaks = fn(&House);

/// Every way in which the configuration file cannot be used, with what is said of it.
const KINDS: [(&str, Breaks, &str); 9] = [
    (
        "typo",
        |house| house.write(&house.good().replace("to = [\"erp\"]", "to = [\"epr\"]")),
        "there is no channel \"epr\"",
    ),
    ("brace", |house| house.write(&house.good().replace("[[route]]", "[[route")), "orderbell.toml"),
    ("unknown key", |house| house.write(&house.good().replace("timezone =", "timezon =")), "timezon"),
    (
        "bad value",
        |house| house.write(&house.good().replace("[server]", "[server]\nmax_body = \"x\"")),
        "is not a size",
    ),
    ("half", |house| house.write(&house.good()[..house.good().len() / 2]), "orderbell.toml"),
    ("empty", |house| house.write(" \n# nothing\n"), "no [source.NAME]"),
    ("no text", |house| std::fs::write(&house.file, b"\xff\xfe\x00").expect("written"), "not UTF-8"),
    (
        "folder",
        |house| {
            house.clear();
            std::fs::create_dir(&house.file).expect("made")
        },
        "it is a folder",
    ),
    ("missing", House::clear, "there is no such file"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_broken_file_goes_on_with_the_configuration_last_in_force() {
    let house = House::new().await;
    house.begin(&house.good()).await;
    for (number, (kind, breaks, words)) in (1..).zip(KINDS) {
        breaks(&house);
        let daemon = house.serve().await;
        house.order_arrives(number, usize::try_from(number).expect("few")).await;
        house.until_log(&daemon, "the configuration last in force is used").await;
        house.until_log(&daemon, words).await;
        house.until_notified(&["The new configuration is not used", words]).await;
        drop(daemon);
        let check = house.run(&["check"]);
        let expected = if kind == "empty" { Some(0) } else { Some(2) };
        assert_eq!(check.status.code(), expected, "{kind}: {}", said(&check));
        if kind != "empty" {
            let (code, log) = house.refused(&["serve", "--strict"]).await;
            assert!(code == Some(2) && log.contains(words), "{kind}: {code:?}\n{log}");
        }
    }
    // The same mistake over another start is reported no sooner than an hour later.
    let daemon = house.serve().await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(house.notified(&["not used", "there is no such file"]), 1, "once an hour");
    // Mended while it runs: in force without a restart, and the operator is notified.
    house.write(&house.text("", &format!("{ROUTE}{}", keeta::source("another", ""))));
    daemon.hang_up();
    house.until_notified(&["The configuration is right again"]).await;
    assert_eq!(house.post("another", 1).await.status, 401, "signed for another address");
    // And emptied while it runs: nothing changes.
    house.write("");
    daemon.hang_up();
    house.until_notified(&["no [source.NAME]"]).await;
    house.order_arrives(100, KINDS.len() + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_with_an_error_does_not_happen() {
    let mut house = House::new().await;
    let secret = |house: &House| {
        house.write(&house.good().replace(&format!("\"{}\"", keeta::SECRET), "{ env = \"LAST_GOOD_UNSET\" }"))
    };
    let template = |house: &House| {
        std::fs::create_dir_all(house.path("mine/en")).expect("made");
        std::fs::write(house.path("mine/en/order.placed.md"), "{% if %}").expect("written");
        house.write(&house.text("templates = \"mine\"", ROUTE));
    };
    let others: [(&str, Breaks, &str); 2] =
        [("secret", secret, "LAST_GOOD_UNSET is not set"), ("template", template, "order.placed.md")];
    for (kind, breaks, words) in KINDS.into_iter().filter(|(kind, ..)| *kind != "empty").chain(others) {
        breaks(&house);
        for arguments in [&["serve"][..], &["serve", "--strict"]] {
            let (code, log) = house.refused(arguments).await;
            assert!(code == Some(2) && log.contains(words), "{kind}: {code:?}\n{log}");
        }
        assert!(!house.path(".orderbell.last-good.toml").exists(), "{kind} was never in force");
    }
    // Nor is another file's copy any help.
    house.begin(&house.good()).await;
    house.file = house.path("another.toml");
    assert_eq!(house.refused(&["serve"]).await.0, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_template_starts_with_the_built_in_one_in_its_place_and_the_others_as_they_are() {
    let house = House::new().await;
    let template = |name: &str, text: &str| {
        std::fs::create_dir_all(house.path("mine/en")).expect("made");
        std::fs::write(house.path("mine/en").join(name), text).expect("written");
    };
    template("test.md", "# mine\n");
    template("order.placed.md", "# my order\n");
    template(
        "operator.notice.md",
        "# my notice {{ data.notice.topic }} {{ data.notice.subject }} {% if data.notice.until %}is over{% endif %}\n",
    );
    house.begin(&house.text("templates = \"mine\"", ROUTE)).await;
    template("order.placed.md", "# my order\n\n{% if %}\n");
    let daemon = house.serve().await;
    house.order_arrives(1, 1).await;
    let title = |number: usize| house.scene.received("erp")[number].title.clone().unwrap_or_default();
    assert!(title(0).starts_with("New order"), "{}", title(0));
    house.until_notified(&["my notice templates", "order.placed.md:3"]).await;
    house.until_log(&daemon, "built-in templates are used").await;
    let (code, log) = house.refused(&["serve", "--strict"]).await;
    assert!(code == Some(2) && log.contains("order.placed.md"), "{log}");
    // A command beside it uses the same.
    let rendered = house.run(&["render", "order.placed", "--channel", "owner"]);
    assert!(rendered.status.success() && said(&rendered).contains("order.placed.md"), "{}", said(&rendered));
    template("order.placed.md", "# my order again\n");
    daemon.hang_up();
    house.until_notified(&["my notice templates", "order.placed.md:3", "is over"]).await;
    house.order_arrives(2, 2).await;
    assert_eq!(title(1), "my order again");
    drop(daemon);

    // One that parses and fails with a sample: said at the start, as by `check`.
    template("order.placed.md", "# my order\n\n\n\n{{ order.lines }}\n");
    let check = house.run(&["check"]);
    assert!(check.status.code() == Some(2) && said(&check).contains("order.placed.md:5"), "{}", said(&check));
    let daemon = house.serve().await;
    house.until_notified(&["my notice templates", "order.placed.md:5"]).await;
    house.until_log(&daemon, "would go out in its plain form").await;
    drop(daemon);

    // The whole folder is gone, and with it the language that it brought.
    std::fs::rename(house.path("mine"), house.path("away")).expect("moved");
    house.write(&house.text("templates = \"mine\"\nlanguage = \"fr\"", ROUTE));
    let daemon = house.serve().await;
    house.order_arrives(3, 3).await;
    assert!(title(2).starts_with("New order"), "{}", title(2));
    house.until_log(&daemon, "there is no such folder").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_parks_its_channel_and_closes_its_source() {
    let mut house = House::new().await;
    let set = [("LAST_GOOD_HOOK", house.scene.sandbox.hook_url("office")), ("LAST_GOOD_EMPTY", "word".to_owned())];
    house.variables = set.map(|(name, value)| (name.to_owned(), value)).into();
    let secret = format!("\"{}\"", keeta::SECRET);
    let source = |name: &str, by: &str| keeta::source(name, "").replace(&secret, by);
    let more = [
        "[channel.office]\nkind = \"webhook\"\nurl = { env = \"LAST_GOOD_HOOK\" }\nallow_private = true\nfallback = \"deputy\"\n".to_owned(),
        house.scene.hook("deputy", ""),
        source("closed", "{ file = \"closed.secret\" }"),
        source("empty", "{ env = \"LAST_GOOD_EMPTY\" }"),
        "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\", \"office\"]\n".to_owned(),
    ];
    std::fs::write(house.path("closed.secret"), format!("{}\n", keeta::SECRET)).expect("written");
    house.begin(&house.text("", &more.concat())).await;

    house.variables.remove("LAST_GOOD_HOOK");
    house.variables.insert("LAST_GOOD_EMPTY".to_owned(), " ".to_owned());
    std::fs::remove_file(house.path("closed.secret")).expect("removed");
    let check = house.run(&["check"]);
    assert_eq!(check.status.code(), Some(2), "{}", said(&check));
    let (code, log) = house.refused(&["serve", "--strict"]).await;
    assert_eq!(code, Some(2));
    for words in ["LAST_GOOD_HOOK is not set", "closed.secret cannot be read", "LAST_GOOD_EMPTY is empty"] {
        assert!(log.contains(words) && said(&check).contains(words), "{words}: {log}");
    }
    let daemon = house.serve().await;
    for source in ["closed", "empty"] {
        for body in [keeta::placed(7, jiff::Timestamp::now()), b"{}".to_vec()] {
            let answer = crate::support::request(house.address, "POST", &format!("/hooks/{source}"), &body).await;
            assert!(answer.status == 503 && answer.code() != 0, "{source}: {} {}", answer.status, answer.body);
        }
    }
    house.order_arrives(1, 1).await;
    house.until_notified(&["A channel is without its secret", "LAST_GOOD_HOOK is not set"]).await;
    house.until_notified(&["Webhooks cannot be checked", "closed", "closed.secret"]).await;
    house.until_notified(&["Webhooks cannot be checked", "empty", "LAST_GOOD_EMPTY is empty"]).await;
    assert_eq!(house.scene.until_received("deputy", 1).await.len(), 1, "urgent messages go to the fallback");
    assert!(house.scene.came_to("office").is_empty());
    let rows = house.run(&["deliveries", "--channel", "office", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_slice(&rows.stdout).expect("JSON");
    assert_eq!((&rows[0]["state"], &rows[0]["attempts"]), (&"waiting".into(), &0.into()), "{rows}");
    // A file is noticed by itself, also while the configuration cannot be used.
    let right = std::fs::read_to_string(&house.file).expect("a file");
    house.write("[[");
    daemon.hang_up();
    house.until_notified(&["The new configuration is not used"]).await;
    std::fs::write(house.path("closed.secret"), keeta::SECRET).expect("written");
    house.until_notified(&["Webhooks are taken again", "closed"]).await;
    assert_ne!(house.post("closed", 8).await.status, 503);
    assert_eq!(house.post("empty", 8).await.status, 503, "the other one waits on");
    assert_eq!(house.notified(&["The configuration is right again"]), 0);
    house.write(&right);
    drop(daemon);
    // A variable needs a restart. Nothing is lost, and nobody is notified twice.
    house.variables.insert("LAST_GOOD_HOOK".to_owned(), house.scene.sandbox.hook_url("office"));
    let _daemon = house.serve().await;
    house.order_arrives(2, 2).await;
    let received = house.scene.until_received("office", 2).await;
    let says = |text: &str| received.iter().filter(|received| received.body.contains(text)).count();
    assert_eq!((says("\"number\":\"1\""), says("\"number\":\"2\"")), (1, 1), "{received:#?}");
    assert_eq!(says("Sent to deputy meanwhile"), 1, "what its fallback was sent comes home: {received:#?}");
    assert_eq!(house.scene.received("erp").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_means_nothing_parks_its_channel_too() {
    let mut house = House::new().await;
    house.variables.insert("LAST_GOOD_HOOK".to_owned(), house.scene.sandbox.hook_url("office"));
    let more = "[channel.office]\nkind = \"webhook\"\nurl = { env = \"LAST_GOOD_HOOK\" }\nallow_private = true\n[[route]]\nevents = [\"order.*\"]\nto = [\"erp\", \"office\"]\n";
    house.begin(&house.text("", more)).await;
    house.variables.insert("LAST_GOOD_HOOK".to_owned(), "no-address-hush".to_owned());
    let daemon = house.serve().await;
    house.order_arrives(1, 1).await;
    house.until_notified(&["A channel is without its secret", "is not a web address"]).await;
    assert!(!daemon.log().contains("hush"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_never_takes_away_a_secret_that_works() {
    let house = House::new().await;
    let secret = format!("\"{}\"", keeta::SECRET);
    let source = keeta::source("filed", "").replace(&secret, "{ file = \"filed.secret\" }");
    std::fs::write(house.path("filed.secret"), keeta::SECRET).expect("written");
    house.write(&house.text("", &format!("{ROUTE}{source}")));
    let daemon = house.serve().await;
    std::fs::remove_file(house.path("filed.secret")).expect("removed");
    daemon.hang_up();
    house.until_notified(&["not used", "filed.secret"]).await;
    assert_ne!(house.post("filed", 1).await.status, 503);
    drop(daemon);
    // The next start has it no more.
    let _daemon = house.serve().await;
    assert_eq!(house.post("filed", 1).await.status, 503);
    house.order_arrives(2, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_beside_the_daemon_go_by_the_same_configuration_and_say_so() {
    let house = House::new().await;
    let report = "[report.daily]\nat = \"08:57\"\nto = [\"owner\"]\n";
    house.begin(&house.text("", &format!("{ROUTE}{report}"))).await;
    // With another store and another receiver in it, which must not be used.
    let broken = house.good().replace("sqlite:bell.db", "sqlite:other.db").replace("/webhook/erp", "/webhook/wrong");
    house.write(&format!("{broken}\nroutes = 7\n"));
    let daemon = house.serve().await;
    house.order_arrives(1, 1).await;
    let to = format!("http://{}/hooks/keeta", house.address);
    let copy = house.path("copy.db").display().to_string();
    let simulate = ["simulate", "keeta", "order.placed", "--to", &to];
    for (arguments, code) in [
        (&["deliveries"][..], 0),
        (&["why", "1"], 0),
        (&["backup", &copy], 0),
        (&["report", "daily"], 0),
        (&["report", "daily", "--send"], 0),
        (&["render", "order.placed", "--channel", "erp"], 0),
        // What stands in the broken file was not tested.
        (&["test", "erp"], 1),
        (&simulate, 0),
        (&["redeliver", "--dead"], 0),
        (&["cancel", "00000000"], 1),
    ] {
        let output = house.run(arguments);
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines: Vec<&str> = notes.lines().filter(|line| line.contains("last in force")).collect();
        assert_eq!((output.status.code(), lines.len()), (Some(code), 1), "{arguments:?}: {}", said(&output));
        assert!(lines[0].starts_with("note: ") && lines[0].contains("orderbell.toml"), "{}", lines[0]);
    }
    assert!(house.scene.came_to("wrong").is_empty());
    assert!(!house.path("other.db").exists());
    drop(daemon);
    // Nothing is said where the file is right.
    house.write(&house.good());
    let output = house.run(&["deliveries"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
}
