//! The unit by which systemd runs the daemon, for the folder of a configuration: the one of the Debian package
//! (`packaging/systemd/orderbell.service`), with this folder, this program and the folder's owner.

use std::fmt::Display;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The unit as the Debian package has it.
pub const PACKAGED: &str = include_str!("../../../packaging/systemd/orderbell.service");
/// The user of the Debian package, and of a folder that belongs to root.
const USER: &str = "orderbell";
/// What `ProtectHome` hides.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// What the unit depends on: all paths are absolute.
pub struct UnitPlan {
    pub program: PathBuf,
    /// The configuration; its folder holds the store.
    pub file: PathBuf,
    /// Who the daemon runs as: a name or a number.
    pub user: String,
}

impl UnitPlan {
    /// For this program and the configuration at `file`, run as the owner of its folder.
    ///
    /// # Errors
    /// When the folder is not there, or this program has no path.
    pub fn here(file: &Path) -> io::Result<Self> {
        let name = file.file_name().ok_or_else(|| io::Error::other("this is the name of no file"))?;
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize()?,
            _ => std::env::current_dir()?,
        };
        let user = match folder.metadata()?.uid() {
            0 => USER.to_owned(),
            uid => uid.to_string(),
        };
        Ok(Self { program: std::env::current_exe()?, file: folder.join(name), user })
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// The unit, with what to type next as comments.
    ///
    /// # Errors
    /// A text that names a path that cannot stand in a unit.
    pub fn unit(&self) -> Result<String, String> {
        let (program, file, folder) = (plain(&self.program)?, plain(&self.file)?, plain(self.folder())?);
        let hidden = |path: &Path| HOMES.iter().any(|home| path.starts_with(home));
        let way_in = if hidden(self.folder()) { "BindPaths" } else { "ReadWritePaths" };
        let mut visible = format!("ProtectHome=tmpfs\n{way_in}={folder}\n");
        if hidden(&self.program) && !self.program.starts_with(self.folder()) {
            visible += &format!("BindReadOnlyPaths={program}\n");
        }
        let mut unit = format!("# {}\n\n", self.next(Path::new("orderbell.service")).join("\n# "));
        for line in PACKAGED.lines() {
            unit += &match line.split_inclusive('=').next().unwrap_or_default() {
                "User=" => format!("User={}\n", self.user),
                "Environment=" => format!("Environment=ORDERBELL_CONFIG={file}\n"),
                "EnvironmentFile=" => format!("EnvironmentFile=-{folder}/secrets.env\n"),
                "ExecStart=" => format!("ExecStart={program} serve\n"),
                "WorkingDirectory=" => format!("WorkingDirectory={folder}\n"),
                "ProtectHome=" => visible.clone(),
                _ => format!("{line}\n"),
            };
        }
        Ok(unit)
    }

    /// What to type to run the daemon by the unit, which was written to a file.
    pub fn next(&self, unit: &Path) -> Vec<String> {
        let (folder, unit) = (self.folder().display(), unit.display());
        let mut next = vec!["What to type next:".to_owned()];
        let mut type_in = |command: &dyn Display| next.push(format!("    {command}"));
        if self.user == USER {
            type_in(&format_args!("sudo useradd --system --home-dir {folder} --shell /usr/sbin/nologin {USER}"));
            type_in(&format_args!("sudo chown -R {USER}: {folder}"));
        }
        type_in(&format_args!("sudo cp {unit} /etc/systemd/system/orderbell.service"));
        type_in(&"sudo systemctl daemon-reload");
        type_in(&"sudo systemctl enable --now orderbell");
        type_in(&"systemctl status orderbell");
        next.push(format!(
            "Secrets that the configuration takes from the environment belong into {folder}/secrets.env."
        ));
        next
    }
}

/// A path as it may stand in every line of a unit, in which `%` begins a specifier.
fn plain(path: &Path) -> Result<String, String> {
    let named = || format!("{} cannot stand in a unit of systemd", path.display());
    let text = path.to_str().ok_or_else(named)?;
    let is_plain = text.chars().all(|letter| !letter.is_control() && !"\"'\\:$ ".contains(letter));
    is_plain.then(|| text.replace('%', "%%")).ok_or_else(|| {
        format!("{}: move it to a path without blanks, quotes, colons, dollars and backslashes", named())
    })
}
