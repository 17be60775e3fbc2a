//! The copies of the configuration last in force: what stands in them, where they lie, and which of them are not believed.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use crate::last_good::house::{House, ROUTE};
use crate::support::{keeta, untested};

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("a file").mode() & 0o7777
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_the_text_of_the_file_for_its_owner_alone_and_references_stay_references() {
    let mut house = House::new().await;
    house.variables.insert("LAST_GOOD_SECRET".to_owned(), keeta::SECRET.to_owned());
    let reference = "{ env = \"LAST_GOOD_SECRET\" }";
    let text = house.good().replace(&format!("\"{}\"", keeta::SECRET), reference);
    house.begin(&format!("\u{feff}{}", text.replace('\n', "\r\n"))).await;
    let copy = house.path(".orderbell.last-good.toml");
    let written = read(&copy);
    assert_eq!(mode(&copy), 0o600);
    assert!(written.ends_with(&text.replace('\n', "\r\n")), "{written}");
    let head: Vec<&str> = written.lines().take(3).collect();
    assert!(head.iter().all(|line| line.starts_with("# ")), "{head:?}");
    assert!(head[1].ends_with("/orderbell.toml") && head[2].contains("In force since: 2"), "{head:?}");
    assert!(written.contains(reference) && !written.contains(keeta::SECRET));

    // Written again only when it is another, as a whole, also by a reload.
    let before = std::fs::metadata(&copy).expect("a file");
    let daemon = house.serve().await;
    let same = std::fs::metadata(&copy).expect("a file");
    assert_eq!((before.ino(), before.mtime_nsec()), (same.ino(), same.mtime_nsec()));
    house.write(&text.replace("to = [\"erp\"]", "to = [\"erp\", \"owner\"]"));
    daemon.hang_up();
    house.until_log(&daemon, "was read again and is in force").await;
    assert!(read(&copy).contains("to = [\"erp\", \"owner\"]"));
    assert_ne!(std::fs::metadata(&copy).expect("a file").ino(), before.ino());
    drop(daemon);
    // A start with a broken file leaves it as it is.
    let kept = read(&copy);
    house.write("[[");
    drop(house.serve().await);
    assert_eq!(read(&copy), kept);
    assert_eq!(mode(&copy), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_folder_takes_no_copy_the_stores_folder_or_that_of_the_service_does_and_the_newest_counts() {
    let mut house = House::new().await;
    for folder in ["store", "state", "secrets"] {
        std::fs::create_dir(house.path(folder)).expect("made");
    }
    std::fs::write(house.path("secrets/keeta"), keeta::SECRET).expect("written");
    house.state = Some(house.path("state"));
    let secret = format!("\"{}\"", keeta::SECRET);
    let text = |more: &str| {
        let text = house.text("", &format!("{ROUTE}{more}")).replace("sqlite:bell.db", "sqlite:store/bell.db");
        text.replace(&secret, "{ file = \"secrets/keeta\" }")
    };
    let (first, second) = (text(""), text(&keeta::source("second", "")));
    house.begin(&first).await;
    let beside = house.path(".orderbell.last-good.toml");
    assert!(read(&beside).ends_with(&first));
    // From now on no copy can be put there.
    let kept = read(&beside);
    std::fs::remove_file(&beside).expect("removed");
    std::fs::create_dir_all(beside.join("in the way")).expect("made");
    house.begin(&second).await;
    for folder in ["store", "state"] {
        let copy = house.path(folder).join(".orderbell.last-good.toml");
        assert!(read(&copy).ends_with(&second) && mode(&copy) == 0o600, "{folder}");
    }
    std::fs::remove_dir_all(&beside).expect("removed");
    std::fs::write(&beside, kept).expect("written");
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).expect("set");
    // The file is gone, and with it where the store is: the folder of the service still knows. Paths mean what they meant.
    house.clear();
    let daemon = house.serve().await;
    assert_ne!(house.post("second", 1).await.status, 404, "the newest");
    house.order_arrives(1, 1).await;
    drop(daemon);
    // Without that folder: the file says where the store is, however broken it is.
    house.state = None;
    house.write(&format!("{second}\n[[[\n"));
    let _daemon = house.serve().await;
    house.order_arrives(2, 2).await;
    assert_ne!(house.post("second", 1).await.status, 404, "the newest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_somebody_else_could_have_written_is_not_believed() {
    let house = House::new().await;
    house.begin(&house.good()).await;
    house.write("[[");
    let copy = house.path(".orderbell.last-good.toml");
    let kept = read(&copy);
    let refused = async |words: &str| {
        let (code, log) = house.refused(&["serve"]).await;
        assert!(code == Some(2) && log.contains(words), "{words}: {code:?}\n{log}");
    };
    for mode in [0o620, 0o602] {
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(mode)).expect("set");
        refused("others may write to it").await;
    }
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).expect("set");
    // Only root can give a file away.
    match chown(&copy, Some(65_534), None) {
        Ok(()) => {
            refused("it belongs to another user").await;
            chown(&copy, Some(0), None).expect("back");
        }
        Err(error) => {
            untested::say(&format!("a copy of another user, for want of the right to give a file away: {error}"))
        }
    }
    std::fs::rename(&copy, house.path("elsewhere")).expect("moved");
    symlink(house.path("elsewhere"), &copy).expect("linked");
    refused("it is a symbolic link").await;
    std::fs::remove_file(&copy).expect("removed");
    // Of another file, broken itself, or of a version that knew other keys.
    for (text, words) in [
        (kept.replace("/orderbell.toml", "/another.toml"), "it is a copy of another file"),
        (kept.replace("[[route]]", "[[route"), ".last-good.toml"),
        (kept.replace("currency =", "currencies ="), "currencies"),
        (String::new(), "no source and no channel"),
    ] {
        std::fs::write(&copy, text).expect("written");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).expect("set");
        refused(words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_place_of_a_copy_is_replaced_and_never_written_to() {
    let house = House::new().await;
    let (copy, victim) = (house.path(".orderbell.last-good.toml"), house.path("victim"));
    std::fs::write(&victim, "precious").expect("written");
    symlink(&victim, &copy).expect("linked");
    symlink(&victim, house.path(".orderbell.last-good.toml.new")).expect("linked");
    house.begin(&house.good()).await;
    assert_eq!(read(&victim), "precious");
    assert!(std::fs::symlink_metadata(&copy).expect("a file").is_file());
    assert!(read(&copy).ends_with(&house.good()));
    assert!(!house.path(".orderbell.last-good.toml.new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_never_share_a_copy() {
    let mut house = House::new().await;
    let folder = |name: &str| house.path(name);
    let files = ["orderbell.toml", "second.toml", "second", "deep/orderbell.toml"].map(folder);
    std::fs::create_dir(house.path("deep")).expect("made");
    let text = |number: usize| {
        let store = house.path(&format!("bell-{number}.db")).display().to_string();
        let text = house.good().replace("sqlite:bell.db", &format!("sqlite:{store}"));
        text + &keeta::source(&format!("of-{number}"), "")
    };
    let texts: Vec<String> = (0..files.len()).map(text).collect();
    for (file, text) in files.iter().zip(&texts) {
        house.file = file.clone();
        house.begin(text).await;
    }
    for (number, file) in files.iter().enumerate() {
        house.file = file.clone();
        house.write("[[");
        let _daemon = house.serve().await;
        for other in 0..files.len() {
            let status = house.post(&format!("of-{other}"), 1).await.status;
            assert_eq!(status == 404, other != number, "{}: of-{other} {status}", file.display());
        }
    }
}
