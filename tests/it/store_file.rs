//! The database file disappears, is replaced or cut short under the running daemon, or is asked for by two daemons under two
//! names: nothing is acknowledged that a restart would not find, and there is never a second daemon.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::store::{Store, StoreError, sqlite};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::binary::{Program, orders};
use crate::support::stores;
use crate::support::{A_WHILE, Answer, Daemon, Scene, in_time, keeta};

fn channels(scene: &Scene) -> String {
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n[operator]\nto = [\"boss\"]\n";
    format!("{}{}{route}", scene.hook("erp", ""), scene.hook("boss", ""))
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_ne!(answer.code(), 0);
}

/// A file beside, with this ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A daemon that has taken order 1.
async fn with_one_order(scene: &Scene) -> Daemon {
    let daemon = scene.start(&channels(scene)).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_received("erp", 1).await;
    daemon.until_done().await;
    daemon
}

/// What happens to the files.
type Mishap = (&'static str, fn(&Path));
/// What takes the database away, and what puts it back.
type Absence = (&'static str, fn(&Path), fn(&Path));

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_moved_away_is_answered_503_until_it_is_back() {
    let cases: [Absence; 3] = [
        (
            "moved",
            |path| std::fs::rename(path, beside(path, ".away")).unwrap(),
            |path| std::fs::rename(beside(path, ".away"), path).unwrap(),
        ),
        (
            "replaced",
            |path| {
                std::fs::rename(path, beside(path, ".away")).unwrap();
                let other = beside(path, ".other");
                Connection::open(&other).and_then(|other| other.execute_batch("CREATE TABLE t (x)")).unwrap();
                std::fs::rename(other, path).unwrap();
            },
            |path| std::fs::rename(beside(path, ".away"), path).unwrap(),
        ),
        (
            "its folder moved",
            |path| std::fs::rename(path.parent().unwrap(), beside(path.parent().unwrap(), ".away")).unwrap(),
            |path| std::fs::rename(beside(path.parent().unwrap(), ".away"), path.parent().unwrap()).unwrap(),
        ),
    ];
    for (name, away, back) in cases {
        eprintln!("{name}");
        let scene = Scene::new(Rules::new()).await;
        let folder = scene.folder.path().join("data");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("bell.db");
        let daemon = scene.start_in(&folder, &channels(&scene)).await;
        daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
        scene.until_received("erp", 1).await;
        daemon.until_done().await;

        away(&path);
        let body = keeta::placed(2, scene.hands.now());
        for _ in 0..3 {
            refused(&daemon.post(&body).await);
        }
        assert_eq!(daemon.post(b"{}").await.status, 200, "heartbeats need no database");
        back(&path);
        daemon.acknowledged(&body).await;
        scene.until_received("erp", 2).await;
        daemon.until_done().await;
        assert_eq!(orders(&path), [1, 2], "{name}");
        let received = in_time(scene.until_received("boss", 1)).await;
        assert!(received[0].body.contains("\"topic\":\"store\""), "{name}: the operator is notified: {received:?}");
        assert!(received[0].body.contains("\"until\":"), "{name}: and that it is over: {received:?}");
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_into_a_database_that_is_deleted_or_cut_short() {
    let cases: [Mishap; 4] = [
        ("deleted", |path| std::fs::remove_file(path).unwrap()),
        ("deleted with its log", |path| {
            for ending in ["", "-wal", "-shm"] {
                std::fs::remove_file(beside(path, ending)).unwrap();
            }
        }),
        ("overwritten by something else", |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[b'x'; 5000], 0).unwrap();
        }),
        ("cut short", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(8192).unwrap()),
    ];
    for (name, mishap) in cases {
        eprintln!("{name}");
        let scene = Scene::new(Rules::new()).await;
        let daemon = with_one_order(&scene).await;
        // Then the main file holds all there is.
        daemon.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        mishap(&scene.store());
        for number in 2..10 {
            refused(&daemon.post(&keeta::placed(number, scene.hands.now())).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_while_the_database_is_away_and_all_of_it_when_it_is_back() {
    let scene = Scene::still(Timestamp::now(), Rules::new()).await;
    let daemon = scene.start(&channels(&scene)).await;
    scene.sandbox.order("erp", Fault::Status { status: 500, body: String::new() }, Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_came("erp", 1).await;
    daemon.until(|all| all[0].attempts == 1 && all[0].answer.is_some()).await;

    std::fs::rename(scene.store(), beside(&scene.store(), ".away")).unwrap();
    scene.hands.forward(SignedDuration::from_mins(1));
    scene.nothing_more(A_WHILE).await;
    std::fs::rename(beside(&scene.store(), ".away"), scene.store()).unwrap();
    scene.until_received("erp", 1).await;
    daemon.until_done().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_missing_is_noticed_and_said_without_any_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), "bell.db", "").await;
    let path = folder.path().join("bell.db");
    std::fs::rename(&path, beside(&path, ".away")).unwrap();
    program.until_logged("is no longer there").await;
    std::fs::rename(beside(&path, ".away"), &path).unwrap();
    program.until_logged("the database is right again").await;
    program.acknowledged(&keeta::placed(1, Timestamp::now())).await;
    std::fs::write(beside(&path, ".other"), "another file").unwrap();
    std::fs::rename(beside(&path, ".other"), &path).unwrap();
    program.until_logged("another file stands in the place of").await;
    refused(&program.post(&keeta::placed(2, Timestamp::now())).await);
    refused(&program.post(&keeta::placed(2, Timestamp::now())).await);
    let log = program.stop().await;
    let said = log.matches("ERROR nothing can be stored").count();
    assert!(said == 2 && log.contains("restart"), "each is said once: {log}");
}

/// A log that is taken away while the daemon runs: what was acknowledged before and what is acknowledged after are there after
/// a kill.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_ahead_log_that_is_taken_away_loses_nothing_that_was_acknowledged() {
    let cases: [Mishap; 5] = [
        ("the log removed", |path| std::fs::remove_file(beside(path, "-wal")).unwrap()),
        ("the index removed", |path| std::fs::remove_file(beside(path, "-shm")).unwrap()),
        ("both removed", |path| {
            std::fs::remove_file(beside(path, "-wal")).unwrap();
            std::fs::remove_file(beside(path, "-shm")).unwrap();
        }),
        ("the log replaced", |path| {
            std::fs::copy(beside(path, "-wal"), beside(path, "-copy")).unwrap();
            std::fs::rename(beside(path, "-copy"), beside(path, "-wal")).unwrap();
        }),
        ("another database in between, which takes the log for its own", |path| {
            std::fs::rename(path, beside(path, ".away")).unwrap();
            Connection::open(path).and_then(|other| other.execute_batch("CREATE TABLE t (x)")).unwrap();
            std::fs::rename(beside(path, ".away"), path).unwrap();
        }),
    ];
    for (name, mishap) in cases {
        eprintln!("{name}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db");
        let program = Program::start(folder.path(), "bell.db", "").await;
        for number in 1..=3 {
            program.acknowledged(&keeta::placed(number, Timestamp::now())).await;
        }
        mishap(&path);
        for number in 4..=6 {
            program.until_acknowledged(&keeta::placed(number, Timestamp::now())).await;
        }
        program.until_logged("the write-ahead log").await;
        program.kill();
        let program = Program::start(folder.path(), "bell.db", "").await;
        assert_eq!(orders(&path), [1, 2, 3, 4, 5, 6], "{name}");
        let check: String =
            Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "{name}");
        program.stop().await;
    }
}

fn open(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    stores::open(path, Timestamp::now())
}

#[tokio::test]
async fn a_second_daemon_is_refused_by_whatever_name_it_comes() {
    type Other = fn(&TempDir) -> PathBuf;
    let cases: [(&str, Other); 6] = [
        ("a symbolic link", |folder| {
            symlink(folder.path().join("data/bell.db"), folder.path().join("link.db")).unwrap();
            folder.path().join("link.db")
        }),
        ("a link to the folder", |folder| {
            symlink(folder.path().join("data"), folder.path().join("link")).unwrap();
            folder.path().join("link/bell.db")
        }),
        ("a hard link", |folder| {
            std::fs::hard_link(folder.path().join("data/bell.db"), folder.path().join("hard.db")).unwrap();
            folder.path().join("hard.db")
        }),
        ("the lock file removed", |folder| {
            std::fs::remove_file(folder.path().join("data/bell.db.lock")).unwrap();
            folder.path().join("data/bell.db")
        }),
        ("the lock file replaced", |folder| {
            std::fs::write(folder.path().join("new"), "").unwrap();
            std::fs::rename(folder.path().join("new"), folder.path().join("data/bell.db.lock")).unwrap();
            folder.path().join("data/bell.db")
        }),
        ("the folder moved", |folder| {
            std::fs::rename(folder.path().join("data"), folder.path().join("moved")).unwrap();
            folder.path().join("moved/bell.db")
        }),
    ];
    for (name, other) in cases {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let first = open(&folder.path().join("data/bell.db")).unwrap();
        let path = other(&folder);
        let refused = open(&path).err().unwrap_or_else(|| panic!("{name}: a second daemon started")).to_string();
        assert!(refused.contains("in use by another orderbell daemon"), "{name}: {refused}");
        assert!(sqlite::lock::is_held(&path), "{name}: commands see the daemon too");
        first.close().await;
        assert!(!sqlite::lock::is_held(&path), "{name}: it is free for the next one");
    }
}

#[tokio::test]
async fn a_lock_file_that_is_removed_is_made_again_by_the_daemon_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), "bell.db", "").await;
    let lock = folder.path().join("bell.db.lock");
    std::fs::remove_file(&lock).unwrap();
    in_time(async {
        while !lock.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    program.acknowledged(&keeta::placed(1, Timestamp::now())).await;
    let mut second = Program::spawn(folder.path(), "bell.db", "");
    assert!(!second.ended().await.success(), "a second daemon starts");
    assert!(second.log().contains("in use by another orderbell daemon"), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_program_holds_the_write_lock_each_webhook_is_refused_and_none_waits_for_those_before() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = with_one_order(&scene).await;
    let other = daemon.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    in_time(async {
        for number in 2..22 {
            refused(&daemon.post(&keeta::placed(number, scene.hands.now())).await);
        }
    })
    .await;
    other.execute_batch("ROLLBACK").unwrap();
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bell.db");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    file.write_all(&[b'x'; 20_000]).unwrap();
    let refused = open(&path).err().expect("it is no database").to_string();
    assert!(refused.contains("bell.db"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 20_000]);
}
