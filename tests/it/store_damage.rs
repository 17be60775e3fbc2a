//! What befell the store while the daemon did not run, or as it was killed: what may be missing is said with its times, in the
//! log and to the operator; a database that cannot be read is refused and left as it is; a full disk is waited for.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::rules::Rules;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::binary::{Program, orders};
use crate::support::stores;
use crate::support::untested::Tmpfs;
use crate::support::{A_WHILE, Scene, in_time, keeta};

const MISSING: &str = "may be missing";

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn store_in(folder: &Path) -> PathBuf {
    folder.join("bell.db")
}

/// Copies what belongs to a store into another folder.
fn copy(from: &Path, to: &Path) {
    for ending in ["", "-wal", "-shm", ".last"] {
        if beside(&store_in(from), ending).exists() {
            std::fs::copy(beside(&store_in(from), ending), beside(&store_in(to), ending)).unwrap();
        }
    }
}

fn flip(path: &Path, at: u64, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
}

/// A folder as a killed daemon leaves it: `count` orders were acknowledged, all but the first stand in the log alone.
async fn killed(count: u64, text: &str) -> TempDir {
    let (home, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = Program::start(home.path(), "bell.db", text).await;
    program.acknowledged(&keeta::placed(1, Timestamp::now())).await;
    let reading = Connection::open(store_in(home.path())).unwrap();
    // As long as this snapshot is looked at, nothing newer leaves the log.
    reading.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    for number in 2..=count {
        program.acknowledged(&keeta::placed(number, Timestamp::now())).await;
    }
    program.kill();
    copy(home.path(), copied.path());
    copied
}

/// Waits until the note beside the database knows its newest event.
async fn until_noted(folder: &Path) {
    let newest = || -> i64 {
        let connection = Connection::open(store_in(folder)).unwrap();
        connection.query_row("SELECT max(seq) FROM events", [], |row| row.get(0)).unwrap()
    };
    let noted = || -> Option<i64> {
        let note = std::fs::read(beside(&store_in(folder), ".last")).ok()?;
        serde_json::from_slice::<serde_json::Value>(&note).ok()?["event"].as_i64()
    };
    in_time(async {
        while noted() != Some(newest()) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// As [`killed`], and by the time of the kill the note beside the database had been renewed.
async fn killed_later(count: u64, text: &str) -> TempDir {
    let (home, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = Program::start(home.path(), "bell.db", text).await;
    for number in 1..=count {
        program.acknowledged(&keeta::placed(number, Timestamp::now())).await;
    }
    until_noted(home.path()).await;
    program.kill();
    copy(home.path(), copied.path());
    copied
}

/// Starts a daemon on a folder; answers the orders that it has and what it said, or what it said when it refused.
async fn outcome(folder: &Path, text: &str) -> Result<(Vec<u64>, String), String> {
    let program = match Program::try_start(folder, "bell.db", text).await {
        Ok(program) => program,
        Err((status, log)) => {
            assert_eq!(status.code(), Some(1), "{log}");
            return Err(log);
        }
    };
    program.acknowledged(&keeta::placed(1000, Timestamp::now())).await;
    let found = orders(&store_in(folder));
    let log = program.stop().await;
    Ok((found.into_iter().filter(|number| *number != 1000).collect(), log))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_flips_in_any_page_of_the_log_loses_nothing_silently() {
    let home = killed(3, "").await;
    let all = vec![1, 2, 3];
    let log = std::fs::read(beside(&store_in(home.path()), "-wal")).unwrap();
    assert!(log.len() > 32 + 4120, "there is something in the log");
    let (whole, _) = outcome(copied(home.path()).path(), "").await.expect("it starts");
    assert_eq!(whole, all, "the daemon finds what is in the log");
    let frames = (log.len() as u64 - 32) / 4120;
    // The log's own header, and of each frame a bit of its page and one of its checksum.
    let places = std::iter::once(16)
        .chain((0..frames).flat_map(|frame| [32 + frame * 4120 + 24 + 1500, 32 + frame * 4120 + 17]));
    let mut lossy = 0;
    for place in places {
        let folder = copied(home.path());
        flip(&beside(&store_in(folder.path()), "-wal"), place, 3);
        let (found, said) = outcome(folder.path(), "").await.unwrap_or_else(|said| panic!("{place}: refused: {said}"));
        assert!(found == all || said.contains(MISSING), "{place}: only {found:?}, and nothing was said: {said}");
        lossy += u32::from(found != all);
        let (again, said) = outcome(folder.path(), "").await.expect("it starts again");
        assert!(again == found && !said.contains(MISSING), "{place}: it is said once: {said}");
    }
    assert!(lossy > 0, "no bit mattered, so this test shows nothing");
}

fn copied(from: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(from, folder.path());
    folder
}

#[tokio::test]
async fn a_bit_that_flips_in_the_head_of_any_page_of_the_database_is_refused_or_matters_to_nobody() {
    let home = killed_later(3, "").await;
    // Clean: all is in the main file.
    let store = stores::open(&store_in(home.path()), Timestamp::now()).unwrap();
    store.close().await;
    let pages = std::fs::metadata(store_in(home.path())).unwrap().len() / 4096;
    let mut refused = 0;
    for page in 0..pages {
        // The kind of the page, and the number of its cells.
        for at in [page * 4096, page * 4096 + 4] {
            let folder = copied(home.path());
            let path = store_in(folder.path());
            flip(&path, at, 1);
            let before = std::fs::read(&path).unwrap();
            match stores::open(&path, Timestamp::now()) {
                Ok(store) => {
                    assert_eq!(orders(&path), [1, 2, 3], "page {page}");
                    store.close().await;
                }
                Err(error) => {
                    refused += 1;
                    let said = error.to_string();
                    assert!(said.contains("is damaged") && said.contains("backup"), "page {page}: {said}");
                    assert_eq!(std::fs::read(&path).unwrap(), before, "page {page}: it is left as it is");
                }
            }
        }
    }
    assert!(refused > pages / 2, "hardly any of {pages} pages mattered: {refused}");
}

/// What befell the store while the daemon was killed, and how many orders may be missing then.
type Mishap = (&'static str, fn(&Path));

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_at_the_start_is_said_once_in_the_log_and_to_the_operator_with_its_times() {
    let cases: [Mishap; 7] = [
        ("the log cut", |path| {
            let log = OpenOptions::new().write(true).open(beside(path, "-wal")).unwrap();
            log.set_len(32 + 4120 * 3).unwrap();
        }),
        ("the log deleted", |path| std::fs::remove_file(beside(path, "-wal")).unwrap()),
        ("log and index deleted", |path| {
            std::fs::remove_file(beside(path, "-wal")).unwrap();
            std::fs::remove_file(beside(path, "-shm")).unwrap();
        }),
        ("the database emptied", |path| std::fs::write(path, "").unwrap()),
        ("the database deleted", |path| std::fs::remove_file(path).unwrap()),
        ("all deleted", |path| {
            for ending in ["", "-wal", "-shm"] {
                std::fs::remove_file(beside(path, ending)).unwrap();
            }
        }),
        ("the log emptied", |path| std::fs::write(beside(path, "-wal"), "").unwrap()),
    ];
    for (name, mishap) in cases {
        eprintln!("{name}");
        let scene = Scene::new(Rules::new()).await;
        let text = format!("{}[operator]\nto = [\"boss\"]\n", scene.hook("boss", ""));
        let home = {
            let (home, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let program = Program::start(home.path(), "bell.db", "").await;
            program.acknowledged(&keeta::placed(1, Timestamp::now())).await;
            let reading = Connection::open(store_in(home.path())).unwrap();
            reading.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
            for number in 2..=5 {
                program.acknowledged(&keeta::placed(number, Timestamp::now())).await;
            }
            until_noted(home.path()).await;
            program.kill();
            copy(home.path(), copied.path());
            copied
        };
        mishap(&store_in(home.path()));
        let program = Program::start(home.path(), "bell.db", &text).await;
        program.until_logged(MISSING).await;
        let received = scene.until_received("boss", 1).await;
        assert!(received[0].body.contains("\"topic\":\"loss\""), "{name}: {received:?}");
        assert!(received[0].body.contains("\"last_at\":"), "{name}: with its times: {received:?}");
        program.acknowledged(&keeta::placed(6, Timestamp::now())).await;
        let log = program.stop().await;
        assert_eq!(log.matches("events may be missing").count(), 1, "{name}: {log}");
        let program = Program::start(home.path(), "bell.db", &text).await;
        program.acknowledged(&keeta::placed(7, Timestamp::now())).await;
        let log = program.stop().await;
        assert!(!log.contains(MISSING), "{name}: it is said once: {log}");
        scene.nothing_more(A_WHILE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_in_the_place_of_the_database_is_said_to_be_older() {
    let home = killed_later(2, "").await;
    let backup = copied(home.path());
    let program = Program::start(home.path(), "bell.db", "").await;
    program.acknowledged(&keeta::placed(3, Timestamp::now())).await;
    program.stop().await;
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(&store_in(home.path()), ending));
    }
    // As `orderbell backup` writes it: one file.
    stores::open(&store_in(backup.path()), Timestamp::now()).unwrap().close().await;
    std::fs::copy(store_in(backup.path()), store_in(home.path())).unwrap();
    let (found, said) = outcome(home.path(), "").await.expect("it starts");
    assert_eq!(found, [1, 2]);
    assert!(said.contains(MISSING) && said.contains("older"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_a_note_and_a_clean_one_make_no_alarm() {
    let home = killed_later(3, "").await;
    let (found, said) = outcome(home.path(), "").await.expect("it starts");
    assert!(found == [1, 2, 3] && !said.contains(MISSING), "{said}");
    // From before there were notes, or restored elsewhere.
    std::fs::remove_file(beside(&store_in(home.path()), ".last")).unwrap();
    let (found, said) = outcome(home.path(), "").await.expect("it starts");
    assert!(found == [1, 2, 3] && !said.contains(MISSING), "{said}");
    // And what cannot be read is as good as none.
    std::fs::write(beside(&store_in(home.path()), ".last"), "half a no").unwrap();
    let (_, said) = outcome(home.path(), "").await.expect("it starts");
    assert!(!said.contains(MISSING), "{said}");
}

#[tokio::test]
async fn what_retention_removes_is_not_missing() {
    let home = killed_later(3, "").await;
    let path = store_in(home.path());
    let store = stores::open(&path, Timestamp::now()).unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    assert!(store.prune(later, 0, 50).await.expect("pruned").0 >= 3);
    store.close().await;
    let (found, said) = outcome(home.path(), "").await.expect("it starts");
    assert!(found.is_empty() && !said.contains(MISSING), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_cannot_be_written_is_a_warning_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(beside(&store_in(home.path()), ".last")).unwrap();
    let program = Program::start(home.path(), "bell.db", "").await;
    for number in 1..=3 {
        program.acknowledged(&keeta::placed(number, Timestamp::now())).await;
    }
    program.until_logged("cannot be written").await;
    program.stop().await;
    let (found, said) = outcome(home.path(), "").await.expect("it starts");
    assert!(found == [1, 2, 3] && !said.contains(MISSING), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_quiet_the_main_file_holds_everything() {
    let home = tempfile::tempdir().unwrap();
    let path = store_in(home.path());
    let program = Program::start(home.path(), "bell.db", "").await;
    for number in 1..=3 {
        program.acknowledged(&keeta::placed(number, Timestamp::now())).await;
    }
    in_time(async {
        while std::fs::metadata(beside(&path, "-wal")).is_ok_and(|log| log.len() > 0) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    program.kill();
    std::fs::remove_file(beside(&path, "-wal")).unwrap();
    let (found, said) = outcome(home.path(), "").await.expect("it starts");
    assert!(found == [1, 2, 3] && !said.contains(MISSING), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_disk_it_starts_answers_503_and_goes_on_when_there_is_room() {
    let Some(disk) = Tmpfs::mount() else { return };
    let home = tempfile::tempdir().unwrap();
    let store = disk.path().join("bell.db").display().to_string();
    let mut expected = Vec::new();
    // The first time there is no database yet; the second, one that was left in order; then one that was killed.
    for (round, ends_by_kill) in [(1, false), (2, true), (3, false)] {
        disk.fill();
        let program = Program::start(home.path(), &store, "").await;
        let body = keeta::placed(round, Timestamp::now());
        for _ in 0..3 {
            assert_eq!(program.post(&body).await.status, 503, "round {round}: {}", program.log());
        }
        assert_eq!(program.post(b"{}").await.status, 200, "heartbeats need no disk");
        disk.clear();
        program.until_acknowledged(&body).await;
        expected.push(round);
        assert_eq!(orders(Path::new(&store)), expected, "round {round}");
        assert!(!program.log().contains(MISSING), "round {round}: {}", program.log());
        match ends_by_kill {
            true => program.kill(),
            false => drop(program.stop().await),
        }
    }
}
