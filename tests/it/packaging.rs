//! What the project ships besides the program: the unit of systemd, and the Debian package.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use orderbell::cli::init::systemd::{PACKAGED, UnitPlan};

use crate::support::untested::say;

/// As `systemd-analyze security` counts: tenths of 10, the most exposed.
const MOST_EXPOSED: &str = "--threshold=15";

fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    let ran = Command::new(program).args(arguments).current_dir(folder).output();
    ran.unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Has systemd read a unit, in which the program is one that is there.
fn accepted(unit: &str) {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return say("the unit of systemd, because systemd-analyze is not there");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let there =
        unit.lines().map(|line| if line.starts_with("ExecStart=") { "ExecStart=/bin/true serve" } else { line });
    std::fs::write(folder.path().join("orderbell.service"), there.collect::<Vec<_>>().join("\n")).expect("written");
    let read = run("systemd-analyze", &["verify", "--man=no", "./orderbell.service"], folder.path());
    let said = String::from_utf8_lossy(&read.stderr).into_owned();
    // What systemd before 253 does not know has a line before it that counts there.
    let wrong: Vec<&str> = said.lines().filter(|line| !line.ends_with("ignoring: notify-reload")).collect();
    assert!(read.status.success() && wrong.is_empty(), "{said}");
    let judged = run(
        "systemd-analyze",
        &["security", "--offline=yes", "--no-pager", MOST_EXPOSED, "./orderbell.service"],
        folder.path(),
    );
    let said = String::from_utf8_lossy(&judged.stdout).into_owned();
    assert!(judged.status.success(), "{said}{}", String::from_utf8_lossy(&judged.stderr));
    println!("{}", said.lines().last().unwrap_or_default());
}

/// The lines of a unit that say something.
fn settings(unit: &str) -> Vec<&str> {
    unit.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

#[test]
fn systemd_takes_the_unit_of_the_package_and_finds_it_little_exposed() {
    accepted(PACKAGED);
}

#[test]
fn the_unit_for_a_folder_is_that_of_the_package_but_for_the_folder() {
    let plan = UnitPlan {
        program: PathBuf::from("/home/mei/.cargo/bin/orderbell"),
        file: PathBuf::from("/home/mei/bell/shop.toml"),
        user: "1000".to_owned(),
    };
    let unit = plan.unit().expect("plain paths");
    let (packaged, own) = (settings(PACKAGED), settings(&unit));
    let changed: Vec<&str> = own.iter().filter(|line| !packaged.contains(line)).copied().collect();
    let expected = [
        "User=1000",
        "Environment=ORDERBELL_CONFIG=/home/mei/bell/shop.toml",
        "EnvironmentFile=-/home/mei/bell/secrets.env",
        "ExecStart=/home/mei/.cargo/bin/orderbell serve",
        "WorkingDirectory=/home/mei/bell",
        "ProtectHome=tmpfs",
        "BindPaths=/home/mei/bell",
        "BindReadOnlyPaths=/home/mei/.cargo/bin/orderbell",
    ];
    assert_eq!(changed, expected);
    let left_out: Vec<&str> = packaged.iter().filter(|line| !own.contains(line)).copied().collect();
    assert_eq!(left_out.len(), 6, "{left_out:?}");
    assert!(unit.contains("#     sudo systemctl enable --now orderbell\n") && !unit.contains("useradd"), "{unit}");
    accepted(&unit);
}

#[test]
fn a_folder_of_root_gets_a_user_and_a_path_with_a_percent_sign_is_escaped() {
    let plan = UnitPlan {
        program: PathBuf::from("/opt/50%/orderbell"),
        file: PathBuf::from("/srv/50%/orderbell.toml"),
        user: "orderbell".to_owned(),
    };
    let unit = plan.unit().expect("plain paths");
    assert!(unit.contains("\nReadWritePaths=/srv/50%%\n") && !unit.contains("BindPaths"), "{unit}");
    assert!(unit.contains("sudo chown -R orderbell: /srv/50%\n"), "{unit}");
    accepted(&unit);
    for path in ["/srv/my bell/orderbell.toml", "/srv/a\nb/orderbell.toml", "/srv/a:b/orderbell.toml"] {
        let plan = UnitPlan { file: PathBuf::from(path), program: "/usr/bin/orderbell".into(), user: "1".into() };
        assert!(plan.unit().expect_err("no such path").contains("cannot stand in a unit of systemd"));
    }
}

#[test]
fn init_writes_a_unit_for_the_configuration_that_is_named_and_says_what_to_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("a folder");
    let init = |more: &[&str]| run(env!("CARGO_BIN_EXE_orderbell"), &[&["init", "--systemd"], more].concat(), &folder);
    let printed = String::from_utf8(init(&["--config", "shop.toml"]).stdout).expect("text");
    let environment = format!("Environment=ORDERBELL_CONFIG={}/shop.toml", folder.display());
    assert!(printed.lines().any(|line| line == environment), "{printed}");
    let program = format!("ExecStart={} serve", env!("CARGO_BIN_EXE_orderbell"));
    assert!(printed.lines().any(|line| line == program), "{printed}");
    accepted(&printed);

    let written = init(&["--output", "bell.service"]);
    let said = String::from_utf8(written.stdout).expect("text");
    assert!(said.starts_with("bell.service is written. What to type next:\n"), "{said}");
    assert!(said.contains("    sudo cp bell.service /etc/systemd/system/orderbell.service\n"), "{said}");
    assert!(folder.join("bell.service").exists());
    assert_eq!(init(&["--output", "bell.service"]).status.code(), Some(1), "it stays as it is");
    assert_eq!(init(&["--source", "keeta"]).status.code(), Some(2));
    let nowhere = init(&["--config", "nowhere/orderbell.toml"]);
    assert_eq!(nowhere.status.code(), Some(1));
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_configuration_of_the_package_is_the_example_with_paths_that_its_daemon_may_write_to() {
    let made = run("sed", &["-f", "packaging/debian/orderbell.toml.sed", "config.example.toml"], top());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (made, example) = (String::from_utf8(made.stdout).expect("text"), text("config.example.toml"));
    let lines = made.lines().zip(example.lines()).filter(|(made, example)| made != example);
    let changed: Vec<&str> = lines.map(|(made, _)| made).collect();
    let expected = [
        "#:schema /usr/share/doc/orderbell/orderbell.schema.json",
        "url = \"sqlite:/var/lib/orderbell/orderbell.db\" #",
        "# to = \"/var/lib/orderbell/backups\" #",
    ];
    assert_eq!(changed.len(), expected.len(), "{changed:#?}");
    for (changed, expected) in changed.iter().zip(expected) {
        assert!(changed.starts_with(expected), "{changed}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("orderbell.toml"), made).expect("written");
    let checked = run(env!("CARGO_BIN_EXE_orderbell"), &["check"], folder.path());
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn whatever_the_package_is_made_of_is_there_and_its_scripts_can_be_read() {
    let manifest: toml::Table = text("Cargo.toml").parse().expect("TOML");
    let deb = &manifest["package"]["metadata"]["deb"];
    let list = |value: &toml::Value| value.as_array().expect("a list").clone();
    let string = |value: &toml::Value| value.as_str().expect("a text").to_owned();
    let mut installed = Vec::new();
    for asset in list(&deb["assets"]) {
        let (from, to) = (string(&asset[0]), string(&asset[1]));
        // What is built is made by `packaging/debian/build`.
        assert!(from.starts_with("target/") || top().join(&from).is_file(), "{from} is not there");
        let name = from.rsplit('/').next().unwrap_or_default();
        installed.push(if to.ends_with('/') { format!("/{to}{name}") } else { format!("/{to}") });
    }
    for file in list(&deb["conf-files"]) {
        assert!(installed.contains(&string(&file)), "{file} is not in the package");
    }
    let unit = format!("{}/orderbell.service", string(&deb["systemd-units"]["unit-scripts"]));
    assert_eq!(text(&unit), PACKAGED);
    for path in ["/usr/bin/orderbell", "/etc/orderbell/orderbell.toml"] {
        assert!(PACKAGED.contains(path) && installed.iter().any(|file| file == path), "{path}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let path = format!("{}/{script}", string(&deb["maintainer-scripts"]));
        assert!(text(&path).contains("\n#DEBHELPER#\n"), "{path} has no place for what the unit needs");
        assert!(run("sh", &["-n", &path], top()).status.success(), "{path}");
    }
    for script in ["build", "try"] {
        assert!(run("bash", &["-n", &format!("packaging/debian/{script}")], top()).status.success(), "{script}");
    }
}
